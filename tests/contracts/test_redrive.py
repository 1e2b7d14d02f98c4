"""RedriveExecution: a run that ended badly goes on where it ended."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Cloud, container, run_task_state
from tests.support.waiting import wait_for


def failing_once(cloud: Cloud) -> tuple[str, str]:
    """A state machine that fails until a bucket exists, and an execution of it that failed."""
    bucket = f"mended-{uuid4().hex[:8]}"
    program = f"import boto3; boto3.client('s3').head_bucket(Bucket='{bucket}')"
    definition = cloud.define_task(container("-c", program, image="tests/python"))
    states = {
        "Count": {"Type": "Pass", "Result": 1, "ResultPath": "$.counted", "Next": "Run"},
        "Run": run_task_state(definition, ResultPath=None),
    }
    arn = cloud.start(states, {"kept": True})
    assert cloud.await_end(arn)["status"] == "FAILED"
    return arn, bucket


def test_a_failed_run_goes_on_from_the_failed_state(cloud: Cloud) -> None:
    """The same ARN ends again, in success, having entered only the failed state anew."""
    arn, bucket = failing_once(cloud)
    machine = cloud.describe(arn)["stateMachineArn"]
    queue = cloud.event_queue({"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}})
    cloud.client("s3").create_bucket(Bucket=bucket)
    answer = cloud.sfn.redrive_execution(executionArn=arn)
    ended = cloud.await_end(arn)
    assert (ended["status"], ended["redriveCount"], ended["redriveStatus"]) == ("SUCCEEDED", 1, "NOT_REDRIVABLE")
    assert ended["redriveDate"] == answer["redriveDate"]
    assert json.loads(ended["output"]) == {"kept": True, "counted": 1}
    types = [event["type"] for event in cloud.history(arn)]
    redriven = types.index("ExecutionRedriven")
    assert types[redriven - 1] == "ExecutionFailed"
    assert types[redriven + 1] == "TaskStateEntered"
    assert types.count("PassStateEntered") == 1
    details = [event["detail"] for event in cloud.collect(queue, lambda found: len(found) >= 2)]
    assert [(one["status"], one["redriveCount"]) for one in details] == [("RUNNING", 1), ("SUCCEEDED", 1)]
    assert details[0]["redriveDate"] > 1e12
    assert details[0]["stopDate"] is None


def test_a_redriven_run_can_fail_again(cloud: Cloud) -> None:
    """The count goes on."""
    arn, _ = failing_once(cloud)
    for count in (1, 2):
        cloud.sfn.redrive_execution(executionArn=arn)
        ended = cloud.await_end(arn)
        assert (ended["status"], ended["redriveCount"], ended["redriveStatus"]) == ("FAILED", count, "REDRIVABLE")


def test_a_run_is_listed_by_its_redrives(cloud: Cloud) -> None:
    """ListExecutions says how often and when; those that were redriven can be asked for alone."""
    arn, _ = failing_once(cloud)
    machine = cloud.describe(arn)["stateMachineArn"]
    [item] = cloud.sfn.list_executions(stateMachineArn=machine)["executions"]
    assert (item["redriveCount"], "redriveDate" in item) == (0, False)
    assert cloud.sfn.list_executions(stateMachineArn=machine, redriveFilter="REDRIVEN")["executions"] == []
    answer = cloud.sfn.redrive_execution(executionArn=arn)
    [item] = cloud.sfn.list_executions(stateMachineArn=machine, redriveFilter="REDRIVEN")["executions"]
    assert (item["name"], item["redriveCount"], item["redriveDate"]) == (
        arn.rsplit(":", 1)[-1],
        1,
        answer["redriveDate"],
    )
    assert cloud.sfn.list_executions(stateMachineArn=machine, redriveFilter="NOT_REDRIVEN")["executions"] == []


def test_a_states_result_may_be_put_beside_the_redrive_count(cloud: Cloud) -> None:
    """A ResultSelector knows the context object (SFN guide, input-output-contextobject)."""
    definition = cloud.define_task(container("-c", "pass", image="tests/python"))
    selector = {"redrive.$": "$$.Execution.RedriveCount", "arn.$": "$.TaskArn"}
    arn = cloud.start({"Run": run_task_state(definition, ResultSelector=selector)})
    assert json.loads(cloud.await_end(arn)["output"])["redrive"] == 0


def test_a_stopped_run_goes_on(cloud: Cloud) -> None:
    """An aborted execution is entered again where it was stopped."""
    states = {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "End"}, "End": {"Type": "Pass", "End": True}}
    execution = cloud.start(states)
    wait_for(lambda: len(cloud.history(execution)) > 1, "the first state")
    cloud.sfn.stop_execution(executionArn=execution)
    cloud.sfn.redrive_execution(executionArn=execution)
    assert cloud.await_end(execution)["status"] == "SUCCEEDED"


def test_a_run_that_cannot_be_redriven(cloud: Cloud) -> None:
    """Neither a running nor a finished execution can."""
    for states in ({"P": {"Type": "Pass", "End": True}}, {"W": {"Type": "Wait", "Seconds": 60, "End": True}}):
        execution = cloud.start(states)
        if "P" in states:
            cloud.await_end(execution)
        with pytest.raises(ClientError) as refused:
            cloud.sfn.redrive_execution(executionArn=execution)
        assert refused.value.response["Error"]["Code"] == "ExecutionNotRedrivable"
