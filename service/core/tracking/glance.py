"""How a job is, in the space of a line."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.tracking import JobStatus
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.tracking.job import tracked_status
from service.core.tracking.why import why


@dataclass(frozen=True)
class Glance:
    """What a list shows of a job beside what it was told at admission and at the end."""

    status: JobStatus
    attempts: int
    stages: int
    why: str | None


def glance_at(record: Record, now: float, redaction: Redaction) -> Glance:
    """By a record's head and request; `why` is what an open job waits for."""
    is_open = not record.announced
    reasons = why(record, now, (), redaction).text if is_open else ()
    return Glance(
        status=tracked_status(record),
        # A task an attempt; those that stopped lie beside the head, which counts them.
        attempts=len(record.tasks) + record.tally.stops,
        stages=len(record.request.stages) if record.request else 0,
        why=reasons[0] if reasons else None,
    )
