"""Lambda functions: their surroundings, their errors, and many at once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.local.fills.functions import OUTPUT_DRAIN
from tests.support.cloud import Cloud, Record
from tests.support.waiting import wait_for


def invoke(cloud: Cloud, function: str, event: Any = None) -> Any:
    """Invoke a function and wait for what it returns."""
    answer = cloud.lambdas.invoke(FunctionName=function, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def call(function: str, **members: Any) -> Record:
    """A state that calls a function with the state's input."""
    parameters = {"FunctionName": function, "Payload.$": "$"}
    resource = "arn:aws:states:::lambda:invoke"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **members}


def test_a_function_s_surroundings(cloud: Cloud) -> None:
    """Its own variables, the emulator's endpoint, and nothing of ours."""
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
    function = cloud.define_function(code, Environment={"Variables": {"CATALOG": "here"}})
    seen = invoke(cloud, function)
    assert seen["CATALOG"] == "here"
    assert seen["AWS_ENDPOINT_URL"] == cloud.emulator.endpoint_url
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] in function
    assert not {"PYTEST_CURRENT_TEST", "PYTHONPATH", "AWS_PROFILE"} & set(seen)


def test_a_function_reaches_the_emulator(cloud: Cloud) -> None:
    """boto3 in a function needs no configuration."""
    code = (
        "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Account']\n"
    )
    assert invoke(cloud, cloud.define_function(code, Timeout=20)) == "000000000000"


def test_an_exception_is_named(cloud: Cloud) -> None:
    """The error of a function that raises is the exception's name, its cause AWS's JSON."""
    code = (
        "class PlanInvalid(Exception):\n"
        "    pass\n"
        "def handler(event, context):\n"
        "    print('told')\n"
        "    raise PlanInvalid('no stages')\n"
    )
    ended = cloud.result({"Call": call(cloud.define_function(code))})
    assert (ended["status"], ended["error"]) == ("FAILED", "PlanInvalid")
    cause = json.loads(ended["cause"])
    assert (cause["errorMessage"], cause["errorType"]) == ("no stages", "PlanInvalid")
    assert "raise PlanInvalid" in "".join(cause["stackTrace"])


def test_an_exception_can_be_retried(cloud: Cloud) -> None:
    """A retrier calls again, and the count is seen."""
    code = (
        "def handler(event, context):\n"
        "    if event['tries'] < 2:\n"
        "        raise OSError('not yet')\n"
        "    return event['tries']\n"
    )
    state = call(
        cloud.define_function(code),
        Retry=[{"ErrorEquals": ["OSError"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1}],
    )
    state["Parameters"]["Payload"] = {"tries.$": "$$.State.RetryCount"}
    del state["Parameters"]["Payload.$"]
    assert cloud.output({"Call": state})["Payload"] == 2


def test_output_is_logged(cloud: Cloud) -> None:
    """What a function prints reaches its log group."""
    function = cloud.define_function("def handler(event, context):\n    print('told you')\n")
    invoke(cloud, function)
    name = function.rpartition(":")[2]
    group = f"/aws/lambda/{name}"
    streams = cloud.logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = cloud.logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])["events"]
    assert "told you" in [event["message"].strip() for event in events]


def test_a_warm_call_takes_milliseconds(cloud: Cloud) -> None:
    """A function that prints nothing is not waited for."""
    function = cloud.define_function("def handler(event, context):\n    return event\n")
    invoke(cloud, function)

    def seconds() -> float:
        began = time.monotonic()
        assert invoke(cloud, function, 1) == 1
        return time.monotonic() - began

    # Where it is waited for, each call takes as long; on a busy machine, most may.
    wait_for(lambda: seconds() < OUTPUT_DRAIN, "a call that is not waited for")


def test_many_at_once(cloud: Cloud) -> None:
    """A burst is answered by fewer processes than there are callers."""
    code = "import os\ndef handler(event, context):\n    return [event, os.getpid()]\n"
    function = cloud.define_function(code)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: invoke(cloud, function, number), range(100)))
    assert [answer[0] for answer in answers] == list(range(100))
    assert len({answer[1] for answer in answers}) < 16


def test_slow_functions_run_side_by_side(cloud: Cloud, tmp_path: Path) -> None:
    """A function that waits is given more environments: here each call waits until all have begun."""
    code = f"""
import os, time
def handler(event, context):
    open(os.path.join({str(tmp_path)!r}, str(event)), "w").close()
    while len(os.listdir({str(tmp_path)!r})) < 12:
        time.sleep(0.05)
    return event
"""
    function = cloud.define_function(code, Timeout=300)
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda number: invoke(cloud, function, number), range(12))) == list(range(12))
