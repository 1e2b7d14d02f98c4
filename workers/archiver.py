"""The loop of the logs: each is archived once it is due, and then its job is settled further."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from service.core.policy.log_work import LogWork, retry_after
from service.core.record.keys import RecordKey
from service.logs.due import DueLogs
from service.metrics import SETTLE_FAILURES, Meter
from service.settle import Settling
from workers.guard import failure_of
from workers.liveness import Liveness
from workers.single_flight import SingleFlight
from workers.stopping import told_to_stop


@dataclass(frozen=True)
class Archiver:
    """Archives what is due, many logs side by side; how fast they are read, the archive's own paces decide.

    One that fails is let go of, so that whoever settles the job next tries again: we do, after as long as there have
    been tries, and the sweeper, should we be told to stop, or fail at that too.
    """

    due: DueLogs
    settling: Settling
    single_flight: SingleFlight
    new_work: Callable[[], str]
    liveness: Liveness
    metrics: Meter
    stopping: asyncio.Event

    async def run(self) -> None:
        """Until no more can come, and all that came is archived."""
        async with asyncio.TaskGroup() as archiving:
            while (work := await self.due.next()) is not None:
                archiving.create_task(self._in_hand(work))

    async def _in_hand(self, work: LogWork) -> None:
        piece = self.liveness.took()
        try:
            error = await failure_of(self._finish(work), "archive_failed", **work.job.key.log_fields)
        finally:
            self.liveness.let_go(piece)
        if error is not None:
            self.metrics.count(SETTLE_FAILURES)
            await told_to_stop(self.stopping, retry_after(work, self.settling.now()))
            if not self.stopping.is_set():
                await failure_of(self._settle_anew(work.job.key), "settle_failed", **work.job.key.log_fields)

    async def _settle_anew(self, key: RecordKey) -> None:
        await self.single_flight.settle(await self.settling.jobs.read_whole(key), self.new_work())

    async def _finish(self, work: LogWork) -> None:
        """Outside the job's pass, so that nothing else of the job waits for its log. What is owed then has a new name:
        the old one may hold a claim of the sweeper's, and would ask all of its questions again.
        """
        heir = self.new_work()
        try:
            job = await self.settling.archive(work, heir)
        finally:
            self.due.done()
        await self.single_flight.settle(job, heir)
