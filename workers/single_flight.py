"""One pass a job at a time: a job of many stages has many events, and what they owe together is done together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.core.record.keys import RecordKey
from service.core.record.record import Record

Settle = Callable[[Record], Awaitable[Record]]
Read = Callable[[RecordKey], Awaitable[Record]]


@dataclass
class SingleFlight:
    """The jobs that this process is settling. Whoever comes meanwhile has its fact in the record, and need not wait.

    Nothing is lost by that: if the pass under way dies, its own message comes again, and a pass does all that is owed.
    """

    settle_record: Settle
    read: Read
    _came_meanwhile: dict[RecordKey, list[Record]] = field(default_factory=dict)

    async def settle(self, job: Record) -> None:
        """Do all that is owed to a job, or leave it to the pass under way, which will look at the record again."""
        if job.key in self._came_meanwhile:
            self._came_meanwhile[job.key].append(job)
            return
        came = self._came_meanwhile[job.key] = []
        try:
            settled = await self.settle_record(job)
            while came:
                known = all(_knows(settled, other) for other in came)
                came.clear()
                # A write of the pass answered with what the others had written before: there is nothing new to read.
                settled = await self.settle_record(settled if known else await self.read(job.key))
        finally:
            del self._came_meanwhile[job.key]


def _knows(record: Record, other: Record) -> bool:
    """Whether a record holds all that another one does, or knows better."""
    held = record.registers
    return all(name in held and held[name].rank >= fact.rank for name, fact in other.registers.items())
