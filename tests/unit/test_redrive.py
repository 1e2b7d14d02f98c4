"""A redrive tells the truth: no task of before speaks for it, and no outcome goes untold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.core.policy.outcome import stages_of, status_of
from service.core.policy.owed import Moment, owed
from service.core.record.hearing import hear_earlier_ends
from service.core.telling.compose import Links, compose
from tests.support.builders import (
    JOB,
    KEY,
    NOW,
    announced,
    attempt,
    claim,
    container,
    ended_before,
    execution,
    receipt,
    record,
    requested,
    task,
)

REPORTER = requested(integration="callback")
CANCELLED = task("t1", containers=(container(exit_code=143),), stop_code="UserInitiated")
SECOND = task("t2", redrive=1)
# The container reported its success, so Step Functions knows neither its task nor its exit code.
SUCCEEDED = execution(redrive_count=1, attempts=(attempt(redrive=1, task_arn=None, exit_code=None),))
TOLD_BEFORE = (REPORTER, CANCELLED, receipt("t1"), announced(0), claim("announce#1", "me", NOW + 60))


def test_a_cancelled_task_does_not_speak_for_the_one_after_it() -> None:
    """Step Functions' SUCCEEDED is heard before ECS's events of the second task: nothing is announced yet."""
    job = record(*TOLD_BEFORE, SUCCEEDED)
    assert owed(job, Moment(NOW + 60, "me")) == ()


def test_the_second_task_speaks_for_itself() -> None:
    """Once it is heard of, the outcome is its own, beside that of the first."""
    job = record(*TOLD_BEFORE, SUCCEEDED, SECOND, receipt("t2"))
    assert status_of(job) == "SUCCEEDED"
    [stage] = compose(job, Links()).stages
    assert [(item.redrive, item.attempt, item.exit_code, item.passed) for item in stage.attempts] == [
        (0, 1, 143, False),
        (1, 1, 0, True),
    ]


def test_a_first_task_that_exited_with_0_does_not_speak_for_the_second() -> None:
    """The second was killed as it tidied up, after it had reported."""
    killed = task("t2", redrive=1, containers=(container(exit_code=137),))
    job = record(REPORTER, task("t1"), receipt("t1"), SUCCEEDED, killed, receipt("t2"))
    [stage] = compose(job, Links()).stages
    assert [item.passed for item in stage.attempts][1:] == [False]


def test_a_first_task_that_exited_with_0_did_not_report_because_a_later_one_did() -> None:
    """The job went on to its next stage by the word of the second task, which then exited with 1."""
    brief = REPORTER.stages[0]
    asked = REPORTER.model_copy(update={"stages": (brief, brief)})
    failed = task("t2", redrive=1, containers=(container(exit_code=1),))
    next_stage = task("t3", redrive=1, stage=2)
    over = execution(redrive_count=1, attempts=(attempt(redrive=1, stage=2, task_arn=None, exit_code=None),))
    job = record(asked, task("t1"), failed, next_stage, over)
    assert [[item.passed for item in stage.attempts] for stage in stages_of(job)] == [[False, False], [True]]
    assert status_of(job) == "FAILED"


def test_an_outcome_that_nobody_was_told_of_is_told_by_the_next() -> None:
    """In the notification and in its letter; one that was announced by itself is not told again."""
    job = record(
        requested(),
        execution(redrive_count=2, attempts=(attempt(),)),
        task(),
        receipt(),
        announced(0),
        ended_before(1, status="FAILED", error="StageFailed"),
    )
    notification = compose(job, Links())
    [earlier] = notification.earlier_outcomes
    assert (earlier.redrive_count, earlier.status, earlier.error) == (1, "FAILED", "StageFailed")
    assert earlier.ended_at == "2023-11-14T22:13:50.000Z"
    assert (
        "Before that it failed at 2023-11-14 22:13 UTC, with StageFailed, and was redriven before" in notification.text
    )


def test_an_outcome_that_nobody_remembers_is_told_as_such() -> None:
    """The state machine was deleted, and with it the history."""
    job = record(requested(), execution(redrive_count=1, attempts=(attempt(),)), task(), receipt())
    notification = compose(job, Links())
    assert [(item.redrive_count, item.status) for item in notification.earlier_outcomes] == [(0, None)]
    assert "ended in a way that is not known" in notification.text


def happened(kind: str, **details: Any) -> dict[str, Any]:
    """An event of a history."""
    return {"type": kind, "timestamp": datetime.fromtimestamp(NOW, UTC), **details}


FAILED = happened("ExecutionFailed", executionFailedEventDetails={"error": "StageFailed", "cause": "{}"})
LATE = happened("ExecutionFailed", executionFailedEventDetails={"error": "JobTimedOut"})
REDRIVEN = happened("ExecutionRedriven")
HISTORIES: dict[str, tuple[list[dict[str, Any]], list[tuple[int, str]]]] = {
    "not redriven": ([happened("ExecutionStarted"), FAILED], []),
    "redriven": ([happened("ExecutionStarted"), FAILED, REDRIVEN, happened("ExecutionSucceeded")], [(0, "FAILED")]),
    "three ends": (
        [FAILED, REDRIVEN, happened("ExecutionAborted"), REDRIVEN, happened("ExecutionTimedOut"), REDRIVEN],
        [(0, "FAILED"), (1, "ABORTED"), (2, "TIMED_OUT")],
    ),
    "its own time was over": ([LATE, REDRIVEN], [(0, "TIMED_OUT")]),
    "a history that is not whole yet": ([happened("ExecutionStarted")], []),
}


@pytest.mark.parametrize(("events", "expected"), HISTORIES.values(), ids=HISTORIES)
def test_how_it_had_ended_is_in_the_history(events: list[dict[str, Any]], expected: list[tuple[int, str]]) -> None:
    """Each end stands before the redrive from it."""
    assert [(item.redrive_count, item.status) for item in hear_earlier_ends(JOB, events)] == expected
    assert all(item.record_key == KEY and item.ended_at == NOW for item in hear_earlier_ends(JOB, events))
