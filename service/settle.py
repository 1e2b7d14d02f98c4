"""The heart: hear a fact, do what the job is owed by its record, until nothing more is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import JobferryError
from service.aws.errors import AwsError
from service.clock import Clock, new_work
from service.core.policy.actions import NEEDS_THE_WHOLE, WISHED, Action
from service.core.policy.owed import Moment, Patience, carried_by, must_be_whole, owed, settled_by
from service.core.record.facts import Claimed, Fact, LogArchived, TaskChanged, task_spoken_of
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.renewing import Renewing


class NotWholeError(JobferryError):
    """The record lacks what was written before its head: was it deleted by hand?"""


class Jobs(Protocol):
    """Where records are kept."""

    async def merge(self, fact: Fact, carrying: Claimed | None = None) -> Record:
        """Hear a fact, which may carry a claim; answer with the head of the record, which decisions are made on."""

    async def put_away(self, job: Record, task: TaskChanged, last: LogArchived) -> Record | None:
        """Move a task of which this receipt is the last fact out of the head; None where there is other news of it."""

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
    """What it takes to settle a job. `new_work` names a piece of work, to claim things by."""

    jobs: Jobs
    performer: Performs
    patience: Patience
    now: Clock
    new_work: Callable[[], str] = new_work

    async def hear(self, fact: Fact, me: str) -> Record:
        """Hear a fact under the name of the piece of work that will settle its job."""
        return await self.jobs.merge(fact, carried_by(fact, Moment(self.now(), me, self.patience)))

    async def settle(self, job: Record, me: str | None = None) -> Record:
        """Do all that is owed to a job now, under one name for this piece of work.

        An action is performed once a pass, so that asking in vain cannot go on for ever. What people asked for holds
        nothing else up: if AWS fails to do it, that is raised when all else is done.
        """
        me = me or self.new_work()
        done: set[Action] = set()
        failed: AwsError | None = None
        while True:
            if must_be_whole(job):
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
            done.add(action)
            try:
                async with self.claims_kept(job, me):
                    learnt = await self.performer.perform(action, job, me)
            except AwsError as error:
                if not isinstance(action, WISHED):
                    await self._let_go(job.key, me)
                    raise
                learnt, failed = (), failed or error
            for fact in learnt:
                job = await self._learn(fact, job, me)

    async def _learn(self, fact: Fact, job: Record, me: str) -> Record:
        """Hear a fact; the last one of a task that stopped takes the task out of the head, in the same write."""
        if (task := settled_by(fact, job)) is not None and isinstance(fact, LogArchived):
            put_away = await self.jobs.put_away(job, task, fact)
            if put_away is not None:
                return put_away
        return (await self.hear(fact, me)).beside(job)

    async def _whole(self, job: Record) -> Record:
        whole = await self.jobs.read_whole(job.key)
        if not whole.is_whole:
            raise NotWholeError(str(job.key))
        return whole

    async def _let_go(self, key: RecordKey, me: str) -> None:
        """Leave the logs that I have claimed to whoever comes next: my message comes again before the claim is over.

        An announcement stays mine: who fails to hear whether it was made would make a copy all the sooner.
        """
        with suppress(AwsError):
            for claim in (await self.jobs.read(key)).claims_of(me):
                if task_spoken_of(claim) is not None:
                    await self.jobs.merge(claim.released(self.now()))

    @asynccontextmanager
    async def claims_kept(self, job: Record, me: str) -> AsyncIterator[None]:
        """Keep what I have claimed mine for as long as the work takes: a log may be larger than a claim is long."""
        async with AsyncExitStack() as kept:
            for claim in job.claims_of(me):
                await kept.enter_async_context(Renewing(claim.seconds / 3, _Kept(claim, self.jobs, self.now).renew))
            yield

    def _next(self, job: Record, me: str, done: Container[Action]) -> Action | None:
        """The first thing that is owed by the record as it is now; it may have changed since the last was done."""
        actions = owed(job, Moment(self.now(), me, self.patience))
        return next((action for action in actions if action not in done), None)


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
