"""What subscribers are told of each step that a job makes."""

from __future__ import annotations

from schemas.progress import JobProgress, Setback, StageProgress, Wait
from service.core.diagnosis.diagnosis import diagnose
from service.core.policy.outcome import AttemptOutcome, StageOutcome
from service.core.policy.steps import Step
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling import console
from service.core.telling.compose import iso
from service.core.telling.failure_card import ending_of_attempt
from service.core.telling.progress_text import progress_as_text

_ALWAYS_HIDDEN = Redaction.of()


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
        redrive_count=step.redrive,
        execution_arn=execution.arn,
        execution_console_url=console.execution_url(execution.arn),
        submitted_at=iso(request.submitted_at),
        started_at=iso(execution.started_at),
        stages_count=len(request.stages),
        stage=_stage(*step.made_by) if step.made_by else None,
        failure=_setback(record, redaction, *step.made_by) if step.made_by and step.status == "RETRYING" else None,
        waiting=_waiting(record, redaction) if step.status == "WAITING" else None,
        text="",
    )
    return draft.model_copy(update={"text": progress_as_text(draft)})


def _waiting(record: Record, redaction: Redaction) -> Wait | None:
    waits = record.waiting
    if waits is None:
        return None
    return Wait(
        first_refused_at=iso(waits.since),
        tries=waits.tries,
        failure_class=waits.failure_class,
        evidence=redaction.text(waits.why),
    )


def _stage(outcome: StageOutcome, attempt: AttemptOutcome) -> StageProgress:
    task = attempt.task
    return StageProgress(
        stage=outcome.number,
        name=outcome.brief.name,
        image=outcome.brief.image,
        attempt=attempt.number,
        task_arn=attempt.task_arn,
        exit_code=attempt.exit_code,
        started_at=iso(task.started_at) if task else None,
        stopped_at=iso(task.stopped_at) if task else None,
    )


def _setback(record: Record, redaction: Redaction, outcome: StageOutcome, attempt: AttemptOutcome) -> Setback | None:
    """Why an attempt failed, as far as it is known."""
    if not _is_explained(record, attempt):
        return None
    found = diagnose(ending_of_attempt(outcome.brief, attempt, _error_of(attempt), None))
    evidence = redaction.text(found.evidence)
    return Setback(failure_class=found.failure_class, confidence=found.confidence, evidence=evidence)


def _is_explained(record: Record, attempt: AttemptOutcome) -> bool:
    """Whether anything is known of how it ended. After a redrive, a stop may be a person's as well as the clock's."""
    if attempt.by_planner is not None:
        return True
    task = attempt.task
    return task is not None and task.stopped and not (_was_stopped(attempt) and record.redrive_count)


def _error_of(attempt: AttemptOutcome) -> str | None:
    """Step Functions' error. Until the outcome tells it, a stop was the clock's: after a person's there is no retry."""
    if attempt.by_planner is not None:
        return attempt.by_planner.error
    return "States.Timeout" if _was_stopped(attempt) else None


def _was_stopped(attempt: AttemptOutcome) -> bool:
    return attempt.task is not None and attempt.task.stop_code == "UserInitiated"
