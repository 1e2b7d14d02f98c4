"""Task states: deadlines, heartbeats, tokens, retries."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Cloud, Record, container, run_task_state
from tests.support.waiting import wait_for

SEND_TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
TIMED_OUT = ("FAILED", "States.Timeout")


class Callback:
    """A state machine whose only state sends its token to a queue and waits."""

    def __init__(self, cloud: Cloud, given: Record | None = None, **members: object) -> None:
        self.cloud = cloud
        self.queue = str(cloud.sqs.create_queue(QueueName=f"tokens-{time.monotonic_ns()}")["QueueUrl"])
        parameters = {"QueueUrl": self.queue, "MessageBody": {"token.$": "$$.Task.Token"}}
        state = {"Type": "Task", "Resource": SEND_TOKEN, "Parameters": parameters, "End": True, **members}
        self.execution = cloud.start({"Ask": state, "After": {"Type": "Pass", "End": True}}, given)

    def token(self) -> str:
        """The next token that the state hands out."""
        messages = wait_for(lambda: self.cloud.receive(self.queue), "the token")
        return str(messages[0]["token"])

    def ended(self) -> Record:
        """The execution, once it is over."""
        return self.cloud.await_end(self.execution)

    def types(self) -> list[str]:
        """The types of the history's events."""
        return [event["type"] for event in self.cloud.history(self.execution)]


def refusal(call: object, **request: str) -> str:
    """The code a call is refused with."""
    with pytest.raises(ClientError) as refused:
        call(**request)  # type: ignore[operator]
    return str(refused.value.response["Error"]["Code"])


def test_the_answer_is_the_result(cloud: Cloud) -> None:
    """What SendTaskSuccess gave is the state's result, and the token is used up."""
    callback = Callback(cloud)
    token = callback.token()
    cloud.sfn.send_task_success(taskToken=token, output='{"n": 1}')
    assert json.loads(callback.ended()["output"]) == {"n": 1}
    assert callback.types()[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert refusal(cloud.sfn.send_task_success, taskToken=token, output="{}") == "TaskTimedOut"


def test_a_failure_is_told_as_it_was_given(cloud: Cloud) -> None:
    """SendTaskFailure's error and cause are the state's."""
    callback = Callback(cloud)
    cloud.sfn.send_task_failure(taskToken=callback.token(), error="Mine", cause="because")
    ended = callback.ended()
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Mine", "because")


def test_a_failure_without_a_name_has_none(cloud: Cloud) -> None:
    """A Catch of States.ALL receives nulls, as recorded at AWS; uncaught, the execution has neither."""
    caught = Callback(cloud, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "After"}])
    cloud.sfn.send_task_failure(taskToken=caught.token())
    assert json.loads(caught.ended()["output"]) == {"Error": None, "Cause": None}
    uncaught = Callback(cloud)
    cloud.sfn.send_task_failure(taskToken=uncaught.token())
    ended = uncaught.ended()
    assert (ended["status"], ended.get("error"), ended.get("cause")) == ("FAILED", None, None)


def test_a_result_that_is_too_large_is_a_failure_of_its_task(cloud: Cloud) -> None:
    """TaskFailed in the history, and States.ALL catches it, as recorded at AWS."""
    function = cloud.define_function("def handler(event, context):\n    return 'x' * 262_144\n")
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function},
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "After"}],
        "End": True,
    }
    execution = cloud.start({"Call": call, "After": {"Type": "Pass", "End": True}}, {})
    assert json.loads(cloud.await_end(execution)["output"])["e"]["Error"] == "States.DataLimitExceeded"
    assert "TaskFailed" in [event["type"] for event in cloud.history(execution)]


def test_an_output_that_is_not_json_is_refused(cloud: Cloud) -> None:
    """A bad answer is the sender's mistake, and the state waits on."""
    callback = Callback(cloud)
    token = callback.token()
    assert refusal(cloud.sfn.send_task_success, taskToken=token, output="{") == "InvalidOutput"
    cloud.sfn.send_task_success(taskToken=token, output="1")
    assert callback.ended()["output"] == "1"


def test_an_invented_token_is_refused(cloud: Cloud) -> None:
    """A token nobody handed out is invalid rather than timed out."""
    assert refusal(cloud.sfn.send_task_heartbeat, taskToken="invented") == "InvalidToken"


@pytest.mark.parametrize(
    "members",
    [
        {"HeartbeatSeconds": 1, "TimeoutSeconds": 600},
        {"HeartbeatSecondsPath": "$.beat", "TimeoutSecondsPath": "$.limit"},
        {"TimeoutSeconds": 1},
        {"TimeoutSecondsPath": "$.beat"},
    ],
    ids=["heartbeat", "heartbeat by path", "timeout", "timeout by path"],
)
def test_silence_ends_the_state(cloud: Cloud, members: Record) -> None:
    """A missed heartbeat is a timeout like any other: States.Timeout without a cause, and a token that is dead."""
    callback = Callback(cloud, {"beat": 1, "limit": 600}, **members)
    token = callback.token()
    ended = callback.ended()
    assert (ended["status"], ended["error"]) == TIMED_OUT
    assert "cause" not in ended
    assert 1 <= (ended["stopDate"] - ended["startDate"]).total_seconds() < 60
    last = cloud.history(callback.execution)[-2]
    assert last["type"] == "TaskTimedOut"
    details = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken", "error": "States.Timeout"}
    assert last["taskTimedOutEventDetails"] == details
    for call in (cloud.sfn.send_task_heartbeat, cloud.sfn.send_task_failure):
        assert refusal(call, taskToken=token) == "TaskTimedOut"


def test_heartbeats_keep_the_state_waiting(cloud: Cloud) -> None:
    """Each heartbeat gives another interval."""
    callback = Callback(cloud, HeartbeatSeconds=3, TimeoutSeconds=60)
    token = callback.token()
    until = time.monotonic() + 3.5

    def beaten_long_enough() -> bool:
        cloud.sfn.send_task_heartbeat(taskToken=token)
        return time.monotonic() > until

    wait_for(beaten_long_enough, "more than one interval")
    cloud.sfn.send_task_success(taskToken=token, output="{}")
    assert callback.ended()["status"] == "SUCCEEDED"


def test_a_timeout_can_be_caught(cloud: Cloud) -> None:
    """States.Timeout goes where a catcher sends it."""
    catch = [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "After"}]
    ended = Callback(cloud, {"kept": 1}, TimeoutSeconds=1, Catch=catch).ended()
    assert json.loads(ended["output"]) == {"kept": 1, "error": {"Error": "States.Timeout", "Cause": ""}}


def test_every_retry_has_a_token_of_its_own(cloud: Cloud) -> None:
    """A retried state asks anew, and counts."""
    retrier = {"ErrorEquals": ["Again"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 1}
    callback = Callback(cloud, Retry=[retrier])
    first = callback.token()
    cloud.sfn.send_task_failure(taskToken=first, error="Again")
    second = callback.token()
    assert second != first
    cloud.sfn.send_task_failure(taskToken=second, error="Again")
    assert callback.ended()["error"] == "Again"


def test_a_path_that_leads_to_no_number_fails_the_state(cloud: Cloud) -> None:
    """A deadline must be found."""
    ended = Callback(cloud, {"other": 1}, TimeoutSecondsPath="$.limit").ended()
    assert ended["error"] == "States.Runtime"
    assert "'$.limit' specified for the field 'TimeoutSecondsPath' could not be found" in ended["cause"]


def test_a_task_with_a_token_is_not_watched(cloud: Cloud) -> None:
    """The state outlives its ECS task and ends with the callback alone; a timeout does not stop the task."""
    override = {"Name": "main", "Environment": [{"Name": "TASK_TOKEN", "Value.$": "$$.Task.Token"}]}
    parameters = {"Overrides": {"ContainerOverrides": [override]}}
    definition = cloud.define_task(container("sh", "-c", 'echo "$TASK_TOKEN"; exit 1'))
    execution = cloud.start({"Run": run_task_state(definition, ".waitForTaskToken", parameters)})

    def submitted() -> str | None:
        events = [one for one in cloud.history(execution) if one["type"] == "TaskSubmitted"]
        return json.loads(events[0]["taskSubmittedEventDetails"]["output"])["Tasks"][0]["TaskArn"] if events else None

    arn = wait_for(submitted, "the submitted task")
    task = cloud.await_task(arn)
    assert "startedBy" not in task
    assert cloud.describe(execution)["status"] == "RUNNING"
    token = cloud.lines(arn)[0]["message"]
    assert len(token) > 500
    cloud.sfn.send_task_success(taskToken=token, output='"done"')
    assert cloud.await_end(execution)["output"] == '"done"'


def test_a_container_can_answer_by_itself(cloud: Cloud) -> None:
    """boto3 in the container sends the token back."""
    program = (
        "import boto3, os, json;"
        "boto3.client('stepfunctions').send_task_success("
        "taskToken=os.environ['TASK_TOKEN'], output=json.dumps({'pages': 3}))"
    )
    override = {"Name": "main", "Environment": [{"Name": "TASK_TOKEN", "Value.$": "$$.Task.Token"}]}
    state = run_task_state(
        cloud.define_task(container("-c", program, image="tests/python")),
        ".waitForTaskToken",
        {"Overrides": {"ContainerOverrides": [override]}},
        HeartbeatSeconds=300,
    )
    assert cloud.output({"Run": state}) == {"pages": 3}


def test_a_timeout_does_not_wait_for_the_function(cloud: Cloud) -> None:
    """A Lambda function that takes too long is given up."""
    function = cloud.define_function("import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=90)
    state = {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": function},
        "TimeoutSeconds": 1, "End": True,
    }  # fmt: skip
    ended = cloud.result({"Call": state})
    assert (ended["status"], ended["error"]) == TIMED_OUT
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() < 60
