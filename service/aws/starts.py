"""Step Functions: the pace of StartExecution in this process, and how many starts ECS has still to take on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.aws.outstanding import Outstanding
from service.aws.pace import Pace
from service.core.diagnosis.diagnosis import is_account_wide
from service.core.record.record import Record
from service.core.window import ANSWER_SECONDS, LEAST_SIZE, Window


@dataclass
class Starts:
    """Whose turn it is to start an execution. Everything here is in the time of the running event loop."""

    pace: Pace
    account: Outstanding = field(default_factory=Outstanding)
    _by_image: dict[str, Outstanding] = field(default_factory=dict)

    def has_capacity(self) -> bool:
        """Whether an execution may be started now, of whatever image."""
        # All starts of a moment are answered in one, too, and that is worth knowing for the next ones.
        if not self.account.forget_the_answered() and self.account.is_empty():
            self.account = Outstanding()  # Nobody waits any more: what was learnt is over.
        return self.account.has_room() and self.pace.is_free()

    def may_start(self, job_id: str, image: str) -> bool:
        """Whether this job may be started now, as far as its image is concerned. Then it is, and counts as one more."""
        of_image = self._waiting_for(image)
        if of_image is None:
            return True
        if not of_image.has_room():
            return False
        of_image.started(job_id, ANSWER_SECONDS)
        return True

    async def turn(self, job_id: str) -> None:
        """Wait for a turn; first come, first served."""
        seconds = self.pace.take()
        self.account.started(job_id, seconds + ANSWER_SECONDS)
        if seconds:
            await asyncio.sleep(seconds)

    def heard_of(self, job: Record, now: float) -> None:
        """Learn from a record what ECS does with a start, be it of this worker or of another; `now` as records have it.

        Whoever hears of a refusal looks after that wait, until its next try is over. A refusal for want of a host, of
        Spot or of addresses says nothing of other images, so for the account that start is taken on.
        """
        waits, job_id = job.waiting, job.job_id
        if waits is not None:
            left = max(0.0, waits.at + waits.wait_seconds - now) + ANSWER_SECONDS
            if is_account_wide(waits.failure_class):
                self.account.refused(job_id, waits.tries, left)
                self._over(job_id)
            else:
                self.account.taken(job_id)
                self._of_image(waits.image).refused(job_id, waits.tries, left)
        elif job.execution and job.execution.ended:
            self.account.over(job_id)  # Perhaps aborted while it waited.
            self._over(job_id)
        elif job.tasks:
            self.account.taken(job_id)
            for of_image in self._by_image.values():
                of_image.taken(job_id)

    def _over(self, job_id: str) -> None:
        for of_image in self._by_image.values():
            of_image.over(job_id)

    def _of_image(self, image: str) -> Outstanding:
        return self._by_image.setdefault(image, Outstanding(Window(LEAST_SIZE, steady=True)))

    def _waiting_for(self, image: str) -> Outstanding | None:
        """The window of an image of which any job waits; what was learnt of another one is over."""
        of_image = self._by_image.get(image)
        if of_image is None or of_image.any_waits():
            return of_image
        del self._by_image[image]
        return None
