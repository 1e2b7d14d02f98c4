"""Many jobs at once: page by page through a tenant's list, each job by the very facts that a message for it would be.

A page's jobs are named in the bulk's record before they are touched. Whoever dies in the middle of one leaves it to the
next, who goes through it again: what was asked of a job already is known by its moment, and counted all the same. What
waits for capacity, or AWS fails to do, stays in hand, and is gone through again after a while; what cannot be done is
counted with its reason, so that no job holds up the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiolimiter import AsyncLimiter

from schemas.control import ControlMessage
from schemas.tracking import ListedJob
from service.aws.errors import AwsError
from service.aws.job_list import JobList
from service.aws.queue import Message
from service.clock import Clock
from service.core.admission.admission import Refused
from service.core.admission.rerun import new_id
from service.core.policy.actions import Action, Claim, SteerPage
from service.core.policy.steering import Unheard, hear_control, why_not
from service.core.record.asked import redrive_asked, redrive_refused
from service.core.record.bulk import bulk_asked, bulk_progress, bulk_stop
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.register_names import REDRIVE_REGISTER, cancel_register
from service.core.record.wishes import CancelAsked, RedriveAsked, Redriven
from service.core.tracking.bulk import SUITS, asked_as, meant_by
from service.settle import Jobs, Settling
from workers.guard import failure_of
from workers.requests import HeldBack
from workers.reruns import Reruns, Wanted

log = structlog.stdlib.get_logger()

PAGE_JOBS = 50
# StopExecution refills 25 tokens a second in most regions [Step Functions quotas], of which others want some.
_JOBS_PER_SECOND = 15.0
_AT_ONCE = 10
_MOST_REFUSALS, _LONGEST_REFUSAL = 10, 200
# Between two passes lies a claim: an outage may last for minutes, and no longer than that may one job hold up a page.
_MOST_FAILURES = 10


@dataclass(frozen=True)
class Steered:
    """What became of one job of a page: refused for a reason, or done."""

    why_not: str | None = None


@dataclass(frozen=True)
class Left:
    """One job of a page is to be tried again: it waits for capacity, or we stop; or AWS failed, and how."""

    failure: str | None = None


@dataclass(frozen=True)
class SteersMany:
    """Performs what bulks are owed. `settling` is that of jobs."""

    job_list: JobList
    jobs: Jobs
    settling: Settling
    reruns: Reruns
    stopping: asyncio.Event
    claim_seconds: float
    now: Clock
    page_jobs: int = PAGE_JOBS
    pace: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(_JOBS_PER_SECOND, 1))

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        """Do one thing, and say how far the bulk has come; nothing where it is to be gone on with later."""
        if isinstance(action, Claim):
            return (job.new_claim(action.what, me, self.now(), self.claim_seconds),)
        bulk = bulk_asked(job)
        assert isinstance(action, SteerPage) and bulk is not None, "a bulk is owed nothing else"
        if self.stopping.is_set():
            return ()
        before = bulk_progress(job) or BulkProgressed(record_key=job.key, page=-1, at=self.now())
        if bulk_stop(job) is not None:
            return (_over(before, self.now(), stopped=True),)
        counted = _counted(before, await self._steer_all(bulk, before.in_hand), self.now())
        if counted.in_hand:
            return (counted,)
        if before.page >= 0 and before.cursor is None:
            return (_over(counted, self.now(), stopped=False),)
        return (await self._next_page(bulk, counted),)

    async def _next_page(self, bulk: BulkAsked, counted: BulkProgressed) -> BulkProgressed:
        wanted = meant_by(bulk.verb, bulk.jobs, bulk.asked_at)
        page = await self.job_list.page(bulk.tenant, wanted, self.page_jobs, counted.cursor)
        meant = tuple(listed.id for listed in page.jobs if _is_meant(bulk, listed))
        update = {"in_hand": meant, "cursor": page.cursor, "searched_back_to": page.searched_back_to}
        return counted.model_copy(update={**update, "matched": counted.matched + len(meant)})

    async def _steer_all(self, bulk: BulkAsked, ids: Sequence[str]) -> dict[str, Steered | Left]:
        """What became of each."""
        free = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as working:
            tasks = {job_id: working.create_task(self._in_turn(free, bulk, job_id)) for job_id in ids}
        return {job_id: task.result() for job_id, task in tasks.items()}

    async def _in_turn(self, free: asyncio.Semaphore, bulk: BulkAsked, job_id: str) -> Steered | Left:
        """One job: whatever goes wrong with it, its neighbours are done."""
        async with free, self.pace:
            if self.stopping.is_set():
                return Left()
            doing = asyncio.ensure_future(self._do(bulk, job_id))
            failure = await failure_of(doing, "bulk_job_failed", job_id=job_id)
        if failure is None:
            return doing.result()
        if isinstance(failure, AwsError):
            return Left(f"AWS failed to do it: {failure.code or failure}")
        return Steered(f"The worker failed to do it ({type(failure).__name__}); its log says why.")

    async def _do(self, bulk: BulkAsked, job_id: str) -> Steered | Left:
        asked = ControlMessage.model_validate(
            {
                "verb": bulk.verb,
                "tenant": bulk.tenant,
                "job_id": job_id,
                "requested_by": bulk.asked_by,
                "reason": bulk.reason,
                "changes": bulk.changes,
            }
        )
        return await (self._rerun(bulk, asked) if bulk.verb == "rerun" else self._steer(bulk, asked))

    async def _steer(self, bulk: BulkAsked, asked: ControlMessage) -> Steered:
        job = await self.jobs.read(RecordKey.of_job(asked.job_id))
        if not _was_asked(bulk, job):
            if job.request is None:
                return Steered("There is no such job.")
            if (why := why_not(asked.verb, job)) is not None:
                return Steered(why)
            fact = hear_control(asked, job, bulk.asked_at, bulk.sent_by)
            if isinstance(fact, Unheard):
                return Steered(f"{fact.why[0].upper()}{fact.why[1:]}.")
            job = await self.jobs.merge(fact)
        # It is a fact by now: what goes wrong with doing it is made up for by the sweeper.
        settled = asyncio.ensure_future(self.settling.settle(job))
        if await failure_of(settled, "bulk_job_failed", job_id=asked.job_id) is not None:
            return Steered()
        return Steered(_came_to_nothing(bulk, settled.result()))

    async def _rerun(self, bulk: BulkAsked, asked: ControlMessage) -> Steered | Left:
        made_of = new_id(asked.job_id, asked.tenant, asked_as(bulk))
        asked = asked.model_copy(update={"new_job_id": made_of})
        wanted = Wanted(asked, made_of, bulk.asked_at, bulk.sent_by)
        message = Message(made_of, asked.model_dump_json(exclude_none=True), "", sent_at=self.now())
        made = await self.reruns.make(wanted, message, tell_refusals=False)
        if isinstance(made, HeldBack):
            return Left()
        if isinstance(made, Refused):
            problem = made.problems[0]
            return Steered(f"{problem.field}: {problem.message}".removeprefix(": "))
        if made.rejection is not None:
            return Steered(made.rejection.problems[0].message)
        await failure_of(self.settling.settle(made), "bulk_job_failed", job_id=made_of)
        return Steered()


def _is_meant(bulk: BulkAsked, listed: ListedJob) -> bool:
    return listed.status in SUITS[bulk.verb]


def _was_asked(bulk: BulkAsked, job: Record) -> bool:
    """Whether the bulk asked for it already, when the page was gone through before."""
    name = cancel_register(bulk.tenant) if bulk.verb == "cancel" else REDRIVE_REGISTER
    wishes = [job.registers.get(name), *(fact for fact in job.registers.values() if isinstance(fact, Redriven))]
    return any(
        isinstance(wish, CancelAsked | RedriveAsked | Redriven)
        and (wish.tenant, wish.asked_at, wish.asked_by) == (bulk.tenant, bulk.asked_at, bulk.asked_by)
        for wish in wishes
    )


def _came_to_nothing(bulk: BulkAsked, job: Record) -> str | None:
    """Why a redrive that was asked for was not made."""
    if bulk.verb != "redrive":
        return None
    if (refused := redrive_refused(job)) is not None:
        return f"Step Functions refused to redrive it: {refused.why}"
    redriven = any(isinstance(fact, Redriven) and fact.asked_at == bulk.asked_at for fact in job.registers.values())
    return None if redriven or redrive_asked(job) else "It has gone on or ended since this was asked for."


def _counted(before: BulkProgressed, became: Mapping[str, Steered | Left], at: float) -> BulkProgressed:
    """How far it has come: past the page, where no job is left in hand."""
    failed = Counter(before.failed)
    failed.update(job_id for job_id, item in became.items() if isinstance(item, Left) and item.failure)
    settled = {job_id: _in_the_end(item, failed[job_id]) for job_id, item in became.items()}
    left = tuple(job_id for job_id, item in settled.items() if isinstance(item, Left))
    steered = [item for item in settled.values() if isinstance(item, Steered)]
    refused = [item.why_not[:_LONGEST_REFUSAL] for item in steered if item.why_not is not None]
    refusals = Counter(before.refusals)
    for why in refused:
        refusals[why if why in refusals or len(refusals) < _MOST_REFUSALS else "for other reasons"] += 1
    return before.model_copy(
        update={
            "page": before.page if left else before.page + 1,
            "passes": before.passes + 1 if left else 0,
            "at": at,
            "in_hand": left,
            "failed": {job_id: failed[job_id] for job_id in left if job_id in failed},
            "done": before.done + len(steered) - len(refused),
            "refused": before.refused + len(refused),
            "refusals": dict(refusals),
        }
    )


def _in_the_end(item: Steered | Left, failures: int) -> Steered | Left:
    """What AWS fails to do again and again is left for no later."""
    return Steered(item.failure) if isinstance(item, Left) and failures >= _MOST_FAILURES else item


def _over(progress: BulkProgressed, at: float, *, stopped: bool) -> BulkProgressed:
    page = progress.page + 1 if stopped else progress.page
    ends = {"at": at, "finished_at": at, "stopped": stopped}
    nothing = {"passes": 0, "in_hand": (), "failed": {}, "searched_back_to": None}
    return progress.model_copy(update={"page": page, **ends, **nothing})


@dataclass(frozen=True)
class Bulks:
    """Works through bulks, one at a time, until told to stop. Who hears of one, or finds it silent, has it taken up."""

    settling: Settling
    jobs: Jobs
    stopping: asyncio.Event
    _waiting: asyncio.Queue[RecordKey] = field(default_factory=asyncio.Queue)
    _known: set[RecordKey] = field(default_factory=set)

    def take_up(self, key: RecordKey) -> None:
        """Have a bulk worked through, unless it waits for that already."""
        if key not in self._known:
            self._known.add(key)
            self._waiting.put_nowait(key)

    async def run(self) -> None:
        """Work. One that fails is found by the sweeper, and goes on where it was."""
        stopped = asyncio.create_task(self.stopping.wait())
        try:
            while not self.stopping.is_set():
                coming = asyncio.create_task(self._waiting.get())
                await asyncio.wait((stopped, coming), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                await self.work_through(coming.result())
        finally:
            stopped.cancel()

    async def work_through(self, key: RecordKey) -> None:
        """Page by page to its end, as long as nobody else does, and nobody stops it or us."""
        try:
            await failure_of(self._settle(key), "bulk_failed", **key.log_fields)
        finally:
            self._known.discard(key)

    async def _settle(self, key: RecordKey) -> None:
        record = await self.settling.settle(await self.jobs.read(key))
        if (progress := bulk_progress(record)) is not None:
            counts = {"matched": progress.matched, "done": progress.done, "refused": progress.refused}
            log.info(
                "bulk_went_on", **key.log_fields, page=progress.page, over=progress.finished_at is not None, **counts
            )
