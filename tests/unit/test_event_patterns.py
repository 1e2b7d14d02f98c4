"""Which events the two rules let through to the event queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.support.deployment import Json, properties, template

ACCOUNT = "123456789012"
CLUSTER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/jobferry"
MACHINE = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:jobferry"


def passes(rule: str, event: Json) -> bool:
    """Whether a rule lets an event through, on the account above."""
    pattern = json.dumps(_by_default(properties(rule)["EventPattern"]))
    for reference, arn in (({"Fn::GetAtt": ["Cluster", "Arn"]}, CLUSTER), ({"Ref": "StateMachine"}, MACHINE)):
        pattern = pattern.replace(json.dumps(reference), json.dumps(arn))
    matches: bool = EventPattern.load(pattern).matches_event(event)  # type: ignore[arg-type]  # moto has no public type
    return matches


def _by_default(pattern: Any) -> Any:
    """A pattern under the template's defaults, by which tasks' starts are told of."""
    if isinstance(pattern, dict):
        if "Fn::If" in pattern:
            condition, if_true, _ = pattern["Fn::If"]
            assert condition == "WithTaskStarts" and template()["Parameters"]["TaskStartEvents"]["Default"] == "true"
            return if_true
        return {key: _by_default(part) for key, part in pattern.items()}
    return pattern


def task_event(**detail: Any) -> Json:
    """An ECS Task State Change of one of our tasks."""
    ours = {
        "clusterArn": CLUSTER,
        "taskArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/jobferry/0f9de17a6465404e8b1b2356dc13c2f8",
        "group": "job:thumbs-42",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "version": 5,
        "containers": [{"name": "pictures", "lastStatus": "STOPPED", "exitCode": 0}],
    }
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": "2026-01-23T17:57:58Z",
        "region": "eu-west-1",
        "resources": [ours["taskArn"]],
        "detail": {**ours, **detail},
    }


def execution_event(status: str, machine: str = MACHINE, **detail: Any) -> Json:
    """A Step Functions Execution Status Change; of a redrive, unless `detail` says otherwise."""
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:thumbs-42"
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "time": "2026-01-23T17:57:58Z",
        "region": "eu-west-1",
        "resources": [arn],
        "detail": {"executionArn": arn, "stateMachineArn": machine, "name": "thumbs-42", "status": status}
        | {"redriveCount": 1, **detail},
    }


@pytest.mark.parametrize(
    ("detail", "let_through"),
    [
        ({}, True),
        ({"lastStatus": "RUNNING", "desiredStatus": "RUNNING"}, True),
        ({"lastStatus": "PROVISIONING"}, False),
        ({"lastStatus": "DEPROVISIONING"}, False),
        ({"group": "service:jobferry-worker"}, False),
        ({"group": "family:jobferry-pictures"}, False),
        ({"clusterArn": CLUSTER + "-2"}, False),
    ],
)
def test_the_task_rule_lets_our_tasks_through(detail: Json, let_through: bool) -> None:
    """Tasks of jobs on this cluster when they run and stop; no service, no other cluster, no passing status."""
    assert passes("TaskEvents", task_event(**detail)) == let_through
    assert not passes("ExecutionEvents", task_event(**detail))


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"])
def test_the_execution_rule_lets_every_status_of_a_redrive_through(status: str) -> None:
    """RUNNING too: it is how a redrive is heard of."""
    assert passes("ExecutionEvents", execution_event(status))
    assert not passes("ExecutionEvents", execution_event(status, MACHINE + "-2"))
    assert not passes("TaskEvents", execution_event(status))


@pytest.mark.parametrize(
    ("status", "detail", "let_through"),
    [
        ("RUNNING", {"redriveCount": 0}, False),
        ("RUNNING", {"redriveCount": 2}, True),
        ("SUCCEEDED", {"redriveCount": 0}, True),
        ("ABORTED", {"redriveCount": 0}, True),
        ("PENDING_REDRIVE", {"redriveCount": 0}, True),
    ],
)
def test_that_an_execution_was_started_is_no_news(status: str, detail: Json, let_through: bool) -> None:
    """StartExecution answered as much; every other status is news, of a first run too."""
    assert passes("ExecutionEvents", execution_event(status, **detail)) == let_through


def test_an_execution_that_runs_and_does_not_say_for_which_time_may_be_redriven() -> None:
    """Older recordings have no redriveCount at all."""
    event = execution_event("RUNNING")
    del event["detail"]["redriveCount"]
    assert passes("ExecutionEvents", event)


@pytest.mark.parametrize(
    "kind", ["ECS Container Instance State Change", "ECS Service Action", "ECS Deployment State Change"]
)
def test_other_ecs_events_are_left_out(kind: str) -> None:
    """They tell nothing of a job."""
    assert not passes("TaskEvents", {**task_event(), "detail-type": kind})
