"""A redrive of which no event told: now and then, ask Step Functions what was redriven.

An announced job is in nobody's index, and may be redriven for fourteen days. Looking after each of them for so long
would cost more than the jobs did; one call lists all redrives, whatever the number of jobs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from service.aws.errors import AwsError
from service.aws.executions import Executions, TooManyRedrivesError
from service.aws.jobs_table import JobsTable
from service.aws.turns import Turns
from service.core.record.facts import ExecutionChanged
from service.core.record.hearing import hear_execution
from service.metrics import SWEEP_FAILURES, Meter
from workers.guard import failure_of
from workers.stopping import told_to_stop

log = structlog.stdlib.get_logger()

_WHAT = "redrives"
# "FAILED, ABORTED and TIMED_OUT executions, within 14 days" [botocore, RedriveExecution].
_REDRIVABLE_SECONDS = 14 * 86_400
# ListExecutions is eventually consistent [botocore]; no longer delay than this was found.
_LATE_SECONDS = 600


@dataclass(frozen=True)
class Redrives:
    """Looks for redrives until told to stop. One replica looks for all."""

    executions: Executions
    table: JobsTable
    turns: Turns
    every_seconds: float
    stopping: asyncio.Event
    metrics: Meter

    async def run(self) -> None:
        """Look at an interval. What one look missed, the next one finds: it goes back to the last that was whole."""
        while not self.stopping.is_set():
            try:
                await self.look()
            except AwsError as error:
                self.metrics.count(SWEEP_FAILURES)
                log.warning("redrives_not_listed", error=type(error).__name__, why=str(error)[:200])
            await told_to_stop(self.stopping, self.every_seconds)

    async def look(self) -> int:
        """Tell the records of all that was redriven since the last look, and answer how much that was.

        A record that did not know of its redrive is open again, and soon due: the rest is the sweeper's.
        """
        turn = await self.turns.take(_WHAT, self.every_seconds)
        if turn is None:
            return 0
        since = turn.last_began_at or turn.began_at - _REDRIVABLE_SECONDS
        found = 0
        try:
            async for detail in self.executions.redriven(since - _LATE_SECONDS):
                heard = hear_execution(detail, self.executions.state_machine_arn, "sweep", partial=True)
                if isinstance(heard, ExecutionChanged):
                    found += await self._tell(heard)
        except TooManyRedrivesError as error:
            # The latest were told. To look through as many again each time would find no more.
            log.warning("redrives_not_all_listed", why=str(error))
        await self.turns.done(turn)
        return found

    async def _tell(self, heard: ExecutionChanged) -> bool:
        """Tell one record. One that cannot be read, as a newer worker's may be, must not hold up the others."""
        failed = await failure_of(self.table.merge(heard), "redrive_not_told", job_id=heard.job_id)
        if failed is not None:
            self.metrics.count(SWEEP_FAILURES)
        return failed is None
