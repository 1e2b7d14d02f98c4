"""One pass a job at a time: a job of many stages has many events, and what they owe together is done together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.core.record.keys import RecordKey
from service.core.record.record import Record

Settle = Callable[[Record], Awaitable[object]]
Read = Callable[[RecordKey], Awaitable[Record]]


@dataclass
class SingleFlight:
    """The jobs that this process is settling. Whoever comes meanwhile has its fact in the record, and need not wait.

    Nothing is lost by that: if the pass under way dies, its own message comes again, and a pass does all that is owed.
    """

    settle_record: Settle
    read: Read
    _look_again: dict[RecordKey, bool] = field(default_factory=dict)

    async def settle(self, job: Record) -> None:
        """Do all that is owed to a job, or leave it to the pass under way, which will look at the record again."""
        if job.key in self._look_again:
            self._look_again[job.key] = True
            return
        self._look_again[job.key] = False
        try:
            await self.settle_record(job)
            while self._look_again[job.key]:
                self._look_again[job.key] = False
                await self.settle_record(await self.read(job.key))
        finally:
            del self._look_again[job.key]
