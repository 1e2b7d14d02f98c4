"""A page of the list: asked for once, however many look at it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from schemas.failures import FAILURES
from schemas.tracking import JobPage, ListedJob
from service.console.words import duration, seconds_of
from service.core.tracking.glance import Glance
from service.core.tracking.listing import JobFilter
from service.tracking.shared import Shared
from service.tracking.tracker import Tracker

ROWS = 50
# One look is up to two reads of a plain list, and up to five of one that is searched through: a read a second.
PLAIN_SECONDS, NARROW_SECONDS = 2.5, 5.0
_HELD_PAGES, _HELD_GLANCES, _HELD_TYPES = 200, 5000, 50

Which = tuple[str, JobFilter, str | None]


@dataclass(frozen=True)
class Row:
    """One job in the list."""

    id: str
    tenant: str
    status: str
    job_type: str | None
    user: str | None
    age: str
    submitted_at: str
    took: str
    stages: str
    attempts: int | None
    why: str


@dataclass(frozen=True)
class Found:
    """What was read, and when."""

    page: JobPage
    glances: dict[str, Glance]
    at: float


@dataclass(frozen=True)
class Lists:
    """Reads lists of jobs for people."""

    tracker: Tracker
    _plain: Shared[Which, Found] = field(init=False)
    _narrow: Shared[Which, Found] = field(init=False)
    _types: dict[str, OrderedDict[str, None]] = field(default_factory=dict, init=False)
    _ended: OrderedDict[tuple[str, str | None], Glance] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_plain", Shared(self._read, PLAIN_SECONDS, most=_HELD_PAGES))
        object.__setattr__(self, "_narrow", Shared(self._read, NARROW_SECONDS, most=_HELD_PAGES))

    async def get(self, tenant: str, wanted: JobFilter, cursor: str | None) -> Found:
        """A page of jobs, each with how it is now."""
        shared = self._narrow if wanted.is_narrow else self._plain
        return await shared.get((tenant, wanted, cursor))

    def types(self, tenant: str) -> tuple[str, ...]:
        """The job types that were listed lately, the last first: they cost no read."""
        return tuple(reversed(self._types.get(tenant, ())))

    def _note_types(self, tenant: str, page: JobPage) -> None:
        known = self._types.setdefault(tenant, OrderedDict())
        for job in page.jobs:
            if job.job_type:
                known[job.job_type] = None
                known.move_to_end(job.job_type)
        while len(known) > _HELD_TYPES:
            known.popitem(last=False)

    async def _read(self, which: Which) -> Found:
        tenant, wanted, cursor = which
        at = self.tracker.now()
        page = await self.tracker.jobs(tenant, wanted, ROWS, cursor)
        if page.jobs:
            self._note_types(tenant, page)
        # What has ended stays as it is, unless it is redriven, and then its end is another.
        unknown = [job for job in page.jobs if job.ended_at is None or (job.id, job.ended_at) not in self._ended]
        read = await self.tracker.glances(unknown)
        self._ended.update(
            {(job.id, job.ended_at): read[job.id] for job in unknown if job.ended_at is not None and job.id in read}
        )
        while len(self._ended) > _HELD_GLANCES:
            self._ended.popitem(last=False)
        kept = {job.id: known for job in page.jobs if (known := self._ended.get((job.id, job.ended_at)))}
        return Found(page, {**kept, **read}, at)


def row_of(job: ListedJob, glance: Glance | None, now: float) -> Row:
    """A listed job as a row; of one that is open, how it is now, where that is known."""
    is_open = job.status == "OPEN"
    submitted = seconds_of(job.submitted_at) or now
    why = (glance.why if glance and is_open else None) or ""
    if job.failure_class:
        why = f"{job.failure_class.replace('_', ' ')}: {FAILURES.get(job.failure_class, FAILURES['unknown'])}"
    if job.status == "REJECTED":
        why = "the request was not accepted"
    return Row(
        id=job.id,
        tenant=job.tenant,
        status=glance.status if glance and is_open else job.status,
        job_type=job.job_type,
        user=job.user,
        age=_age(now - submitted),
        submitted_at=job.submitted_at,
        took=duration(job.duration_seconds) if job.duration_seconds is not None else "",
        stages=str(glance.stages) if glance else "",
        attempts=glance.attempts if glance else None,
        why=why,
    )


def _age(seconds: float) -> str:
    """By its largest unit: a list is looked over, not read."""
    return " ".join(duration(max(1.0, float(int(seconds)))).split()[:2]).replace(".0", "")
