"""From a record to the notification that subscribers read. Pure: links are signed elsewhere and handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.notification import (
    AttemptReport,
    ContainerReport,
    Durations,
    EarlierOutcome,
    JobNotification,
    Link,
    LogReceipt,
    Rejection,
    StageReport,
)
from schemas.price import Price
from service.core.diagnosis.ending import whole_number
from service.core.log_layout import S3Location, s3_uri, split_s3_uri, stage_prefix
from service.core.policy.outcome import AttemptOutcome, StageOutcome, stages_of, status_of
from service.core.record.facts import ContainerState, LogArchived, Rejected, Requested, TaskChanged
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling import console
from service.core.telling.cost import cost_of
from service.core.telling.excerpts import without_secrets
from service.core.telling.failure_card import failure_card
from service.core.telling.letter import as_text
from service.core.telling.moments import iso as iso
from service.core.telling.moments import seconds_from as seconds_from
from service.core.telling.steered import steered

_NO_PRICES: Mapping[str, Price] = {}
_ALWAYS_HIDDEN = Redaction.of()


@dataclass(frozen=True)
class Links:
    """The presigned links of a notification, by bucket and key."""

    signed: Mapping[S3Location, Link] = field(default_factory=dict)

    def of(self, bucket: str | None, key: str | None) -> Link | None:
        return self.signed.get((bucket, key)) if bucket and key else None


def linked_objects(record: Record) -> tuple[S3Location, ...]:
    """What a notification of this record links to: every archived log, or a rejected request's body."""
    receipts = [fact for fact in record.registers.values() if isinstance(fact, LogArchived)]
    logs = [(fact.s3_bucket, fact.s3_key) for fact in receipts if fact.s3_bucket and fact.s3_key]
    body = split_s3_uri(record.rejection.body_s3_uri) if record.rejection else None
    return (*logs, *([body] if body else []))


def compose(
    record: Record, links: Links, prices: Mapping[str, Price] = _NO_PRICES, redaction: Redaction = _ALWAYS_HIDDEN
) -> JobNotification:
    """The notification of a record whose outcome is settled, or of a rejected request; its excerpts hold no secrets."""
    if record.rejection is not None:
        draft = _of_rejection(record, record.rejection, links)
    else:
        assert record.request is not None, "a job is known by its request"
        draft = _of_job(record, record.request, links).model_copy(update={"cost": cost_of(record.tasks, prices)})
    notification = without_secrets(draft, redaction)
    return notification.model_copy(update={"text": as_text(notification)})


def notification_id(record: Record) -> str:
    """The same for every copy of the same outcome; a rejection has its message's id, since a job may own the job id."""
    return f"{record.key.id}:{record.redrive_count}:{status_of(record)}"


def _of_rejection(record: Record, rejection: Rejected, links: Links) -> JobNotification:
    return JobNotification(
        id=notification_id(record),
        status="REJECTED",
        # A subscriber that keeps jobs by their id must not take a healthy one for rejected.
        job_id=None if rejection.job_id_is_taken else rejection.claimed_job_id,
        job_type=rejection.claimed_job_type,
        tenant=rejection.claimed_tenant,
        trace=rejection.trace,
        retry_of=rejection.retry_of,
        submitted_at=iso(rejection.submitted_at),
        observed_via="request",
        rejection=rejection_report(rejection, links),
        text="",
    )


def rejection_report(rejection: Rejected, links: Links) -> Rejection:
    """Why a request was not admitted."""
    kept = split_s3_uri(rejection.body_s3_uri)
    return Rejection(
        problems=rejection.problems,
        claimed_job_id=rejection.claimed_job_id,
        body_s3_uri=rejection.body_s3_uri,
        body_link=links.of(*kept) if kept else None,
    )


def _of_job(record: Record, request: Requested, links: Links) -> JobNotification:
    execution = record.execution
    assert execution is not None, "an outcome is of an execution"
    status = status_of(record)
    stages = stages_of(record)
    return JobNotification(
        id=notification_id(record),
        status=status,
        job_id=record.job_id,
        job_type=request.job_type,
        tenant=request.tenant,
        user=request.user,
        input_file=request.input_file,
        labels=request.labels,
        trace=request.trace,
        retry_of=request.retry_of,
        redrive_count=execution.redrive_count,
        execution_arn=execution.arn or None,
        execution_console_url=console.execution_url(execution.arn),
        submitted_at=iso(request.submitted_at),
        started_at=iso(execution.started_at),
        ended_at=iso(execution.stopped_at),
        duration_seconds=seconds_from(request.submitted_at, execution.stopped_at),
        observed_via=execution.observed_via,
        earlier_outcomes=_earlier_outcomes(record),
        steered=steered(record),
        failure=None if status == "SUCCEEDED" else failure_card(record, execution, stages),
        stages=tuple(_stage_report(record, request, outcome, links) for outcome in stages),
        text="",
    )


def _earlier_outcomes(record: Record) -> tuple[EarlierOutcome, ...]:
    return tuple(_earlier(record, count) for count in record.untold_redrives)


def _earlier(record: Record, redrive_count: int) -> EarlierOutcome:
    ended = record.ended_before(redrive_count)
    if ended is None:
        return EarlierOutcome(redrive_count=redrive_count, status=None)
    return EarlierOutcome(
        redrive_count=redrive_count, status=ended.status, ended_at=iso(ended.ended_at), error=ended.error
    )


def _stage_report(record: Record, request: Requested, outcome: StageOutcome, links: Links) -> StageReport:
    return StageReport(
        stage=outcome.number,
        name=outcome.brief.name,
        image=outcome.brief.image,
        status="PASSED" if outcome.passed else "FAILED" if outcome.attempts else "NOT_RUN",
        output_s3_prefix=s3_uri(request.bucket, stage_prefix(record.job_id, outcome.number))
        if outcome.passed
        else None,
        attempts=tuple(attempt_report(record, attempt, links) for attempt in outcome.attempts),
    )


def attempt_report(record: Record, outcome: AttemptOutcome, links: Links) -> AttemptReport:
    """One attempt, as the planner and ECS told it."""
    task, by_planner = outcome.task, outcome.by_planner
    return AttemptReport(
        attempt=outcome.number,
        redrive=outcome.redrive,
        passed=outcome.passed,
        task_arn=outcome.task_arn,
        exit_code=outcome.exit_code,
        stop_code=task.stop_code if task else None,
        stopped_reason=task.stopped_reason if task else None,
        error=(by_planner.error or None) if by_planner else None,
        failure_class=by_planner.failure_class if by_planner else None,
        cpu=whole_number(task.cpu) if task else None,
        memory=whole_number(task.memory) if task else None,
        ran_on=(task.capacity_provider or task.launch_type) if task else None,
        started_at=iso(task.started_at) if task else None,
        stopped_at=iso(task.stopped_at) if task else None,
        durations=_durations(record, task) if task else Durations(),
        containers=tuple(_container_report(record, task, item, links) for item in task.containers) if task else (),
    )


def _durations(record: Record, task: TaskChanged) -> Durations:
    receipts = (record.receipt(task, container) for container in task.containers)
    archived = [receipt.archived_at for receipt in receipts if receipt and receipt.archived_at is not None]
    return Durations(
        queued=seconds_from(task.created_at, task.pull_started_at),
        starting=seconds_from(task.pull_started_at, task.started_at),
        running=seconds_from(task.started_at, task.stopped_at),
        archiving=seconds_from(task.stopped_at, max(archived, default=None)),
    )


def _container_report(record: Record, task: TaskChanged, item: ContainerState, links: Links) -> ContainerReport:
    receipt = record.receipt(task, item)
    return ContainerReport(
        name=item.name,
        exit_code=item.exit_code,
        reason=item.reason,
        log=_log_receipt(receipt, links) if receipt else None,
    )


def _log_receipt(receipt: LogArchived, links: Links) -> LogReceipt:
    return LogReceipt(
        container=receipt.container,
        status=receipt.status,
        why=receipt.why,
        lines=receipt.lines,
        bytes=receipt.bytes,
        sha256=receipt.sha256,
        first_at=iso(receipt.first_at),
        last_at=iso(receipt.last_at),
        s3_uri=s3_uri(receipt.s3_bucket, receipt.s3_key) if receipt.s3_bucket and receipt.s3_key else None,
        console_url=console.log_stream_url(receipt.region, receipt.log_group, receipt.log_stream),
        link=links.of(receipt.s3_bucket, receipt.s3_key),
    )
