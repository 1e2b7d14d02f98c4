"""Who asked for what became of a job: for subscribers, and for whoever looks at the execution in Step Functions."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.control import Verb
from schemas.notification import SteeredBy
from service.core.record.asked import (
    CLOCKS_DIFFER_SECONDS,
    cancel_asked,
    cancelled_by,
    redrive_asked,
    redrive_refused,
    redrive_wanted,
)
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, Rerun, RerunOf
from service.core.telling.moments import iso

_NOBODY = "somebody"


def why_cancelled(record: Record) -> str:
    """What an execution that is ended on somebody's behalf has as its cause."""
    asked = cancel_asked(record)
    who = asked.asked_by if asked and asked.asked_by else _NOBODY
    return f"Cancelled by {who}" + (f": {asked.reason}" if asked and asked.reason else "")


def steered(record: Record) -> tuple[SteeredBy, ...]:
    """The wishes that made the present run what it is, oldest first; an end that came first is nobody's doing."""
    return tuple(_steered(record))


def _steered(record: Record) -> Iterator[SteeredBy]:
    if record.request is not None and record.request.rerun_of is not None:
        yield steered_by("rerun", record.request.rerun_of)
    if (redriven := redrive_wanted(record)) is not None:
        yield steered_by("redrive", redriven)
    asked, execution = cancelled_by(record) or cancel_asked(record), record.execution
    if asked is None or execution is None or execution.status != "ABORTED":
        return
    if asked.asked_at <= (execution.stopped_at or 0) + CLOCKS_DIFFER_SECONDS:
        yield steered_by("cancel", asked)


def unfulfilled(record: Record) -> tuple[SteeredBy, ...]:
    """The wishes that were heard and have not come about yet, oldest first."""
    return tuple(sorted(_unfulfilled(record), key=lambda wish: wish.asked_at))


def _unfulfilled(record: Record) -> Iterator[SteeredBy]:
    cancel, redrive, execution = cancel_asked(record), redrive_asked(record), record.execution
    if cancel is not None and not (execution and execution.ended):
        yield steered_by("cancel", cancel)
    succeeded = execution is not None and execution.status == "SUCCEEDED"
    if redrive is not None and not succeeded and redrive_refused(record) is None:
        yield steered_by("redrive", redrive)


def steered_by(verb: Verb, asked: CancelAsked | Cancelled | RedriveAsked | Redriven | RerunOf | Rerun) -> SteeredBy:
    """A wish as it is told."""
    return SteeredBy(
        verb=verb, by=asked.asked_by, sent_by=asked.sent_by, reason=asked.reason, asked_at=iso(asked.asked_at)
    )
