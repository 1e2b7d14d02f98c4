"""Many jobs at once: which of a tenant's list are meant, and how far it has come."""

from __future__ import annotations

from typing import get_args

from schemas.bulk import BulkFilter, BulkRefusal, TrackedBulk
from schemas.control import Verb
from schemas.tracking import ListedStatus
from service.core.record.bulk import bulk_asked, bulk_progress, bulk_stop
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.record import Record
from service.core.telling.moments import iso
from service.core.tracking.listing import JobFilter

# Whoever asks for something of so many need not know how many more there are.
MOST_COUNTED = 10_000
# What a verb is for, by what a list says of a job: the others are not looked at.
SUITS: dict[Verb, frozenset[ListedStatus]] = {
    "cancel": frozenset({"OPEN"}),
    "redrive": frozenset({"FAILED", "TIMED_OUT", "ABORTED"}),
    "rerun": frozenset(get_args(ListedStatus)),
}


def meant_by(verb: Verb, jobs: BulkFilter, asked_at: float) -> JobFilter:
    """The list of the jobs that are meant: none that was requested after the asking, be it by the bulk itself."""
    name, equals, value = (jobs.label or "").partition("=")
    alone: ListedStatus | None = "OPEN" if verb == "cancel" else None
    until = min(asked_at, jobs.until.timestamp()) if jobs.until else asked_at
    return JobFilter(
        status=jobs.status or alone,
        job_type=jobs.type,
        user=jobs.user,
        label=name or None,
        label_value=value if equals else None,
        failure_class=jobs.failure_class,
        since=jobs.since.timestamp() if jobs.since else None,
        until=until,
        text=jobs.id,
    )


def counted(jobs: int) -> str:
    """How many match, in words."""
    return f"more than {MOST_COUNTED:,}" if jobs > MOST_COUNTED else f"{jobs:,}"


def tracked_bulk(record: Record) -> TrackedBulk | None:
    """How far a bulk has come; None where the record is of none."""
    asked, progress, stop = bulk_asked(record), bulk_progress(record), bulk_stop(record)
    if asked is None:
        return None
    seen = progress or BulkProgressed(record_key=record.key, page=-1, at=asked.asked_at)
    refusals = sorted(seen.refusals.items(), key=lambda item: -item[1])
    return TrackedBulk(
        bulk_id=asked.bulk_id,
        tenant=asked.tenant,
        verb=asked.verb,
        status=_status(progress),
        jobs=asked.jobs,
        requested_by=asked.asked_by,
        sent_by=asked.sent_by,
        reason=asked.reason,
        asked_at=iso(asked.asked_at) or "",
        matched=seen.matched,
        done=seen.done,
        refused=seen.refused,
        refusals=tuple(BulkRefusal(why=why, jobs=jobs) for why, jobs in refusals),
        searched_back_to=seen.searched_back_to,
        progressed_at=iso(progress.at) if progress else None,
        finished_at=iso(seen.finished_at),
        stopped_by=stop.asked_by if stop else None,
    )


def _status(progress: BulkProgressed | None) -> str:
    if progress is None or progress.finished_at is None:
        return "RUNNING"
    return "STOPPED" if progress.stopped else "FINISHED"


def asked_as(bulk: BulkAsked) -> str:
    """What the rerun of a job in a bulk is called: it makes the same job, however often the page is gone through."""
    return f"bulk/{bulk.tenant}/{bulk.bulk_id}"
