"""One pass a job at a time: a job of many stages has many events, and what they owe together is done together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.core.record.keys import RecordKey
from service.core.record.record import Record

Settle = Callable[[Record, str], Awaitable[Record]]
Read = Callable[[RecordKey], Awaitable[Record]]


@dataclass
class SingleFlight:
    """The jobs that this process is settling. Whoever comes meanwhile has its fact in the record, and need not wait.

    Nothing is lost by that: if the pass under way dies, its own message comes again, and a pass does all that is owed.
    Who has claimed work with its fact is given a pass under its own name; the others share one.
    """

    settle_record: Settle
    read: Read
    _came_meanwhile: dict[RecordKey, list[tuple[Record, str]]] = field(default_factory=dict)

    async def settle(self, job: Record, me: str) -> None:
        """Do all that is owed to a job, or leave it to the pass under way, which will look at the record again."""
        if job.key in self._came_meanwhile:
            self._came_meanwhile[job.key].append((job, me))
            return
        came = self._came_meanwhile[job.key] = []
        try:
            settled = await self.settle_record(job, me)
            while came:
                others, came[:] = tuple(came), ()
                # A write of the pass answered with what the others had written before: there is nothing new to read.
                known = all(_knows(settled, other) for other, _ in others)
                settled = settled if known else await self.read(job.key)
                for name in _names(others):
                    settled = await self.settle_record(settled, name)
        finally:
            del self._came_meanwhile[job.key]


def _names(others: tuple[tuple[Record, str], ...]) -> tuple[str, ...]:
    """Who is given a pass: all that have claimed something; if none has, one for all."""
    claimants = tuple(me for job, me in others if job.claims_of(me))
    return claimants or (others[0][1],)


def _knows(record: Record, other: Record) -> bool:
    """Whether a record holds all that another one does, or knows better."""
    held = record.registers
    return all(name in held and held[name].rank >= fact.rank for name, fact in other.registers.items())
