"""The failure card, by who told what of the end: Step Functions, the planner, ECS."""

from __future__ import annotations

import json

import pytest

from schemas.notification import FailureCard
from service.core.record.facts import Fact
from service.core.telling.compose import Links, compose
from tests.support.builders import NOW, attempt, container, execution, receipt, record, requested, running, task

CAUSE = json.dumps({"evidence": "the planner's own line"})
TAIL = ("one", "two")
FAILED_TASK = (task(containers=(container(exit_code=3),)), receipt(tail=TAIL))
OWN_NEVER_SEEN = (task(containers=(container("proxy", 1),)), receipt(name="proxy", tail=TAIL))
STOPPED_BY_THE_CLOCK = task(
    stop_code="UserInitiated", stopped_reason="Stopped by AWS Step Functions", containers=(container(exit_code=143),)
)
FAILED = attempt(passed=False, exit_code=3, error="States.TaskFailed", failure_class="sidecar_failed")
ENDED = execution("FAILED", error="StageFailed", cause=CAUSE, attempts=(FAILED,))
TIMED = attempt(passed=False, exit_code=None, error="States.Timeout", failure_class="stage_timeout")


def card(*facts: Fact, stages: int = 2, integration: str = "sync") -> FailureCard:
    """The card of a job of two stages."""
    found = compose(record(requested(stages=stages, integration=integration), *facts), Links()).failure
    assert found is not None
    return found


CARDS: dict[str, tuple[tuple[Fact, ...], tuple[object, ...]]] = {
    # What is told: (class, stage, exit code, evidence, last words).
    "ECS saw the task, and knows best": (
        (ENDED, *FAILED_TASK),
        ("application_exit", 1, 3, "exit code 3", TAIL),
    ),
    "ECS tells nothing, and the planner knows best": (
        (ENDED,),
        ("sidecar_failed", 1, 3, "the planner's own line", ()),
    ),
    "nobody has a class": (
        (ENDED.model_copy(update={"attempts": (FAILED.model_copy(update={"failure_class": None}),)}),),
        ("application_exit", 1, 3, "exit code 3", ()),
    ),
    "the job's own container was never seen": (
        (ENDED.model_copy(update={"attempts": ()}), *OWN_NEVER_SEEN),
        ("sidecar_failed", 1, None, "its own container has no exit code; proxy: exit code 1", ()),
    ),
    "the stage's clock": (
        (execution("FAILED", error="StageFailed", cause=CAUSE, attempts=(TIMED,)), STOPPED_BY_THE_CLOCK),
        ("stage_timeout", 1, 143, "States.Timeout (after 44 s) the planner's own line", ()),
    ),
    "the job's clock": (
        (execution("FAILED", error="JobTimedOut", cause=CAUSE, attempts=(FAILED,)), *FAILED_TASK),
        ("job_timeout", 1, 3, "JobTimedOut: the planner's own line", TAIL),
    ),
    "the execution's clock": (
        (execution("TIMED_OUT", error="States.Timeout", cause=None), running()),
        ("job_timeout", 1, None, "Execution.TIMED_OUT", ()),
    ),
    "a person's stop, with a reason": (
        (execution("ABORTED", error="Impatience", cause="enough"), running()),
        ("cancelled", 1, None, "Execution.ABORTED: enough", ()),
    ),
    "a state that the planner never saw fail": (
        (execution("FAILED", error="Lambda.Unknown", cause="the planner fell over", attempts=(FAILED,)),),
        ("planner_failed", 1, 3, "Lambda.Unknown: the planner fell over", ()),
    ),
    "a decision that the state machine does not know": (
        (execution("FAILED", error="Jobferry.UnknownDecision", cause="a new planner", attempts=(FAILED,)),),
        ("application_exit", 1, 3, "exit code 3", ()),
    ),
    "no attempt at all": (
        (execution("FAILED", error="States.Runtime", cause="no such path"),),
        ("state_machine_bug", None, None, "States.Runtime: no such path", ()),
    ),
    "no error and no attempt": (
        (execution("FAILED"),),
        ("unknown", None, None, "nothing was said: no error, no stop code, no reason, no exit code", ()),
    ),
}


@pytest.mark.parametrize(("facts", "told"), CARDS.values(), ids=CARDS)
def test_a_failure_is_explained_by_who_knows_most(facts: tuple[Fact, ...], told: tuple[object, ...]) -> None:
    """The stage, how its container ended, the line that shows it, and its last words."""
    found = card(*facts)
    assert (found.failure_class, found.stage, found.exit_code, found.evidence, found.log_tail) == told
    assert found.stage_name == (f"stage-{found.stage}" if found.stage else None)


def test_a_stage_that_passed_is_not_to_blame() -> None:
    """The second one is, and its last attempt."""
    first, again = attempt(2, 1, passed=False, failure_class="out_of_memory"), attempt(2, 2, passed=False, exit_code=4)
    found = card(execution("FAILED", error="StageFailed", cause=CAUSE, attempts=(attempt(1), first, again)))
    assert (found.stage, found.exit_code) == (2, 4)


@pytest.mark.parametrize(
    ("started_at", "stopped_at", "said"), [(NOW, NOW + 9, "(after 9 s)"), (None, NOW + 9, ""), (NOW, None, "")]
)
def test_how_long_it_ran_is_told_where_both_ends_are_known(
    started_at: float | None, stopped_at: float | None, said: str
) -> None:
    """From ECS's start of the task to its end."""
    ended = execution("FAILED", error="StageFailed", cause="late", attempts=(TIMED,))
    times = {"started_at": started_at, "stopped_at": stopped_at}
    evidence = card(ended, STOPPED_BY_THE_CLOCK.model_copy(update=times)).evidence
    assert evidence == " ".join(filter(None, ("States.Timeout", said, "late")))


def test_a_timeout_names_all_times_that_are_known() -> None:
    """How long it ran, how long it may run, and how often it had to report."""
    asked = requested(integration="callback")
    brief = asked.stages[0].model_copy(update={"timeout_seconds": 900, "heartbeat_seconds": 30})
    ended = execution("FAILED", error="StageFailed", cause="late", attempts=(TIMED,))
    known = record(asked.model_copy(update={"stages": (brief,)}), ended, STOPPED_BY_THE_CLOCK)
    found = compose(known, Links()).failure
    assert found is not None
    assert found.evidence == "States.Timeout (after 44 s, timeout 900 s, heartbeat every 30 s) late"
