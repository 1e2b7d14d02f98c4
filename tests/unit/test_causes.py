"""Causes, as Step Functions tells them: a task in JSON, whole or cut, or prose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.diagnosis.diagnosis import Diagnosis, diagnose, ending_of_cause, read_task_cause
from service.core.diagnosis.task_ending import ending_of_task
from service.core.record.facts import ContainerState, TaskChanged
from tests.support.endings import ESSENTIAL, OOM


def task(**changes: Any) -> dict[str, Any]:
    """A stopped task as the cause of a States.TaskFailed holds it, its keys in AWS's order."""
    arn = "arn:aws:ecs:eu-west-1:111122223333:task/jobs/0123456789abcdef0123456789abcdef"
    return {
        "Attachments": [{"Details": [{"Name": "subnetId", "Value": "subnet-0a1b2c3d"}], "Type": "eni"}],
        "CapacityProviderName": "FARGATE_SPOT",
        "Containers": [
            {"ExitCode": 137, "Name": "log_router", "TaskArn": arn},
            {"ExitCode": 0, "Name": "main", "Reason": OOM, "RuntimeId": "0123-4", "TaskArn": arn},
        ],
        "Cpu": "256",
        "LaunchType": "FARGATE",
        "Memory": "512",
        "Overrides": {"ContainerOverrides": [{"Command": ["echo", 'AccessDenied, "}]'], "Name": "main"}]},
        "StartedAt": 1700000000123,
        "StopCode": "EssentialContainerExited",
        "StoppedReason": ESSENTIAL,
        "TaskArn": arn,
        **changes,
    }


def test_a_cause_that_is_a_task_is_read() -> None:
    """What the diagnosis needs is taken out of the task: its end, and each container's."""
    read = read_task_cause(json.dumps(task()))
    assert read is not None
    assert read.task_arn is not None and read.task_arn.endswith("89abcdef")
    assert (read.stop_code, read.stopped_reason, read.memory) == ("EssentialContainerExited", ESSENTIAL, 512)
    assert (read.launch_type, read.capacity_provider) == ("FARGATE", "FARGATE_SPOT")
    assert read.started and read.whole
    assert [(item.name, item.exit_code) for item in read.containers] == [("log_router", 137), ("main", 0)]


def test_the_own_container_decides() -> None:
    """A sidecar's 137 before a main container's 0 is told as another container's; order does not matter."""
    ending = ending_of_cause("States.TaskFailed", json.dumps(task()), "main")
    assert (ending.exit_code, ending.container_reason, ending.other_exit_codes) == (0, OOM, (137,))
    assert ending.other_reasons == ("log_router: exit code 137",)
    assert ending.cause is None


def test_an_empty_task_never_started() -> None:
    """No containers, no start and no exit code are not a success, and not a run that got lost."""
    raw = task(Containers=[], StartedAt=None, StopCode="TaskFailedToStart", StoppedReason="Task failed to start")
    ending = ending_of_cause("States.TaskFailed", json.dumps(raw), "main")
    assert (ending.exit_code, ending.started) == (None, False)
    assert diagnose(ending).failure_class == "never_started"


def test_camel_case_and_a_run_task_answer_are_read_as_well() -> None:
    """The wire's own spelling, and a task in the list of RunTask's answer, mean the same."""
    camel = read_task_cause('{"tasks":[{"containers":[{"name":"main","exitCode":3}],"stopCode":"UserInitiated"}]}')
    assert camel is not None and camel.stop_code == "UserInitiated" and camel.containers[0].exit_code == 3


@pytest.mark.parametrize("cut", range(520, len(json.dumps(task())), 7))
def test_a_cut_cause_keeps_what_stands_before_the_cut(cut: int) -> None:
    """Wherever AWS cuts the text, exit codes before the cut are known, and nothing is made up."""
    read = read_task_cause(json.dumps(task())[:cut])
    assert read is not None and not read.whole
    assert read.task_arn is not None
    assert [(item.name, item.exit_code) for item in read.containers] == [("log_router", 137), ("main", 0)]
    assert read.stop_code in (None, "EssentialContainerExited")


def test_a_cut_within_a_container_keeps_its_exit_code() -> None:
    """A container that is cut in half is still known by what was said of it."""
    text = json.dumps(task())
    read = read_task_cause(text[: text.index('"Reason"')])
    assert read is not None and [item.exit_code for item in read.containers] == [137, 0]


NO_TASKS = {
    "empty": "",
    "null": "null",
    "number": "3",
    "list": "[]",
    "string": '"task"',
    "prose": "Rate exceeded",
    "lambda": '{"errorType":"KeyError"}',
    "stub": '{"Overr',
    "deep": "[" * 30_000,
    "no task in the answer": '{"Tasks":[]}',
}


@pytest.mark.parametrize("cause", NO_TASKS.values(), ids=NO_TASKS.keys())
def test_what_is_no_task_is_left_as_it_is(cause: str) -> None:
    """Causes are often not JSON, or other JSON: then they are kept as prose."""
    assert read_task_cause(cause) is None
    assert ending_of_cause("States.TaskFailed", cause, "main").cause == cause


def test_a_task_as_ecs_tells_of_it_ends_alike() -> None:
    """ECS's own event and Step Functions' cause of one task give one diagnosis."""
    stopped = TaskChanged(
        job_id="thumbs-42",
        arn="arn:aws:ecs:eu-west-1:111122223333:task/0123456789abcdef",
        version=6,
        last_status="STOPPED",
        stop_code="EssentialContainerExited",
        stopped_reason=ESSENTIAL,
        launch_type="FARGATE",
        capacity_provider="FARGATE_SPOT",
        memory="512",
        started_at=1700000000.123,
        containers=(
            ContainerState(name="main", exit_code=0, reason=OOM, runtime_id="0123-4"),
            ContainerState(name="log_router", exit_code=137),
        ),
    )
    by_cause = ending_of_cause("States.TaskFailed", json.dumps(task()), "main")
    assert ending_of_task(stopped, "main", "States.TaskFailed", json.dumps(task())) == by_cause


@given(st.text(max_size=200), st.integers(0, 2000))
def test_any_cause_can_be_read(text: str, cut: int) -> None:
    """Neither prose nor JSON that was cut or spoilt anywhere stops the planner."""
    whole = json.dumps(task())
    for cause in (text, whole[:cut] + text, text + whole[cut:]):
        assert isinstance(diagnose(ending_of_cause("States.TaskFailed", cause, "main")), Diagnosis)
