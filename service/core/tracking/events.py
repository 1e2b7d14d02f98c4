"""What happened to a job, as one list in the order of time: a view of its facts.

A fact may come late and stand before others that were seen already, so a place in the list says nothing for good. The
names do: each is the same in every copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from schemas.tracking import JobEvent
from service.core.log_layout import s3_uri
from service.core.policy.outcome import status_of
from service.core.record.facts import Announced, LogArchived, Requested, TaskChanged, WaitsForCapacity
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling.compose import iso
from service.core.tracking.wishes import one_line, wishes

_ALWAYS_HIDDEN = Redaction.of()


def events_of(record: Record, redaction: Redaction = _ALWAYS_HIDDEN) -> tuple[JobEvent, ...]:
    """Everything that the record tells, oldest first; what has no time stands last."""
    found = sorted(_events(record, redaction), key=lambda found: (found[0] is None, found[0] or 0.0))
    return tuple(event for _, event in found)


def cursor_of(events: tuple[JobEvent, ...], state: str) -> str:
    """What a reader who has seen these events names them by; `state` is what else it was shown."""
    return f"{len(events)}-{_digest(events)}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def unseen(events: tuple[JobEvent, ...], cursor: str | None) -> tuple[JobEvent, ...]:
    """The events after those that a cursor names. All of them where something came in between since, or it is odd."""
    count, _, rest = (cursor or "").partition("-")
    seen = int(count) if count.isdecimal() and len(count) < 6 else -1
    if not 0 <= seen <= len(events) or _digest(events[:seen]) != rest.partition("-")[0]:
        return events
    return events[seen:]


def _digest(events: tuple[JobEvent, ...]) -> str:
    return hashlib.sha256("\n".join(event.name for event in events).encode()).hexdigest()[:12]


def _events(record: Record, redaction: Redaction) -> Iterator[tuple[float | None, JobEvent]]:
    yield from _beginning(record, redaction)
    yield from _wishes(record, redaction)
    for task in record.tasks:
        yield from _task(task, redaction)
        for container in task.containers:
            if (receipt := record.receipt(task, container)) is not None:
                yield _log(receipt, task, redaction)
    if record.waiting is not None:
        yield _wait(record.waiting, redaction)
    yield from _end(record)


def _beginning(record: Record, redaction: Redaction) -> Iterator[tuple[float | None, JobEvent]]:
    if record.rejection is not None:
        at, reasons = record.rejection.submitted_at, len(record.rejection.problems)
        text = f"The request was rejected, for {reasons} reason{'' if reasons == 1 else 's'}."
        yield at, JobEvent(name="REJECTED", at=iso(at), kind="REJECTED", text=text)
    if record.request is not None:
        at = record.request.submitted_at
        text = redaction.text(_requested(record.request))
        yield at, JobEvent(name="REQUESTED", at=iso(at), kind="REQUESTED", text=text)
    execution = record.execution
    if execution is not None and execution.arn:
        at_, count = execution.redriven_at or execution.started_at, execution.redrive_count
        text = f"It was redriven, for time {count}." if count else "Its execution was started."
        yield at_, JobEvent(name=f"{count}:STARTED", at=iso(at_), kind="STARTED", text=text, redrive=count)


def _requested(request: Requested) -> str:
    again = request.rerun_of
    if again is None:
        return "The job was requested."
    reason = f": {_line(again.reason)}" if again.reason else ""
    return f"The job was requested as a rerun of {again.job_id}, by {_line(again.asked_by or 'somebody')}{reason}."


def _wishes(record: Record, redaction: Redaction) -> Iterator[tuple[float | None, JobEvent]]:
    for wish in wishes(record):
        kind = f"{wish.verb.upper()}_ASKED"
        name = f"{kind}:{int(wish.asked_at * 1000)}"
        event = {"name": name, "at": iso(wish.asked_at), "kind": kind, "text": wish.sentence(redaction)}
        yield wish.asked_at, JobEvent.model_validate(event)


def _task(task: TaskChanged, redaction: Redaction) -> Iterator[tuple[float | None, JobEvent]]:
    redrive, stage, attempt = task.place
    where = {"redrive": redrive, "stage": stage, "attempt": attempt, "task_arn": task.arn}
    of = f"stage {stage}, attempt {attempt}"
    for kind, at, text in (
        ("TASK_CREATED", task.created_at, f"ECS made a task for {of}."),
        ("TASK_STARTED", task.started_at, f"The task of {of} runs."),
        ("TASK_STOPPED", task.stopped_at if task.stopped else None, f"The task of {of} stopped{_how(task)}."),
    ):
        if at is not None or (kind == "TASK_STOPPED" and task.stopped):
            name = f"{kind}:{task.task_id}"
            yield (
                at,
                JobEvent.model_validate(
                    {"name": name, "at": iso(at), "kind": kind, "text": redaction.text(text), **where}
                ),
            )


def _how(task: TaskChanged) -> str:
    codes = ", ".join(
        f"{item.name} with exit code {item.exit_code}" for item in task.containers if item.exit_code is not None
    )
    reason = task.stopped_reason or task.stop_code
    return "".join((f": {codes}" if codes else "", f" ({_line(reason)})" if reason else ""))


def _line(text: str) -> str:
    return one_line(text).rstrip(".")


def _log(receipt: LogArchived, task: TaskChanged, redaction: Redaction) -> tuple[float | None, JobEvent]:
    redrive, stage, attempt = task.place
    where = s3_uri(receipt.s3_bucket, receipt.s3_key) if receipt.s3_bucket and receipt.s3_key else ""
    kept = f"is in {where}" if where else f"is {receipt.status}: {receipt.why or 'nobody said why'}"
    return receipt.archived_at, JobEvent(
        name=f"LOG_ARCHIVED:{receipt.task_id}:{receipt.container}",
        at=iso(receipt.archived_at),
        kind="LOG_ARCHIVED",
        text=redaction.text(f"The log of {receipt.container} {kept}."),
        redrive=redrive,
        stage=stage,
        attempt=attempt,
        container=receipt.container,
        task_arn=task.arn,
    )


def _wait(waits: WaitsForCapacity, redaction: Redaction) -> tuple[float | None, JobEvent]:
    return waits.since, JobEvent(
        name=f"WAITING:{waits.redrive}:{waits.stage}:{waits.attempt}",
        at=iso(waits.since),
        kind="WAITING",
        text=redaction.text(f"Stage {waits.stage} waits for capacity: {_line(waits.why)}."),
        redrive=waits.redrive,
        stage=waits.stage,
        attempt=waits.attempt,
    )


def _end(record: Record) -> Iterator[tuple[float | None, JobEvent]]:
    execution = record.execution
    if execution is not None and execution.ended:
        at, count = execution.stopped_at, execution.redrive_count
        yield (
            at,
            JobEvent(
                name=f"{count}:ENDED:{execution.status}",
                at=iso(at),
                kind="ENDED",
                text=f"It ended: {status_of(record).lower().replace('_', ' ')}.",
                redrive=count,
            ),
        )
    for fact in record.registers.values():
        if isinstance(fact, Announced):
            yield (
                fact.at,
                JobEvent(
                    name=f"{fact.redrive_count}:ANNOUNCED",
                    at=iso(fact.at),
                    kind="ANNOUNCED",
                    text=f"Subscribers were told: {fact.status.lower().replace('_', ' ')}.",
                    redrive=fact.redrive_count,
                ),
            )
