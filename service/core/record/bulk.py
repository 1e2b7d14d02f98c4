"""What is asked for of many jobs at once: a record of its own, with a cursor and how far it has come."""

from __future__ import annotations

from typing import cast

from service.core.record.bulk_facts import BulkAsked, BulkProgressed, BulkStopAsked
from service.core.record.record import Record
from service.core.record.register_names import BULK_PROGRESS_REGISTER, BULK_REGISTER, BULK_STOP_REGISTER


def bulk_asked(record: Record) -> BulkAsked | None:
    """What is wanted, if the record is a bulk's."""
    return cast("BulkAsked | None", record.registers.get(BULK_REGISTER))


def bulk_progress(record: Record) -> BulkProgressed | None:
    """How far it has come; None where nothing was done yet."""
    return cast("BulkProgressed | None", record.registers.get(BULK_PROGRESS_REGISTER))


def bulk_stop(record: Record) -> BulkStopAsked | None:
    """Who wants it stopped."""
    return cast("BulkStopAsked | None", record.registers.get(BULK_STOP_REGISTER))


def bulk_is_over(record: Record) -> bool:
    """Whether it touches no more jobs."""
    progress = bulk_progress(record)
    return progress is not None and progress.finished_at is not None
