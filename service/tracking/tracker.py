"""What can be asked of the jobs of a tenant. Nobody learns here whether another tenant has a job of some id."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from schemas.bulk import BulkFilter, TrackedBulk
from schemas.control import Verb
from schemas.price import Price
from schemas.tracking import EventsSeen, JobPage, ListedJob, LogLines, StepsPage, StepView, TrackedJob, Why
from service.aws.all_tenants import EVERYBODY, AllTenants
from service.aws.job_list import JobList
from service.aws.objects import SignedLink
from service.clock import Clock
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling.compose import iso
from service.core.tracking.bulk import MOST_COUNTED, SUITS, meant_by, tracked_bulk
from service.core.tracking.events import cursor_of, events_of, unseen
from service.core.tracking.glance import Glance, glance_at
from service.core.tracking.job import track
from service.core.tracking.listing import JobFilter
from service.core.tracking.steps import heads_of, steps_of
from service.core.tracking.why import MOST_JOBS, Lately, why
from service.tracking.errors import UnknownBulkError, UnknownStepError
from service.tracking.finding import Finder
from service.tracking.history import Histories
from service.tracking.logs import LogFound, LogPlace, LogReader, Wanted
from service.tracking.shared import Shared

POLL_SECONDS = 1.0
_LATELY_SECONDS = 60.0
# A page that stays open asks of the record, a log and the history what comes to one read a second in all.
_CALM_SECONDS, _CALM_HISTORY_SECONDS = 2.5, 5.0
_COUNTED_AT_ONCE = 1000
_COUNT_SECONDS = 30.0
_TENANTS_SECONDS = 60.0
_HELD_RECORDS = 200  # Of up to 400 KB each.


class ReadsRecords(Protocol):
    """Where records are kept."""

    async def read_whole(self, key: RecordKey) -> Record:
        """The record as it is now, with all that is known; empty where there is none."""

    async def read_many(self, keys: Collection[RecordKey]) -> Mapping[RecordKey, Record]:
        """The heads and requests of some records, as far as they were answered."""


@dataclass(frozen=True)
class Tracker:
    """Reads for people: each record at most once a second, however many look at it."""

    records: ReadsRecords
    job_list: JobList
    histories: Histories
    logs: LogReader
    now: Clock
    redaction: Redaction = Redaction.of()  # noqa: RUF009  # frozen
    prices: Mapping[str, Price] = field(default_factory=dict)
    link_seconds: int = 3600
    record_seconds: float = POLL_SECONDS
    _finder: Finder = field(init=False)
    _lately: Shared[tuple[str, str | None], Lately] = field(init=False)
    _counts: Shared[tuple[str, Verb, BulkFilter], int] = field(init=False)
    _tenants: Shared[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        shared = Shared(self.records.read_whole, self.record_seconds, most=_HELD_RECORDS)
        object.__setattr__(self, "_finder", Finder(shared.get, self.job_list.rejected_as))
        object.__setattr__(self, "_lately", Shared(self._read_lately, _LATELY_SECONDS, most=_HELD_RECORDS))
        object.__setattr__(self, "_tenants", Shared(self._read_tenants, _TENANTS_SECONDS))
        object.__setattr__(self, "_counts", Shared(self._count, _COUNT_SECONDS, most=_HELD_RECORDS))

    def unhurried(self) -> Tracker:
        """The same, for what is looked at all day: all of a job together costs one read a second at most."""
        return replace(
            self,
            record_seconds=_CALM_SECONDS,
            histories=replace(self.histories, running_seconds=_CALM_HISTORY_SECONDS),
            logs=replace(self.logs, look_seconds=_CALM_SECONDS),
        )

    async def glances(self, jobs: Sequence[ListedJob]) -> dict[str, Glance]:
        """How listed jobs are now, by one read for all of them; of rejected requests there is no more to know."""
        keys = [RecordKey.of_job(job.job_id) for job in jobs if job.job_id is not None]
        found = await self.records.read_many(keys) if keys else {}
        return {key.id: glance_at(job, self.now(), self.redaction) for key, job in found.items() if job.request}

    async def find(self, tenant: str | None, job_id: str) -> Record:
        """A job, or a rejected request. Raises UnknownJobError."""
        return await self._finder.find(tenant, job_id)

    async def job(self, tenant: str | None, job_id: str) -> TrackedJob:
        """How it is now."""
        return self._view(await self.find(tenant, job_id))

    async def jobs(self, tenant: str | None, wanted: JobFilter, limit: int, cursor: str | None = None) -> JobPage:
        """Those that match, the youngest first; without a tenant, those of all that had any a minute ago."""
        if tenant is None:
            names = await self._tenants.get(EVERYBODY)
            return await AllTenants(self.job_list).page(names, wanted, limit, cursor)
        return await self.job_list.page(tenant, wanted, limit, cursor)

    async def steps(self, tenant: str | None, job_id: str, after: int = 0, limit: int = 100) -> StepsPage:
        """The states that its execution went through."""
        record = await self.find(tenant, job_id)
        history = await self.histories.of(record)
        steps, more = steps_of(record, history, self.redaction, after, limit)
        return StepsPage(job_id=job_id, steps=steps, more=more, as_of=iso(self.now()))

    async def step_heads(
        self, tenant: str | None, job_id: str, first: int | None, most: int
    ) -> tuple[tuple[StepView, ...], int]:
        """The last of those states, or those from one on, without input and output; and how many there are in all."""
        record = await self.find(tenant, job_id)
        return heads_of(record, await self.histories.of(record), self.redaction, first, most)

    async def step(self, tenant: str | None, job_id: str, number: int) -> tuple[StepView, bool]:
        """One of them, whole, and whether there are more. Raises UnknownStepError."""
        page = await self.steps(tenant, job_id, number - 1, 1)
        if not page.steps:
            raise UnknownStepError
        return page.steps[0], page.more

    async def since(self, tenant: str | None, job_id: str, cursor: str | None) -> tuple[EventsSeen, str]:
        """What happened since, how the job is now, and the cursor to go on by; the same cursor where nothing did."""
        record = await self.find(tenant, job_id)
        job, events = self._view(record), events_of(record, self.redaction)
        return EventsSeen(job=job, events=unseen(events, cursor)), cursor_of(events, job.model_dump_json())

    async def bulk(self, tenant: str, bulk_id: str) -> TrackedBulk:
        """How far a bulk has come. Raises UnknownBulkError where no worker has heard of it."""
        tracked = tracked_bulk(await self.records.read_whole(RecordKey.of_bulk(tenant, bulk_id)))
        if tracked is None:
            raise UnknownBulkError
        return tracked

    async def matching(self, tenant: str, verb: Verb, jobs: BulkFilter) -> int:
        """How many jobs a bulk would match, as of the last half minute; no more are counted once it is MOST_COUNTED."""
        return await self._counts.get((tenant, verb, jobs))

    async def why(self, tenant: str | None, job_id: str) -> Why:
        """Why it is not running yet, not finished, or was late."""
        record = await self.find(tenant, job_id)
        request = record.request
        lately: Lately = await self._lately.get((request.tenant, request.job_type)) if request else ()
        return why(record, self.now(), lately, self.redaction)

    async def log(self, tenant: str | None, job_id: str, place: LogPlace, first: int, count: int) -> LogLines:
        """Some lines of a container's log."""
        return await self.logs.lines(await self.find(tenant, job_id), place, first, count)

    async def log_search(
        self, tenant: str | None, job_id: str, place: LogPlace, wanted: Wanted, first: int, most: int
    ) -> LogFound:
        """The lines of a container's log that hold a text, from one on."""
        return await self.logs.search(await self.find(tenant, job_id), place, wanted, first, most)

    async def log_link(self, tenant: str | None, job_id: str, place: LogPlace) -> SignedLink:
        """A fresh link to a container's archived log."""
        return await self.logs.link(await self.find(tenant, job_id), place, self.link_seconds)

    def _view(self, record: Record) -> TrackedJob:
        view = track(record, self.prices, self.redaction)
        assert view is not None, "what was found is a job or a rejection"
        return view

    async def _count(self, which: tuple[str, Verb, BulkFilter]) -> int:
        tenant, verb, jobs = which
        wanted, cursor, found = meant_by(verb, jobs, self.now()), None, 0
        while found <= MOST_COUNTED:
            page = await self.job_list.page(tenant, wanted, _COUNTED_AT_ONCE, cursor)
            found += sum(job.status in SUITS[verb] for job in page.jobs)
            if (cursor := page.cursor) is None:
                break
        return found

    async def _read_tenants(self, _everybody: str) -> tuple[str, ...]:
        return await self.job_list.tenants()

    async def _read_lately(self, which: tuple[str, str | None]) -> Lately:
        tenant, job_type = which
        return await self.job_list.lately(tenant, JobFilter(job_type=job_type), MOST_JOBS)
