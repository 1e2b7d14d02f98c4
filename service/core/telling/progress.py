"""How far a job has come, step by step, and what subscribers are told of each step.

A step has a name that no later fact changes, so every copy of a message has the same id, whoever sends it and when.
That is why the name of a stage's step has no redrive count: its task may be heard of before the redrive is, or after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.progress import JobProgress, ProgressStatus, Setback, StageProgress
from service.core.diagnosis.diagnosis import diagnose
from service.core.policy.outcome import AttemptOutcome, StageOutcome, stages_of
from service.core.record.facts import ENDED
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling import console
from service.core.telling.compose import iso
from service.core.telling.failure_card import ending_of_attempt
from service.core.telling.progress_text import progress_as_text

_ALWAYS_HIDDEN = Redaction.of()
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
    if record.execution is None:
        return
    if record.execution.status in _HAS_STARTED:
        yield Step(f"{record.redrive_count}:STARTED", "STARTED")
    for story in stages_of(record):
        yield from _retries(story)
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


def _finish(story: StageOutcome) -> Iterator[Step]:
    last = story.attempts[-1] if story.attempts else None
    if last is not None and last.passed:
        yield Step(f"STAGE_FINISHED:{story.number}:{last.number}", "STAGE_FINISHED", (story, last))


def compose_progress(record: Record, step: Step, redaction: Redaction = _ALWAYS_HIDDEN) -> JobProgress:
    """The message of one step; its evidence holds no secrets."""
    request, execution = record.request, record.execution
    assert request is not None and execution is not None, "a step is a requested job's, and its execution's"
    draft = JobProgress(
        id=f"{record.job_id}:{step.name}",
        status=step.status,
        job_id=record.job_id,
        job_type=request.job_type,
        tenant=request.tenant,
        user=request.user,
        labels=request.labels,
        trace=request.trace,
        redrive_count=execution.redrive_count,
        execution_arn=execution.arn,
        execution_console_url=console.execution_url(execution.arn),
        submitted_at=iso(request.submitted_at),
        started_at=iso(execution.started_at),
        stages_count=len(request.stages),
        stage=_stage(*step.made_by) if step.made_by else None,
        failure=_setback(record, redaction, *step.made_by) if step.made_by and step.status == "RETRYING" else None,
        text="",
    )
    return draft.model_copy(update={"text": progress_as_text(draft)})


def _stage(story: StageOutcome, attempt: AttemptOutcome) -> StageProgress:
    task = attempt.task
    return StageProgress(
        stage=story.number,
        name=story.brief.name,
        image=story.brief.image,
        attempt=attempt.number,
        task_arn=attempt.task_arn,
        exit_code=attempt.exit_code,
        started_at=iso(task.started_at) if task else None,
        stopped_at=iso(task.stopped_at) if task else None,
    )


def _setback(record: Record, redaction: Redaction, story: StageOutcome, attempt: AttemptOutcome) -> Setback | None:
    """Why an attempt failed, as far as it is known."""
    if not _is_explained(record, attempt):
        return None
    found = diagnose(ending_of_attempt(story.brief, attempt, _error_of(attempt), None))
    evidence = redaction.text(found.evidence)
    return Setback(failure_class=found.failure_class, confidence=found.confidence, evidence=evidence)


def _is_explained(record: Record, attempt: AttemptOutcome) -> bool:
    """Whether anything is known of how it ended. After a redrive, a stop may be a person's as well as the clock's."""
    if attempt.told is not None:
        return True
    task = attempt.task
    return task is not None and task.stopped and not (_was_stopped(attempt) and record.redrive_count)


def _error_of(attempt: AttemptOutcome) -> str | None:
    """Step Functions' error. Until the outcome tells it, a stop was the clock's: after a person's there is no retry."""
    if attempt.told is not None:
        return attempt.told.error
    return "States.Timeout" if _was_stopped(attempt) else None


def _was_stopped(attempt: AttemptOutcome) -> bool:
    return attempt.task is not None and attempt.task.stop_code == "UserInitiated"
