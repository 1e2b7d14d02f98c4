"""A redrive: the job goes on at the stage that failed, with its time and its retries anew."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED, Config, ExecutionInput, LambdaResult, PlanRequest
from tests.support.builders import JOB, execution_arn
from tests.support.machine import EXIT_1, LOST, ONCE, Ends, Machine, brief, failed, ok, stage
from workers.plan_next_step import handler


def test_a_redriven_job_goes_on_at_the_stage_that_failed() -> None:
    """What has passed is not run again; the attempts are counted on, so that no two have the same number."""
    machine = Machine([stage(), stage(), stage()])
    ended = machine.run(ok(), EXIT_1)
    end = machine.redrive(ended, ok(), ok())
    assert end.decision == "succeed"
    assert brief(end) == [(1, 1, True, 0), (2, 1, False, 1), (2, 2, True, 0), (3, 1, True, 0)]


def test_a_redriven_job_can_fail_again_and_be_redriven_again() -> None:
    """Each redrive is told from the one before."""
    machine = Machine([ONCE])
    once = machine.redrive(machine.run(EXIT_1), EXIT_1)
    assert (once.decision, brief(once)) == ("fail", [(1, 1, False, 1), (1, 2, False, 1)])
    assert machine.redrive(once, ok()).decision == "succeed"


def test_a_redriven_job_has_all_its_retries() -> None:
    """Those that were used up before do not count."""
    machine = Machine([stage(retries={"transient": 1})])
    ended = machine.run(LOST, LOST)
    assert ended.decision == "fail"
    end = machine.redrive(ended, LOST, ok())
    assert [attempt for _, attempt, _, _ in brief(end)] == [1, 2, 3, 4]


def test_a_redriven_job_has_all_its_time() -> None:
    """However long it lay there before somebody redrove it."""
    machine = Machine([stage()], timeout_seconds=100)
    ended = machine.run(Ends(error="States.Timeout", takes=100))
    assert ended.outcome is not None
    assert ended.outcome.error == JOB_TIMED_OUT
    machine.now += 86_400
    assert machine.redrive(ended, ok()).decision == "succeed"
    assert machine.ran[-1].timeout_seconds == 100


def test_a_job_that_was_stopped_and_redriven_has_all_its_time_for_what_follows() -> None:
    """Step Functions enters the run state again by itself; the planner hears of the redrive after it."""
    machine = Machine([stage(), stage()], timeout_seconds=100)
    running = first_plan(machine)
    machine.now += 86_400
    assert machine.redrive_stage(running, ok(), ok()).decision == "succeed"
    assert [item.timeout_seconds for item in machine.ran] == [100, 100]


def test_a_stage_that_fails_after_its_job_was_stopped_and_redriven_is_judged_as_ever() -> None:
    """A bug is not tried again only because somebody redrove the job."""
    machine = Machine([ONCE], timeout_seconds=100)
    end = machine.redrive_stage(first_plan(machine), failed(("main", 3)))
    assert (end.decision, brief(end)) == ("fail", [(1, 1, False, 3)])


def first_plan(machine: Machine) -> LambdaResult:
    """What the planner said before the first stage ran."""
    return machine._plan("plan_next_step", machine._input(machine._start()))


@pytest.mark.parametrize(
    ("ends", "error"),
    [(EXIT_1, STAGE_FAILED), (Ends(error="States.Timeout", takes=100), JOB_TIMED_OUT)],
)
def test_the_function_fails_the_execution_under_the_name_of_what_happened(ends: Ends, error: str) -> None:
    """Step Functions takes the exception's name for the execution's error, and its text into the cause."""
    machine = Machine([ONCE], timeout_seconds=100)
    ended = machine.run(ends)
    assert ended.outcome is not None
    with pytest.raises(Exception, match="evidence") as raised:
        handler(event(ended, machine, redrive_count=0), None)
    assert raised.type.__name__ == error
    assert json.loads(str(raised.value)) == json.loads(ended.outcome.cause)


def test_the_function_plans_where_it_failed_before_a_redrive() -> None:
    """The same input, but for Step Functions' count."""
    machine = Machine([ONCE])
    ended = machine.run(EXIT_1)
    stages = ended.config.model_copy(update={"stages": (ONCE,)})
    answer = handler(event(ended.model_copy(update={"config": stages}), machine, redrive_count=1), None)
    assert (answer["decision"], answer["next_stage"]["attempt"]) == ("run", 2)
    assert answer["redrive"]["count"] == 1


def redrives(end: LambdaResult) -> list[tuple[int, int, int]]:
    """The attempts of an outcome, as redrive, stage, attempt."""
    assert end.outcome is not None
    return [item.place for item in end.outcome.attempts]


def test_an_attempt_knows_its_redrive() -> None:
    """A state that is redriven has the same input, so its stage and attempt repeat."""
    machine = Machine([stage(), stage()])
    end = machine.redrive_stage(first_plan(machine), ok(), ok())
    assert redrives(end) == [(1, 1, 1), (1, 2, 1)]


def test_an_attempt_before_a_redrive_stays_of_before() -> None:
    """What the planner could not plan after it, since it failed itself, is planned in a redrive."""
    machine = Machine([stage()])
    running = first_plan(machine)
    ended = ok()
    given = [{"Name": "main", "Environment": [{"Name": "JOBFERRY_REDRIVE", "Value": "0"}]}]
    result_task = {**(ended.result or {}), "Overrides": {"ContainerOverrides": given}}
    assert redrives(machine.redrive_stage(running, replace(ended, result=result_task))) == [(0, 1, 1)]


def test_a_task_that_failed_tells_its_redrive() -> None:
    """By its environment, which the cause of the failure holds."""
    machine = Machine([ONCE])
    cause = json.loads(EXIT_1.cause)
    cause["Overrides"]["ContainerOverrides"][0]["Environment"].append({"Name": "JOBFERRY_REDRIVE", "Value": "2"})
    machine.redrives = 2
    end = machine.redrive_stage(first_plan(machine), replace(EXIT_1, cause=json.dumps(cause)))
    assert redrives(end) == [(2, 1, 1)]


def event(ended: LambdaResult, machine: Machine, redrive_count: int) -> dict[str, object]:
    """What the state machine hands to the function in `fail_step`."""
    config = Config(bucket="bucket", stages=tuple(machine.stages))
    return PlanRequest(
        step="fail_step",
        execution_arn=execution_arn(),
        started_at="2026-01-01T00:00:00Z",
        redrive_count=redrive_count,
        now="2026-01-01T01:00:00Z",
        input=ExecutionInput(job_id=JOB, lambda_result=ended.model_copy(update={"config": config})),
    ).model_dump(mode="json")
