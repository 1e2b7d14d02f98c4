"""The fact that time has passed: find open jobs that nothing was heard of, and settle them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from service.aws.errors import AwsError
from service.aws.jobs_table import JobsTable
from service.aws.open_jobs import SHARDS
from service.aws.pace import Pace
from service.core.policy.owed import SWEEP
from service.core.policy.steering import steering
from service.core.record.facts import Claimed
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import SWEEP_FAILURES, SWEEP_FOUND, SWEEP_OVERDUE, Meter
from service.settle import Settling
from workers.guard import failure_of
from workers.liveness import Liveness
from workers.own_order import own_order
from workers.stopping import told_to_stop

log = structlog.stdlib.get_logger()

_JOBS_A_LOOK = 100
_AT_ONCE = 10
# Of the pace that many are asked after at: few are not worth a hurry, in which others would feel the quota.
_LEAST_PACE = 0.5


@dataclass(frozen=True)
class Sweeper:
    """Looks for silent jobs until told to stop. Replicas share the work by claiming each job that they take up."""

    table: JobsTable
    settling: Settling
    pace: Pace
    every_seconds: float
    claim_seconds: float
    stopping: asyncio.Event
    liveness: Liveness
    metrics: Meter
    take_bulk: Callable[[RecordKey], None]
    call_the_roll: Callable[[], None]

    async def run(self) -> None:
        """Sweep at an interval. A sweep that fails is tried again at the next: the jobs are still there."""
        clock = asyncio.get_running_loop().time
        while not self.stopping.is_set():
            began_at = clock()
            try:
                await self.sweep()
            except AwsError as error:
                self.metrics.count(SWEEP_FAILURES)
                log.warning("sweep_failed", error=error.code, why=str(error)[:200])
            await told_to_stop(self.stopping, began_at + self.every_seconds - clock())

    async def sweep(self) -> int:
        """Take up what is due, as much of it as our pace allows until the next sweep, and answer how much that was."""
        due = await self._due()
        now = self.settling.now()
        # A bulk is due for as long as it is worked through, or waits for capacity: that is no delay of ours.
        waiting = {key: due_at for key, due_at in due.items() if key.kind != "bulk"}
        self.metrics.measure(SWEEP_OVERDUE, now - min(waiting.values(), default=now))
        bulks = [key for key in due if key.kind == "bulk"]
        if len(waiting) > self._most_of_a_sweep:
            self.call_the_roll()
        paces = Pace.even(max(self.pace.per_second * _LEAST_PACE, len(waiting) / self.every_seconds)), self.pace
        free = asyncio.Semaphore(_AT_ONCE)
        picked = [*bulks, *self._picked(waiting)]
        # Where AWS throttles, what was not reached by then is still due, and the next sweep sees what is due besides.
        over_at = asyncio.get_running_loop().time() + self.every_seconds
        return sum(await asyncio.gather(*(self._in_turn(free, paces, key, over_at) for key in picked)))

    async def _due(self) -> dict[RecordKey, float]:
        due: dict[RecordKey, float] = {}
        for shard in range(SHARDS):
            due |= await self.table.due(shard, self.settling.now(), _JOBS_A_LOOK)
        return due

    @property
    def _most_of_a_sweep(self) -> int:
        """Of more than a look shows, nobody could say that there are more."""
        return max(1, min(int(self.pace.per_second * self.every_seconds), _JOBS_A_LOOK * SHARDS // 2))

    def _picked(self, due: Iterable[RecordKey]) -> list[RecordKey]:
        """Those to take up now, in an order of our own: another worker, which sees the same, begins with others."""
        return own_order(self.settling.new_work(), due)[: self._most_of_a_sweep]

    async def _in_turn(self, free: asyncio.Semaphore, paces: Sequence[Pace], key: RecordKey, over_at: float) -> bool:
        """One job, at our pace: one with a large log must not hold up the others, nor one that fails."""
        clock = asyncio.get_running_loop().time
        async with free:
            for pace in paces:
                while not self.stopping.is_set() and clock() < over_at and (seconds := pace.try_to_take()):
                    await told_to_stop(self.stopping, seconds)
            if self.stopping.is_set() or clock() >= over_at:
                return False
            taking_up = asyncio.ensure_future(self._take_up(key))
            failed = await failure_of(taking_up, "sweep_failed", **key.log_fields)
        if failed is not None:
            self.metrics.count(SWEEP_FAILURES)
        return failed is None and taking_up.result()

    async def _take_up(self, key: RecordKey) -> bool:
        """Settle a job, unless another replica has it or nothing is left to do; hand on a bulk."""
        if key.kind == "bulk":
            self.take_bulk(key)
            return True
        me = self.settling.new_work()
        claim = Claimed(record_key=key, what=SWEEP, owner=me, at=self.settling.now(), seconds=self.claim_seconds)
        job = await self.table.merge(claim)
        held = job.claim(SWEEP)
        if held is None or held.owner != me:
            return False
        if job.announced is not None and not _is_to_go_on(job):
            await self.table.close(job)
            return False
        self.metrics.count(SWEEP_FOUND)
        log.info("job_swept", **key.log_fields, status=job.execution.status if job.execution else None)
        piece = self.liveness.took()
        try:
            job = await self.settling.settle(job, me)
        finally:
            self.liveness.let_go(piece)
        if job.execution is not None and not job.execution.ended:
            await self.table.leave_alone(job, claim)
        return True


def _is_to_go_on(job: Record) -> bool:
    """Whether an announced job is owed what somebody asked for, as a redrive that AWS failed to make.

    Nobody else may come for it: its message was deleted, or it was asked for of many at once.
    """
    return any(steering(job, may_start=False))
