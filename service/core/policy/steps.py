"""How far a job has come, step by step, and which steps subscribers were not told of.

A step has a name that no later fact changes, so every copy of a message has the same id, whoever sends it and when.
So the name of a stage's step holds the redrive that its task is of, which the task itself tells, and not the one that
the execution is in when the step is heard of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.progress import ProgressStatus
from service.core.policy.outcome import AttemptOutcome, StageOutcome, stages_of
from service.core.record.facts import ENDED
from service.core.record.record import Record
from service.core.record.register_names import announced_register

_HAS_STARTED = ENDED | {"STARTED", "RUNNING"}


@dataclass(frozen=True)
class Step:
    """One step that a job has made: its start, or what came of an attempt of a stage."""

    name: str
    status: ProgressStatus
    redrive: int
    made_by: tuple[StageOutcome, AttemptOutcome] | None = None


def untold(record: Record) -> tuple[Step, ...]:
    """The steps that subscribers want to be told of and were not yet, in the order in which they were made."""
    if record.request is None or not record.request.progress:
        return ()
    return tuple(step for step in _steps(record) if not record.was_told(step.name) and not _is_past(record, step))


def _is_past(record: Record, step: Step) -> bool:
    """Whether the outcome of its redrive was announced: what only a later one shows of it comes too late to be told."""
    return step.redrive < record.redrive_count and announced_register(step.redrive) in record.registers


def _steps(record: Record) -> Iterator[Step]:
    if record.execution is None or not record.execution.arn:
        return
    if record.execution.status in _HAS_STARTED:
        yield Step(f"{record.redrive_count}:STARTED", "STARTED", record.redrive_count)
    for outcome in stages_of(record):
        yield from _retries(outcome)
        yield from _wait(record, outcome)
        yield from _finish(outcome)


def _retries(outcome: StageOutcome) -> Iterator[Step]:
    """The attempts that another one of the same redrive followed, those that never had a task included.

    What a redrive follows is no retry but an outcome, and told as one. Where a redrive begins to count is not known
    before its first attempt is heard of.
    """
    known = {(attempt.redrive, attempt.number): attempt for attempt in outcome.attempts}
    for redrive in sorted({redrive for redrive, _ in known}):
        numbers = [number for of, number in known if of == redrive]
        for number in range(min(numbers) if redrive else 1, max(numbers)):
            attempt = known.get((redrive, number)) or AttemptOutcome(redrive, number, outcome.brief.container)
            if _is_over(outcome, attempt):
                yield _step("RETRYING", outcome, attempt)


def _is_over(outcome: StageOutcome, attempt: AttemptOutcome) -> bool:
    """Whether there is no more to hear of it: why it failed comes with its task's end.

    Step Functions lets go of a callback's task, which may run on: nobody waits for that one.
    """
    task = attempt.task
    return task is None or task.stopped or attempt.by_planner is not None or outcome.brief.integration == "callback"


def _wait(record: Record, outcome: StageOutcome) -> Iterator[Step]:
    """That it waits for capacity, for as long as it does: told once for an attempt, however often it is refused."""
    waits = record.waiting
    if waits is not None and waits.stage == outcome.number:
        yield _step("WAITING", outcome, AttemptOutcome(waits.redrive, waits.attempt, outcome.brief.container))


def _finish(outcome: StageOutcome) -> Iterator[Step]:
    """By the last attempt that passed: a redrive repeats a stage whose end Step Functions did not see."""
    passed = [attempt for attempt in outcome.attempts if attempt.passed]
    if passed:
        yield _step("STAGE_FINISHED", outcome, passed[-1])


def _step(status: ProgressStatus, outcome: StageOutcome, attempt: AttemptOutcome) -> Step:
    of_redrive = f"{attempt.redrive}:" if attempt.redrive else ""
    return Step(f"{of_redrive}{status}:{outcome.number}:{attempt.number}", status, attempt.redrive, (outcome, attempt))
