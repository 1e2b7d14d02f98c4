"""Very many silent jobs: a list of all that runs answers for a thousand of them by one call.

To ask Step Functions after each takes hours for 100,000 within its quota. Nothing is learnt from the list: a job that
it names is put off if nothing else is owed to it and ECS, asked after a hundred tasks at once, tells of no end of one.
All others are left to the sweeper. That goes on at its pace meanwhile, with whatever is due, named or not: so what a
list names for ever although it has ended is asked after by itself before long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from service.aws.errors import AwsError
from service.aws.executions import Executions
from service.aws.jobs_table import JobsTable
from service.aws.open_jobs import SHARDS
from service.aws.pace import Pace
from service.aws.tasks import Tasks
from service.aws.turns import Turn, Turns
from service.core.policy.listed import news_of, tasks_to_ask_after
from service.core.policy.owed import Moment, must_be_whole
from service.core.record.facts import TaskChanged
from service.core.record.hearing import hear_task
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import SWEEP_FAILURES, SWEEP_FOUND, Meter
from service.settle import Settling
from workers.guard import failure_of
from workers.own_order import own_order
from workers.stopping import told_to_stop, unless_told_to_stop

log = structlog.stdlib.get_logger()

# The most overdue: what was put off comes again, and not before what was not. A page of the index, 1 MB of keys, holds
# more [DynamoDB guide, Query].
_MOST_OF_A_SHARD = 6_250
# In one look: enough for its list to be worth the calls, and not all, so that other workers find shards to take.
_ENOUGH = 25_000
# BatchGetItem takes a hundred keys, DescribeTasks a hundred tasks [botocore].
_TOGETHER = 100
_AT_ONCE = 10
# What a quarter of a processor can do beside its other work; 100,000 take a thousand seconds.
_JOBS_PER_SECOND = 100

_T = TypeVar("_T")


def _pace() -> Pace:
    return Pace.full(_JOBS_PER_SECOND / 2, _JOBS_PER_SECOND)  # What is not looked at while others are put off.


@dataclass(frozen=True)
class RollCall:
    """Puts off silent jobs that a list names, until told to stop. Workers share the work by the shards of the index.

    Whoever dies leaves nothing undone: each job is put off by a write of its own, and what is not is still due.
    """

    executions: Executions
    tasks: Tasks
    table: JobsTable
    turns: Turns
    settling: Settling
    every_seconds: float
    stopping: asyncio.Event
    metrics: Meter
    pace: Pace = field(default_factory=_pace)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Call the roll when the sweeper wants it. What one look does not reach is still due, and wanted again."""
        while not self.stopping.is_set():
            if self.wanted.is_set():
                self.wanted.clear()
                try:
                    # A list may be long, and nothing is lost.
                    await unless_told_to_stop(self.stopping, self.look())
                except AwsError as error:
                    self.metrics.count(SWEEP_FAILURES)
                    log.warning("running_not_listed", error=error.code, why=str(error)[:200])
            await told_to_stop(self.stopping, self.every_seconds)

    async def look(self) -> int:
        """Put off what is due in shards that nobody else has taken, as far as it runs; answer how much that was."""
        turns, due = await self._taken()
        put_off = 0
        if due:
            async for named, keys in self._named(due):
                turns = await self._kept(turns)
                if not turns:
                    break
                if keys:
                    put_off += await self._put_off(keys, named, due)
            log.info("roll_called", due=len(due), put_off=put_off)
        return put_off

    async def _taken(self) -> tuple[list[Turn], dict[RecordKey, float]]:
        """Turns at some shards, and what is due there, with when it was. Each worker begins with another shard."""
        turns: list[Turn] = []
        due: dict[RecordKey, float] = {}
        for shard in own_order(self.settling.new_work(), range(SHARDS)):
            if len(due) >= _ENOUGH:
                break
            turn = await self.turns.take(f"roll-call-{shard}", self.every_seconds)
            if turn is not None:
                turns.append(turn)
                due |= await self.table.due(shard, self.settling.now(), _MOST_OF_A_SHARD)
        return turns, due

    async def _named(
        self, due: Mapping[RecordKey, float]
    ) -> AsyncIterator[tuple[Mapping[str, int], Sequence[RecordKey]]]:
        """What is due of each page of the list, so many at a time as may be asked about together; at times nothing."""
        async for named in self.executions.running():
            keys = [key for key in map(RecordKey.of_job, named) if key in due]
            for first in range(0, max(1, len(keys)), _TOGETHER):
                yield named, keys[first : first + _TOGETHER]

    async def _kept(self, turns: list[Turn]) -> list[Turn]:
        """The turns, made anew before they are over; none where another has one of them by now."""
        kept: list[Turn] = []
        for turn in turns:
            is_fresh = self.settling.now() < turn.began_at + self.every_seconds / 3
            still = turn if is_fresh else await self.turns.keep(turn)
            if still is None:
                return []
            kept.append(still)
        return kept

    async def _put_off(
        self, keys: Sequence[RecordKey], named: Mapping[str, int], due: Mapping[RecordKey, float]
    ) -> int:
        """Put these jobs off, but for those that need more than that."""
        open_tasks = await self._to_be_asked_after(keys, named)
        described = await self._described(arn for _, arns in open_tasks for arn in arns)
        free = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(job: Record, arns: tuple[str, ...]) -> bool:
            async with free:
                return await self._safely(self._put_off_one(job, due[job.key], arns, described), job.key) or False

        put_off = sum(await asyncio.gather(*(in_turn(job, arns) for job, arns in open_tasks)))
        self.metrics.count(SWEEP_FOUND, put_off)
        return put_off

    async def _to_be_asked_after(
        self, keys: Sequence[RecordKey], named: Mapping[str, int]
    ) -> list[tuple[Record, tuple[str, ...]]]:
        """The jobs that need no more than questions after their tasks, with those; at our pace."""
        found: list[tuple[Record, tuple[str, ...]]] = []
        for key, head in (await self.table.read_heads(keys)).items():
            await self.pace.turn()
            asked = await self._safely(self._questions_of(head, named[key.id]), key)
            if asked is not None:
                found.append(asked)
        return found

    async def _questions_of(self, head: Record, redrive_count: int) -> tuple[Record, tuple[str, ...]] | None:
        is_enough = head.has_every_task and not must_be_whole(head, self._moment())
        job = head if is_enough else await self.table.read_whole(head.key)
        if job.redrive_count != redrive_count:
            return None
        arns = tasks_to_ask_after(job, self._moment())
        return None if arns is None else (job, arns)

    async def _described(self, arns: Iterable[str]) -> dict[str, TaskChanged]:
        heard = map(hear_task, await self.tasks.describe_many(list(arns)))
        return {fact.arn: fact for fact in heard if isinstance(fact, TaskChanged)}

    async def _put_off_one(
        self, job: Record, due_at: float, arns: Sequence[str], described: Mapping[str, TaskChanged]
    ) -> bool:
        """Put a job off, unless a task of it needs more; what else ECS has to tell is heard, and may be owed more."""
        news = news_of(job, arns, described)
        if news is None:
            return False
        for fact in news:
            await self.settling.hear(fact, self.settling.new_work())
            job = job.holding(fact)
        if news and tasks_to_ask_after(job, self._moment()) is None:
            return False
        return await self.table.put_off(job, due_at)

    def _moment(self) -> Moment:
        return Moment(self.settling.now(), self.settling.new_work(), self.settling.patience)

    async def _safely(self, work: Coroutine[Any, Any, _T], key: RecordKey) -> _T | None:
        """What work on one job came to. One that cannot be read, as a newer worker's may be, holds up no other."""
        doing = asyncio.ensure_future(work)
        if await failure_of(doing, "roll_call_failed", **key.log_fields) is not None:
            self.metrics.count(SWEEP_FAILURES)
            return None
        return doing.result()
