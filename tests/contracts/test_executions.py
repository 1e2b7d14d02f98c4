"""Executions: how they start, how they end, and what is said about both."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Cloud, Record, container, run_task_state
from tests.support.waiting import wait_for

WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "After"}, "After": {"Type": "Pass", "End": True}}
PASS = {"Pass": {"Type": "Pass", "End": True}}


def status_queue(cloud: Cloud, machine: str) -> str:
    """A queue that gets the status events of one state machine."""
    return cloud.event_queue({"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}})


def code_of(call: Any, **request: Any) -> str:
    """The error code that a call ends with."""
    with pytest.raises(ClientError) as refused:
        call(**request)
    return str(refused.value.response["Error"]["Code"])


def test_the_same_start_while_running_gives_the_same_answer(cloud: Cloud) -> None:
    """A repeated StartExecution is harmless; another input, or a repeat after the end, is refused."""
    machine = cloud.define_machine(WAIT)
    request = {"stateMachineArn": machine, "name": "once", "input": '{"a": 1}'}
    first, second = cloud.sfn.start_execution(**request), cloud.sfn.start_execution(**request)
    assert (first["executionArn"], first["startDate"]) == (second["executionArn"], second["startDate"])
    started = [event for event in cloud.history(first["executionArn"]) if event["type"] == "ExecutionStarted"]
    assert len(started) == 1
    assert code_of(cloud.sfn.start_execution, **{**request, "input": '{"a":1}'}) == "ExecutionAlreadyExists"
    cloud.sfn.stop_execution(executionArn=first["executionArn"])
    assert code_of(cloud.sfn.start_execution, **request) == "ExecutionAlreadyExists"


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "a?", "x" * 81, "tab\t"])
def test_a_bad_name_is_refused(cloud: Cloud, name: str) -> None:
    """A name is 1 to 80 characters without any that AWS forbids."""
    machine = cloud.define_machine(PASS)
    assert code_of(cloud.sfn.start_execution, stateMachineArn=machine, name=name) == "InvalidName"


@pytest.mark.parametrize("given", ["3", "null", '"text"', "[1]", json.dumps("x" * 262_142)])
def test_any_json_is_an_input_up_to_the_limit(cloud: Cloud, given: str) -> None:
    """Numbers, null and strings are inputs too, up to 262,144 bytes."""
    machine = cloud.define_machine(PASS)
    arn = cloud.sfn.start_execution(stateMachineArn=machine, input=given)["executionArn"]
    assert json.loads(cloud.await_end(arn)["output"]) == json.loads(given)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "InvalidExecutionInput"),
        ("{", "InvalidExecutionInput"),
        (json.dumps("x" * 262_143), "ValidationException"),
        (json.dumps("ä" * 131_072, ensure_ascii=False), "ValidationException"),
    ],
)
def test_a_bad_input_is_refused(cloud: Cloud, given: str, code: str) -> None:
    """An input is JSON, and its size is counted in bytes."""
    machine = cloud.define_machine(PASS)
    assert code_of(cloud.sfn.start_execution, stateMachineArn=machine, input=given) == code


def test_an_output_over_the_limit_fails_the_state(cloud: Cloud) -> None:
    """No state may hand on more than 262,144 bytes."""
    double = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, "End": True}
    ended = cloud.result({"Double": double}, "x" * 200_000)
    assert ended["error"] == "States.DataLimitExceeded"


def statuses(events: list[Record]) -> list[str]:
    """The statuses that events tell of."""
    return [event["detail"]["status"] for event in events]


def test_a_stopped_execution_stays_stopped(cloud: Cloud) -> None:
    """ABORTED comes at once, with one event, and no state is entered afterwards."""
    machine = cloud.define_machine({**WAIT, "Wait": {"Type": "Wait", "Seconds": 2, "Next": "After"}})
    queue = status_queue(cloud, machine)
    arn = cloud.sfn.start_execution(stateMachineArn=machine)["executionArn"]
    wait_for(lambda: len(cloud.history(arn)) > 1, "the first state")
    cloud.sfn.stop_execution(executionArn=arn, error="Mine", cause="because")
    ended = cloud.describe(arn)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Mine", "because")
    assert "output" not in ended
    # Longer than the state would have waited: whatever wrong was to come has come.
    later = cloud.sfn.start_execution(stateMachineArn=machine)["executionArn"]
    cloud.await_end(later)
    events = cloud.collect(queue, lambda found: len(found) >= 4)
    assert sorted(statuses([one for one in events if one["detail"]["executionArn"] == arn])) == ["ABORTED", "RUNNING"]
    assert cloud.history(arn)[-1]["type"] == "ExecutionAborted"
    assert cloud.describe(arn)["status"] == "ABORTED"


def test_stopping_twice_is_harmless(cloud: Cloud) -> None:
    """The second stop gives the first one's date."""
    arn = cloud.start(WAIT)
    first, second = cloud.sfn.stop_execution(executionArn=arn), cloud.sfn.stop_execution(executionArn=arn)
    assert first["stopDate"] == second["stopDate"]


def test_a_machine_s_timeout_ends_its_execution(cloud: Cloud) -> None:
    """TIMED_OUT has neither error nor cause, can be redriven, and is announced once."""
    machine = cloud.define_machine(WAIT, TimeoutSeconds=1)
    queue = status_queue(cloud, machine)
    arn = cloud.sfn.start_execution(stateMachineArn=machine)["executionArn"]
    ended = cloud.await_end(arn)
    assert ended["status"] == "TIMED_OUT"
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() >= 1
    assert not {"error", "cause", "output", "redriveStatusReason"} & set(ended)
    assert (ended["redriveStatus"], ended["redriveCount"]) == ("REDRIVABLE", 0)
    assert cloud.history(arn)[-1]["type"] == "ExecutionTimedOut"
    assert statuses(cloud.collect(queue, lambda found: len(found) >= 2)) == ["RUNNING", "TIMED_OUT"]


def test_the_status_event_of_a_failure_says_why(cloud: Cloud) -> None:
    """A FAILED event has error and cause, and explicit nulls for what there is not."""
    machine = cloud.define_machine({"No": {"Type": "Fail", "Error": "Mine", "Cause": "because"}})
    queue = status_queue(cloud, machine)
    cloud.sfn.start_execution(stateMachineArn=machine, name="n", input='{"a": 1}')
    events = cloud.collect(queue, lambda found: len(found) >= 2)
    detail = events[1]["detail"]
    assert (detail["status"], detail["error"], detail["cause"]) == ("FAILED", "Mine", "because")
    assert (detail["name"], detail["input"], detail["output"], detail["outputDetails"]) == ("n", '{"a": 1}', None, None)
    assert (detail["redriveCount"], detail["redriveDate"], detail["redriveStatus"]) == (0, None, "REDRIVABLE")
    assert isinstance(detail["startDate"], int)
    assert detail["stopDate"] >= detail["startDate"] > 1e12
    assert events[0]["detail"]["stopDate"] is None


@pytest.mark.parametrize(
    ("size", "kept"), [(120_000, (True, True)), (150_000, (False, True)), (254_500, (False, False))]
)
def test_large_payloads_are_dropped_from_the_event(cloud: Cloud, size: int, kept: tuple[bool, bool]) -> None:
    """Over 248 KB escaped, the input goes first, then the output; the flags tell."""
    machine = cloud.define_machine(PASS)
    queue = status_queue(cloud, machine)
    cloud.sfn.start_execution(stateMachineArn=machine, input=json.dumps("x" * size))
    detail = cloud.collect(queue, lambda found: len(found) >= 2)[1]["detail"]
    assert (detail["inputDetails"]["included"], detail["outputDetails"]["included"]) == kept
    assert (detail["input"] is not None, detail["output"] is not None) == kept


def test_each_account_and_region_is_its_own(cloud: Cloud) -> None:
    """Whatever region and account key a client has, its executions, tasks and logs are found there and nowhere else."""
    other = Cloud(cloud.emulator, region="eu-central-1", key="123456789012")
    definition = container("sh", "-c", "echo $AWS_REGION $AWS_ACCESS_KEY_ID")
    definition["logConfiguration"]["options"]["awslogs-region"] = "eu-central-1"
    task = other.output({"Run": run_task_state(other.define_task(definition))})
    assert task["TaskArn"].startswith("arn:aws:ecs:eu-central-1:123456789012:task/")
    assert [line["message"] for line in other.lines(task["TaskArn"])] == ["eu-central-1 123456789012"]
    assert cloud.ecs.describe_tasks(cluster="jobs", tasks=[uuid4().hex])["tasks"] == []
