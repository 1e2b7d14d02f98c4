"""A record as the job that it is now: its status, its stages and their attempts, what failed."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.notification import AttemptReport
from schemas.price import Price
from schemas.tracking import JobStatus, TrackedAttempt, TrackedJob, TrackedStage
from service.core.log_layout import s3_uri, stage_prefix
from service.core.policy.outcome import AttemptOutcome, StageOutcome, stages_of, status_of
from service.core.record.facts import Rejected, Requested
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling import console
from service.core.telling.compose import Links, attempt_report, iso, rejection_report, seconds_from
from service.core.telling.cost import cost_of
from service.core.telling.excerpts import (
    attempt_without_secrets,
    failure_without_secrets,
    rejection_without_secrets,
)
from service.core.telling.failure_card import failure_card
from service.core.telling.steered import steered
from service.core.tracking.wishes import rerun_of_it, wishes

_NO_PRICES: Mapping[str, Price] = {}
_ALWAYS_HIDDEN = Redaction.of()
_NO_LINKS = Links()


def track(
    record: Record, prices: Mapping[str, Price] = _NO_PRICES, redaction: Redaction = _ALWAYS_HIDDEN
) -> TrackedJob | None:
    """The job or the rejection that a record is of; None where it is of neither."""
    if record.rejection is not None:
        return _rejected(record, record.rejection, redaction)
    if record.request is None:
        return None
    return _job(record, record.request, prices, redaction)


def tracked_status(record: Record) -> JobStatus:
    """How a job is now. What ended and was not told of yet is SETTLING: a task's late word may still change it."""
    execution = record.execution
    if record.rejection is not None:
        return "REJECTED"
    if execution is not None and execution.ended:
        return status_of(record) if record.announced else "SETTLING"
    if record.waiting is not None:
        return "WAITING"
    return "RUNNING" if record.tasks or record.tally.stops else "QUEUED"


def _rejected(record: Record, rejection: Rejected, redaction: Redaction) -> TrackedJob:
    return TrackedJob(
        job_id=None if rejection.job_id_is_taken else rejection.claimed_job_id,
        message_id=rejection.message_id,
        tenant=rejection.claimed_tenant,
        status="REJECTED",
        settled=record.announced is not None,
        job_type=rejection.claimed_job_type,
        trace=rejection.trace,
        submitted_at=iso(rejection.submitted_at),
        rejection=rejection_without_secrets(rejection_report(rejection, _NO_LINKS), redaction),
        retry_of=rejection.retry_of,
        rerun_as=made.new_job_id if (made := rerun_of_it(record)) else None,
        asked_for=tuple(wish.told() for wish in wishes(record)),
    )


def _job(record: Record, request: Requested, prices: Mapping[str, Price], redaction: Redaction) -> TrackedJob:
    execution = record.execution
    outcomes = stages_of(record)
    over = execution is not None and execution.ended
    failed = execution if execution is not None and over and status_of(record) != "SUCCEEDED" else None
    return TrackedJob(
        job_id=record.job_id,
        message_id=request.message_id,
        tenant=request.tenant,
        status=tracked_status(record),
        settled=over and record.announced is not None,
        job_type=request.job_type,
        user=request.user,
        input_file=request.input_file,
        labels=request.labels,
        trace=request.trace,
        redrive_count=record.redrive_count,
        execution_arn=(execution.arn or None) if execution else None,
        execution_console_url=console.execution_url(execution.arn) if execution else None,
        submitted_at=iso(request.submitted_at),
        started_at=iso(execution.started_at) if execution else None,
        ended_at=iso(execution.stopped_at) if execution else None,
        duration_seconds=seconds_from(request.submitted_at, execution.stopped_at if execution else None),
        stages_passed=sum(outcome.passed for outcome in outcomes),
        stages=tuple(_stage(record, request, outcome, redaction, over=over) for outcome in outcomes),
        failure=failure_without_secrets(failure_card(record, failed, outcomes), redaction) if failed else None,
        cost=cost_of(record.tasks, prices),
        retry_of=request.retry_of,
        rerun_as=made.new_job_id if (made := rerun_of_it(record)) else None,
        steered=steered(record),
        asked_for=tuple(wish.told() for wish in wishes(record)),
    )


def _stage(
    record: Record, request: Requested, outcome: StageOutcome, redaction: Redaction, *, over: bool
) -> TrackedStage:
    attempts = tuple(_attempt(record, attempt, redaction, over=over) for attempt in outcome.attempts)
    prefix = s3_uri(request.bucket, stage_prefix(record.job_id, outcome.number))
    return TrackedStage(
        stage=outcome.number,
        name=outcome.brief.name,
        image=outcome.brief.image,
        container=outcome.brief.container,
        status=_stage_status(record, outcome, over=over),
        output_s3_prefix=prefix if outcome.passed else None,
        attempts=attempts,
    )


def _stage_status(record: Record, outcome: StageOutcome, *, over: bool) -> str:
    """A stage whose attempt failed may be tried again for as long as the job is not over."""
    if outcome.passed:
        return "PASSED"
    if record.waiting is not None and record.waiting.stage == outcome.number:
        return "WAITING"
    if not outcome.attempts:
        return "NOT_RUN"
    return "FAILED" if over else "RUNNING"


def _attempt(record: Record, outcome: AttemptOutcome, redaction: Redaction, *, over: bool) -> TrackedAttempt:
    report: AttemptReport = attempt_without_secrets(attempt_report(record, outcome, _NO_LINKS), redaction)
    # Not by `model_dump`: what is nested in it stays the object that it is.
    fields = {name: getattr(report, name) for name in AttemptReport.model_fields}
    return TrackedAttempt(
        **fields,
        status=attempt_status(outcome, over=over),
        task_status=outcome.task.last_status if outcome.task else None,
    )


def attempt_status(outcome: AttemptOutcome, *, over: bool) -> str:
    """Whether an attempt is under way, passed or failed, as far as anybody told.

    A container that reports back may have done so well although its task runs on, and the other way round.
    """
    if outcome.passed:
        return "PASSED"
    task_is_over = outcome.task is None or outcome.task.stopped
    if over or outcome.by_planner is not None or (task_is_over and outcome.reported):
        return "FAILED"
    return "RUNNING"
