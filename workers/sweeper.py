"""The fact that time has passed: find open jobs that nothing was heard of, and settle them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiolimiter import AsyncLimiter
from botocore.exceptions import BotoCoreError, ClientError

from service.aws.jobs_table import SHARDS, JobsTable
from service.core.facts import Claimed
from service.core.owed import SWEEP
from service.settle import Settling
from workers.guard import failure_of

log = structlog.stdlib.get_logger()

_JOBS_A_LOOK = 100


@dataclass(frozen=True)
class Sweeper:
    """Looks for silent jobs until told to stop. Replicas share the work by claiming each job that they take up."""

    table: JobsTable
    settling: Settling
    pace: AsyncLimiter
    every_seconds: float
    claim_seconds: float
    stopping: asyncio.Event

    async def run(self) -> None:
        """Sweep at an interval. A sweep that fails is tried again at the next: the jobs are still there."""
        while not self.stopping.is_set():
            try:
                await self.sweep()
            except (ClientError, BotoCoreError, OSError) as error:
                log.warning("sweep_failed", error=type(error).__name__, why=str(error)[:200])
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), self.every_seconds)

    async def sweep(self) -> int:
        """Take up every job that is due, and answer how many those were."""
        taken = 0
        for shard in range(SHARDS):
            for job_id in await self.table.due(shard, self.settling.now(), _JOBS_A_LOOK):
                if self.stopping.is_set():
                    return taken
                async with self.pace:
                    taken += await self._take_up(job_id)
        return taken

    async def _take_up(self, job_id: str) -> bool:
        me = self.settling.new_work()
        claim = Claimed(job_id=job_id, what=SWEEP, owner=me, at=self.settling.now(), seconds=self.claim_seconds)
        job = await self.table.merge(claim)
        held = job.claim(SWEEP)
        if held is None or held.owner != me:
            return False
        if job.announced is not None:
            await self.table.close(job)
            return False
        log.info("job_swept", job_id=job_id, status=job.execution.status if job.execution else None)
        return await failure_of(self.settling.settle(job, me), "sweep_failed", job_id=job_id) is None
