"""What a job's page shows, read for all who look at it together; and the pieces that it is put together of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.failures import FAILURES
from schemas.tracking import JobEvent, StepView, TrackedJob, Why
from service.console.drawing import Graph, Timeline, graph_of, timeline_of
from service.console.steering import Note, Offer, Sent, notes, offers
from service.console.words import clock, duration, plain
from service.core.telling.compose import iso
from service.tracking.tracker import Tracker

# So many of the last are shown at first; a page that stays open gathers more, and older ones have pages of their own.
STEPS, EVENTS = 50, 50
_MOST_STEPS = 300


@dataclass(frozen=True)
class Since:
    """The first step and the first event that a page shows, counted from 1; None for so that the last are seen."""

    step: int | None = None
    event: int | None = None


@dataclass(frozen=True)
class Fact:
    """A row of the table of facts."""

    name: str
    value: str
    url: str = ""


@dataclass(frozen=True)
class JobView:
    """Everything of a job but its logs."""

    job: TrackedJob
    why: Why
    events: tuple[JobEvent, ...]
    since: Since
    steps: tuple[StepView, ...]
    graph: Graph | None
    timeline: Timeline | None
    facts: tuple[Fact, ...]
    failure_words: str
    as_of: str
    offers: tuple[Offer, ...]
    notes: tuple[Note, ...]

    @property
    def title(self) -> str:
        """What it is called by."""
        return self.job.job_id or self.job.message_id or "a rejected request"

    @property
    def at_rest(self) -> bool:
        """Whether nothing will change any more, by itself or by what was asked for."""
        return self.job.settled and not any(note.waits for note in self.notes)


_FROM_THE_LAST = Since()


async def view_of(
    tracker: Tracker, tenant: str, job_id: str, sent: Sent | None = None, since: Since = _FROM_THE_LAST
) -> JobView:
    """How a job is now, for a reader who has just sent a wish, or not. Raises UnknownJobError."""
    record = await tracker.find(tenant, job_id)
    seen, _ = await tracker.since(tenant, job_id, None)
    job, now = seen.job, tracker.now()
    steps, _ = await tracker.step_heads(tenant, job_id, since.step, STEPS if since.step is None else _MOST_STEPS)
    why = await tracker.why(tenant, job_id)
    failure = job.failure.failure_class if job.failure else ""
    first_event = since.event or max(0, len(seen.events) - EVENTS) + 1
    return JobView(
        job=job,
        why=why,
        events=seen.events[first_event - 1 :],
        since=Since(since.step or (steps[0].step if steps else 1), first_event),
        steps=steps,
        graph=graph_of(job),
        timeline=timeline_of(job, seen.events, now),
        facts=tuple(facts_of(job)),
        failure_words=FAILURES.get(failure, FAILURES["unknown"]),
        as_of=iso(now),
        offers=tuple(offer for offer in offers(job, record) if offer.why_not is None),
        notes=notes(job, record, sent, now),
    )


def facts_of(job: TrackedJob) -> Iterator[Fact]:
    """What is known of the job and does not change from look to look."""
    texts = {
        "Job": job.job_id,
        "Message": job.message_id,
        "Tenant": job.tenant,
        "Type": job.job_type,
        "User": job.user,
        "Input file": job.input_file,
        "Submitted": job.submitted_at and clock(job.submitted_at),
        "Started": job.started_at and clock(job.started_at),
        "Ended": job.ended_at and clock(job.ended_at),
        "Took": duration(job.duration_seconds) if job.duration_seconds is not None else None,
        "Redrives": str(job.redrive_count) if job.redrive_count else None,
    }
    yield from (Fact(name, plain(value)) for name, value in texts.items() if value)
    yield from (Fact(f"Label {name}", value) for name, value in job.labels.items())
    if job.execution_arn:
        yield Fact("Execution", job.execution_arn, job.execution_console_url or "")
    if job.cost is not None:
        estimate = f", about {job.cost.estimate:.4f}" if job.cost.estimate is not None else ""
        yield Fact("Cost", f"{job.cost.vcpu_seconds:g} vCPU\u00b7s, {job.cost.gb_seconds:g} GB\u00b7s{estimate}")
    if job.trace is not None:
        yield Fact("Trace", job.trace.traceparent or "")
