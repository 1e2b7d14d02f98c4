"""The one rule of success, what its readers take for an exit code, and what the planner tells of an ending."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.base import exit_code
from schemas.plan import Attempt, PlannerReport
from service.core.diagnosis.ending import (
    Ending,
    ending_of_cause,
    ending_of_result,
    read_task,
    succeeded,
    was_refused,
)

OOM = "OutOfMemoryError: Container killed due to memory usage"
FROM_OUTSIDE = (
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "InfrastructureHealth",
    "ACodeOfNextYear",
    "userinitiated",
)


def result(**task: Any) -> Ending:
    """How a state's result says that the container `main` ended."""
    return ending_of_result(read_task(task), "main")


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        pytest.param(Ending(exit_code=0), True, id="an explicit 0"),
        pytest.param(Ending(), False, id="no exit code"),
        pytest.param(Ending(exit_code=1), False, id="another exit code"),
        pytest.param(Ending(exit_code=137), False, id="killed"),
        pytest.param(Ending(exit_code=0, other_exit_codes=(137,)), True, id="a sidecar was killed"),
        pytest.param(Ending(exit_code=1, other_exit_codes=(0,)), False, id="only a sidecar ended with 0"),
        pytest.param(Ending(other_exit_codes=(0,)), False, id="the job's own has none, a sidecar ended with 0"),
        pytest.param(Ending(exit_code=0, container_reason=OOM), False, id="a 0 beside an out-of-memory kill"),
        pytest.param(Ending(exit_code=0, container_reason="Success"), True, id="a reason that is none"),
        *(pytest.param(Ending(exit_code=0, stop_code=code), False, id=f"stopped: {code}") for code in FROM_OUTSIDE),
        pytest.param(Ending(exit_code=0, stop_code="TaskFailedToStart"), True, id="done before a sidecar started"),
        pytest.param(Ending(exit_code=0, stop_code="EssentialContainerExited"), True, id="it ended by itself"),
        pytest.param(Ending(exit_code=0, error="States.Timeout"), False, id="the clock stopped it"),
        pytest.param(Ending(exit_code=0, error="States.HeartbeatTimeout"), False, id="it missed a heartbeat"),
        pytest.param(Ending(exit_code=0, error="States.TaskFailed"), True, id="the state failed by a sidecar"),
    ],
)
def test_the_rule_of_success(ending: Ending, expected: bool) -> None:
    """An explicit exit code 0 of the job's own container, which nobody and no clock stopped: nothing else."""
    assert succeeded(ending) is expected


@pytest.mark.parametrize("value", [None, False, True, "0", 0.0, [], 2**32])
def test_what_is_no_exit_code(value: object) -> None:
    """Least of all is `false` an exit code 0, wherever AWS's words are read."""
    assert exit_code(value) is None
    container = {"Name": "main", "ExitCode": value}
    assert result(Containers=[container]).exit_code is None
    cause = json.dumps({"TaskArn": "t", "Containers": [container]})
    assert ending_of_cause("States.TaskFailed", cause, "main").exit_code is None


@pytest.mark.parametrize("value", [0, 1, 137, -1073741819, 3221225477])
def test_what_is_an_exit_code(value: int) -> None:
    """Windows' have 32 bits, with or without a sign."""
    assert exit_code(value) == value
    assert result(Containers=[{"Name": "main", "ExitCode": value}]).exit_code == value


@pytest.mark.parametrize("containers", [None, {}, "main", [], ["main"], [{"Name": "sidecar", "ExitCode": 0}]])
def test_a_result_without_the_jobs_own_container_is_no_success(containers: object) -> None:
    """It tells of no exit code."""
    assert not succeeded(result(Containers=containers))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ECS.ServerException", True),
        ("AmazonECS.Unknown", True),
        ("States.TaskFailed", False),
        ("", False),
        (None, False),
    ],
)
def test_what_says_that_RunTask_took_no_task_on(error: str | None, expected: bool) -> None:
    """Errors of ECS itself; a container chooses its own errors' names."""
    assert was_refused(error) is expected


ATTEMPT = Attempt(stage=1, attempt=1, passed=False, exit_code=3)


def test_what_the_planner_tells_is_read_as_it_was_written() -> None:
    """One model on both sides."""
    report = PlannerReport(evidence="exit code 3: ü", attempts=(ATTEMPT,))
    assert PlannerReport.read(report.as_json()) == report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"evidence": "x"}', PlannerReport(evidence="x"), id="without attempts, as the worker keeps it"),
        pytest.param('{"attempts": []}', PlannerReport(), id="the output of a success"),
        pytest.param('{"evidence": 7, "attempts": 7}', PlannerReport(), id="another writer's values"),
        pytest.param(
            json.dumps({"attempts": [7, {"stage": "one"}, ATTEMPT.model_dump()]}),
            PlannerReport(attempts=(ATTEMPT,)),
            id="another writer's attempts among ours",
        ),
        pytest.param('{"evidence": "a\\ud83d"}', PlannerReport(evidence="a\ufffd"), id="half of a surrogate pair"),
        pytest.param('{"evidence": "x", "attempts": [{"stage"', None, id="cut"),
        pytest.param('{"Error": "x"}', None, id="another writer's"),
        pytest.param("[]", None, id="no object"),
        pytest.param("[" * 100_000, None, id="too deep"),
        pytest.param("the container said so", None, id="prose"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_what_others_wrote_is_read_with_patience(text: str | None, expected: Any) -> None:
    """Cut JSON and another writer's cause raise nothing."""
    assert PlannerReport.read(text) == expected


def test_a_cut_within_a_deep_nest_is_read_as_far_as_before_it() -> None:
    """No reader of JSON goes down so far."""
    whole = {"TaskArn": "t", "Containers": [{"Name": "main", "ExitCode": 3}], "Odd": 1}
    cut = json.dumps(whole).replace('"Odd": 1}', '"Odd": ' + "[1," * 20_000)
    assert ending_of_cause("States.TaskFailed", cut, "main").exit_code == 3
    wrapped = json.dumps({"tasks": ["odd", whole]})
    assert ending_of_cause("States.TaskFailed", wrapped, "main").exit_code == 3
    nothing: list[object] = [{"tasks": []}, {"tasks": 7}, {"other": 1}]
    assert list(map(read_task, nothing)) == [None] * 3


@pytest.mark.parametrize("name", ["containers", "taskArn", "stopCode", "stoppedReason", "StoppedReason"])
def test_what_a_task_is_known_by(name: str) -> None:
    """One of these is enough: AWS leaves out what it likes."""
    assert read_task({name: "x"}) is not None
