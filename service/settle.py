"""The heart: hear a fact, do what the job is owed by its record, until nothing more is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import JobferryError
from service.aws.errors import AwsError
from service.clock import Clock, new_work
from service.core.policy.actions import NEEDS_THE_WHOLE, UNCLAIMED, WISHED, Action, ArchiveLog, Claim
from service.core.policy.log_work import LogWork, can_wait, work_of
from service.core.policy.owed import (
    Moment,
    Patience,
    carried_by,
    claimed_with,
    is_last_receipt,
    may_be_the_last,
    must_be_whole,
    owed_in_turn,
)
from service.core.record.facts import Claimed, Fact, task_spoken_of
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.logs.due import DueLogs
from service.renewing import Renewing


class NotWholeError(JobferryError):
    """The record lacks what was written before its head: was it deleted by hand?"""


class Jobs(Protocol):
    """Where records are kept."""

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        """Hear a fact, which may carry a claim; answer with the head of the record, which decisions are made on.

        `is_last` is a receipt with which those of its task are complete. It carries a claim where the job is still as
        it is `known`, and where that is said of a claim itself, it is made only then.
        """

    async def read(self, key: RecordKey) -> Record:
        """The head of the record as it is now; empty where there is none."""

    async def read_whole(self, key: RecordKey) -> Record:
        """All of a record as it is now; empty where there is none."""


class Performs(Protocol):
    """Who does what is owed."""

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        """Do one thing, and say what is known now."""


@dataclass(frozen=True)
class Settling:
    """What it takes to settle a job. `new_work` names a piece of work, to claim things by.

    Logs that are owed are left in `due_logs`, for whoever archives them when they are due; where there is no such
    place, and where a job cannot do without its message meanwhile, they are archived at once.
    """

    jobs: Jobs
    performer: Performs
    patience: Patience
    now: Clock
    new_work: Callable[[], str] = new_work
    due_logs: DueLogs | None = None

    async def hear(self, fact: Fact, me: str) -> Record:
        """Hear a fact under the name of the piece of work that will settle its job."""
        return await self.jobs.merge(fact, carried_by(fact, self._moment(me)))

    async def settle(self, job: Record, me: str | None = None) -> Record:
        """Do all that is owed to a job now, under one name for this piece of work.

        An action is performed once a pass, so that asking in vain cannot go on for ever. What people asked for holds
        nothing else up: if AWS fails to do it, that is raised when all else is done.
        """
        me = me or self.new_work()
        done: set[Action] = set()
        failed: AwsError | None = None
        put_off: set[str] = set()
        while True:
            if must_be_whole(job, self._moment(me)):
                job = await self._whole(job)
            action = self._next(job, me, done)
            if action is None and failed is not None:
                raise failed
            if action is None:
                return job
            if isinstance(action, NEEDS_THE_WHOLE) and not job.is_whole:
                # What is beside the head was written before it, so this is no older than the head: we look once more.
                job = await self._whole(job)
                continue
            if isinstance(action, UNCLAIMED) and self._is_long_ago(job):
                job = (await self.jobs.read(job.key)).beside(job)
                continue
            if isinstance(action, ArchiveLog) and self.due_logs is not None and can_wait(job):
                done.update(await self._put_off(action, job, me, self.due_logs))
                put_off.add(action.task_id)
                continue
            done.add(action)
            try:
                async with self.claims_kept(job, me):
                    learnt = await self.performer.perform(action, job, me)
            except AwsError as error:
                if not isinstance(action, WISHED):
                    await self._let_go(job.key, me, lambda task_id: task_id not in put_off)
                    raise
                learnt, failed = (), failed or error
            known = job
            for fact in learnt:
                job = await self._learn(fact, job, me)
            if _was_refused(action, known, job):
                done.discard(action)

    async def archive(self, work: LogWork, heir: str) -> Record:
        """Archive logs that are due; answers with the head as it is when the last of their receipts is counted.

        If nothing more is owed by that, the announcement is claimed for the piece of work that comes next.
        """
        job = work.job
        try:
            async with self._kept(work.claims):
                for action in work.actions:
                    for fact in await self.performer.perform(action, job, work.me):
                        job = await self._learn(fact, job, heir)
        except AwsError:
            await self._let_go(job.key, work.me, lambda task_id: task_id == work.task_id)
            raise
        return job

    async def _put_off(self, action: ArchiveLog, job: Record, me: str, due_logs: DueLogs) -> tuple[ArchiveLog, ...]:
        """Leave all logs of a task until they are due; answers with what is seen to by that."""
        work = work_of(job, action.task_id, me, self.patience.log_quiet, self.now())
        async with self._kept(work.claims):
            await due_logs.put(work)
        return work.actions

    async def _learn(self, fact: Fact, job: Record, me: str) -> Record:
        """Hear a fact of a job; answers with its head, and all that is known of what is beside that."""
        if may_be_the_last(fact, job):
            # An announcement needs it anyway, and by the whole the receipt can carry the claim.
            job = job if job.is_whole else await self._whole_for(fact, job)
            carrying = claimed_with(fact, job, self._moment(me))
            return (await self.jobs.merge(fact, carrying, is_last=True, known=job)).beside(job)
        if isinstance(fact, Claimed):
            return (await self.jobs.merge(fact, known=job)).beside(job)
        carrying, is_last = carried_by(fact, self._moment(me)), is_last_receipt(fact, job)
        return (await self.jobs.merge(fact, carrying, is_last=is_last)).beside(job)

    def _moment(self, me: str) -> Moment:
        return Moment(self.now(), me, self.patience)

    async def _whole(self, job: Record) -> Record:
        whole = await self.jobs.read_whole(job.key)
        if not whole.is_whole:
            raise NotWholeError(str(job.key))
        return whole

    async def _whole_for(self, receipt: Fact, job: Record) -> Record:
        """All of a job before its last receipt is written, which is kept also if that cannot be read."""
        try:
            return await self._whole(job)
        except AwsError:
            await self.jobs.merge(receipt, is_last=True)
            raise

    async def _let_go(self, key: RecordKey, me: str, is_given_up: Callable[[str], bool]) -> None:
        """Leave logs that I have claimed to whoever comes next: that is sooner than the claim is over.

        An announcement stays mine: who fails to hear whether it was made would make a copy all the sooner.
        """
        with suppress(AwsError):
            for claim in (await self.jobs.read_whole(key)).claims_of(me):
                task_id = task_spoken_of(claim)
                if task_id is not None and is_given_up(task_id):
                    await self.jobs.merge(claim.released(self.now()))

    def claims_kept(self, job: Record, me: str) -> AbstractAsyncContextManager[None]:
        """Keep what I have claimed mine for as long as the work takes: a log may be larger than a claim is long."""
        return self._kept(job.claims_of(me))

    @asynccontextmanager
    async def _kept(self, claims: Iterable[Claimed]) -> AsyncIterator[None]:
        async with AsyncExitStack() as kept:
            for claim in claims:
                await kept.enter_async_context(Renewing(claim.seconds / 3, _Kept(claim, self.jobs, self.now).renew))
            yield

    def _is_long_ago(self, job: Record) -> bool:
        """Whether we have stood still since we read a record, for longer than others wait for who is in the middle.

        Whoever leaves a job unstarted waits for a start that another may be in the middle of, for the grace time, and
        announces that it was cancelled. Step Functions takes no condition with a start [botocore, StartExecution], and
        a write that claimed it would cost each job one, and let who stood still after it start all the same.
        """
        return job.known_at is not None and self.now() - job.known_at > self.patience.task_grace / 2

    def _next(self, job: Record, me: str, done: Container[Action]) -> Action | None:
        """The first thing that is owed by the record as it is now; it may have changed since the last was done."""
        actions = owed_in_turn(job, self._moment(me))
        return next((action for action in actions if action not in done), None)


def _was_refused(action: Action, known: Record, now: Record) -> bool:
    """Whether it is a claim on what was owed by less than is known now: then it is to be looked at once more.

    Whoever made it more may have left the rest to us.
    """
    return isinstance(action, Claim) and now.tally.changes != known.tally.changes


@dataclass
class _Kept:
    """A claim that is renewed until another has it: then the work is done twice, harmlessly."""

    claim: Claimed
    jobs: Jobs
    now: Clock

    async def renew(self) -> bool:
        """Renew it once; answers whether it is still mine."""
        # A renewal that fails is tried again at the next third.
        with suppress(AwsError):
            held = (await self.jobs.merge(self.claim.renewed(self.now()))).claim(self.claim.what)
            if held is None or held.owner != self.claim.owner:
                return False
            self.claim = held
        return True
