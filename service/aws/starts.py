"""Step Functions: the pace of StartExecution in this process, and how many starts ECS has still to take on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.core.diagnosis.diagnosis import is_account_wide
from service.core.pace import Bucket
from service.core.record.record import Record
from service.core.window import ANSWER_SECONDS, Window


@dataclass
class Starts:
    """Whose turn it is to start an execution. Everything here is in the time of the running event loop."""

    bucket: Bucket
    window: Window = field(default_factory=Window)
    _outstanding: dict[str, _Outstanding] = field(default_factory=dict)

    def has_capacity(self) -> bool:
        """Whether an execution may be started now."""
        self._forget_the_answered()
        return self.bucket.has_token(_now()) and self.window.has_room(len(self._outstanding))

    async def turn(self, job_id: str) -> None:
        """Wait for a turn; first come, first served."""
        self.bucket, seconds = self.bucket.take(_now())
        self._outstanding[job_id] = _Outstanding(_now() + seconds + ANSWER_SECONDS)
        if seconds:
            await asyncio.sleep(seconds)

    def throttled(self) -> None:
        """Step Functions would start no more: give way."""
        self.bucket = self.bucket.throttled(_now())

    def heard_of(self, job: Record, now: float) -> None:
        """Learn from a record what ECS does with a start, be it of this worker or of another; `now` as records have it.

        Whoever hears of a refusal looks after that wait, until its next try is over. A refusal for want of a host, of
        Spot or of addresses says nothing of other images, so for the account that start is taken on.
        """
        waits = job.waiting
        if waits is not None and is_account_wide(waits.failure_class):
            left = max(0.0, waits.at + waits.wait_seconds - now)
            self._outstanding[job.job_id] = _Outstanding(_now() + left + ANSWER_SECONDS, refused=True)
            self.window = self.window.refused(waits.tries, _now())
        elif job.execution and job.execution.ended:
            self._outstanding.pop(job.job_id, None)  # Perhaps aborted while it waited, which tells nothing of ECS.
        elif waits is not None or job.tasks:
            self._is_taken_on(job.job_id)

    def _is_taken_on(self, job_id: str) -> None:
        """Once for each start: what is heard of the job later is no news."""
        before = len(self._outstanding)
        if self._outstanding.pop(job_id, None):
            self.window = self.window.taken(1, before)

    def _forget_the_answered(self) -> None:
        """Those of which nothing more was heard in time are taken on, as far as we know."""
        now, before = _now(), len(self._outstanding)
        over = {job_id: item for job_id, item in self._outstanding.items() if item.until <= now}
        if over:
            self._outstanding = {job_id: item for job_id, item in self._outstanding.items() if job_id not in over}
        if taken_on := sum(not item.refused for item in over.values()):
            self.window = self.window.taken(taken_on, before)  # All starts of a moment are answered in one, too.
        elif not self._outstanding:
            self.window = Window()  # Nobody waits any more: what was learnt is over.


@dataclass(frozen=True, slots=True)
class _Outstanding:
    """A start, or a wait, of which a refusal would be heard until then."""

    until: float
    refused: bool = False


def _now() -> float:
    return asyncio.get_running_loop().time()
