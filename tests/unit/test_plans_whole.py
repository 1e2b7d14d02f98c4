"""What the planner answers at a job's end and in its midst: each attempt whole, and nothing carried twice."""

from __future__ import annotations

from schemas.plan import Attempt, LambdaResult
from tests.support.builders import task_arn
from tests.support.machine import EXIT_1, Ends, Machine, containers, ok, stage


def attempts_of(result: LambdaResult) -> tuple[Attempt, ...]:
    """Those that an outcome tells of; it carries them, and nothing beside it does."""
    assert result.outcome is not None
    assert (result.attempts, result.next_stage, result.wait_seconds) == ((), None, 0)
    return result.outcome.attempts


def test_an_attempt_that_passed_has_no_failure() -> None:
    """Neither a class nor an error; its task's own end tells which one it was."""
    ended = Machine([stage()]).run(ok(("proxy", 0)))
    [passed] = attempts_of(ended)
    assert (ended.decision, ended.processed_stages_count, ended.total_stages_count) == ("succeed", 1, 1)
    assert passed == Attempt(stage=1, attempt=1, passed=True, exit_code=0, task_arn=task_arn())


def test_a_callback_that_reported_has_no_failure_and_no_task_and_its_own_redrive() -> None:
    """Its token came in the redrive that it names, whatever redrive hears of it."""
    report = {"redrive": 0, "done": True}
    [passed] = attempts_of(Machine([stage(integration="callback")]).run(Ends(result=report)))
    assert passed == Attempt(redrive=0, stage=1, attempt=1, passed=True)
    later = Machine([stage(integration="callback")], redrives=2)
    [told] = attempts_of(later.run(Ends(result={"redrive": 1})))
    assert told.redrive == 1
    [untold] = attempts_of(Machine([stage(integration="callback")], redrives=2).run(Ends(result={})))
    assert untold.redrive == 2


def test_what_failed_is_told_of_beside_what_passed() -> None:
    """In their order; the end that fails carries them, too."""
    ended = Machine([stage(), stage(name="two")]).run(ok(), EXIT_1)
    first, second = attempts_of(ended)
    assert (ended.decision, ended.processed_stages_count, ended.total_stages_count) == ("fail", 1, 2)
    assert (first.stage, first.passed, first.failure_class) == (1, True, None)
    assert (second.stage, second.passed, second.failure_class, second.exit_code) == (2, False, "application_exit", 1)


def test_in_the_midst_of_a_job_its_attempts_travel_on() -> None:
    """There is no outcome yet that could carry them."""
    machine = Machine([stage(), stage(name="two")])
    begun = machine._plan("plan_next_step", machine._input(machine._start()))
    result = {"task_arn": task_arn(), "containers": containers(("main", 0))}
    second = machine._plan("plan_next_step", machine._input(begun, stage_result=result))
    assert (second.decision, second.outcome, second.processed_stages_count) == ("run", None, 1)
    assert [(item.stage, item.passed) for item in second.attempts] == [(1, True)]
    assert second.next_stage is not None and second.next_stage.stage == 2


def test_an_attempt_has_two_seconds_at_the_least() -> None:
    """A heartbeat must be smaller than the timeout, and both are whole seconds."""
    machine = Machine([stage(timeout_seconds=2, heartbeat_seconds=60)])
    machine.run(ok())
    [launched] = machine.ran
    assert (launched.timeout_seconds, launched.heartbeat_seconds) == (2, 1)
