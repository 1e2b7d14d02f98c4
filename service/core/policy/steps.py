"""How far a job has come, step by step, and which steps subscribers were not told of.

A step has a name that no later fact changes, so every copy of a message has the same id, whoever sends it and when.
That is why the name of a stage's step has no redrive count: its task may be heard of before the redrive is, or after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.progress import ProgressStatus
from service.core.policy.outcome import AttemptOutcome, StageOutcome, stages_of
from service.core.record.facts import ENDED
from service.core.record.record import Record

_HAS_STARTED = ENDED | {"STARTED", "RUNNING"}


@dataclass(frozen=True)
class Step:
    """One step that a job has made: its start, or what came of an attempt of a stage."""

    name: str
    status: ProgressStatus
    made_by: tuple[StageOutcome, AttemptOutcome] | None = None


def untold(record: Record) -> tuple[Step, ...]:
    """The steps that subscribers want to be told of and were not yet, in the order in which they were made."""
    if record.request is None or not record.request.progress:
        return ()
    return tuple(step for step in _steps(record) if not record.was_told(step.name))


def _steps(record: Record) -> Iterator[Step]:
    if record.execution is None or not record.execution.arn:
        return
    if record.execution.status in _HAS_STARTED:
        yield Step(f"{record.redrive_count}:STARTED", "STARTED")
    for story in stages_of(record):
        yield from _retries(story)
        yield from _wait(record, story)
        yield from _finish(story)


def _retries(story: StageOutcome) -> Iterator[Step]:
    """The attempts that another one followed, those that never had a task included."""
    known = {attempt.number: attempt for attempt in story.attempts}
    for number in range(1, max(known, default=1)):
        attempt = known.get(number) or AttemptOutcome(number, story.brief.container)
        if _is_over(story, attempt):
            yield Step(f"RETRYING:{story.number}:{number}", "RETRYING", (story, attempt))


def _is_over(story: StageOutcome, attempt: AttemptOutcome) -> bool:
    """Whether there is no more to hear of it: why it failed comes with its task's end.

    Step Functions lets go of a callback's task, which may run on: nobody waits for that one.
    """
    task = attempt.task
    return task is None or task.stopped or attempt.told is not None or story.brief.integration == "callback"


def _wait(record: Record, story: StageOutcome) -> Iterator[Step]:
    """That it waits for capacity, for as long as it does: told once for an attempt, however often it is refused."""
    waits = record.waiting
    if waits is not None and waits.stage == story.number:
        due = AttemptOutcome(waits.attempt, story.brief.container)
        yield Step(f"WAITING:{waits.stage}:{waits.attempt}", "WAITING", (story, due))


def _finish(story: StageOutcome) -> Iterator[Step]:
    last = story.attempts[-1] if story.attempts else None
    if last is not None and last.passed:
        yield Step(f"STAGE_FINISHED:{story.number}:{last.number}", "STAGE_FINISHED", (story, last))
