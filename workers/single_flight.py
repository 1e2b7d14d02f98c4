"""One pass a job at a time: a job of many stages has many events, and what they owe together is done together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field

from service.aws.errors import AwsError
from service.core.record.keys import RecordKey
from service.core.record.record import Record

Settle = Callable[[Record, str], Awaitable[Record]]
Read = Callable[[RecordKey], Awaitable[Record]]
Keep = Callable[[Record, str], AbstractAsyncContextManager[None]]


def _keeps_nothing(_job: Record, _me: str) -> AbstractAsyncContextManager[None]:
    """For passes that nobody claims anything for."""
    return nullcontext()


@dataclass
class _Came:
    """Who came, with the record as it was then, and what keeps theirs what they have claimed."""

    job: Record
    me: str
    kept: AsyncExitStack


@dataclass
class _Flight:
    """A job that is being settled: who came meanwhile, and all that is kept theirs."""

    kept: AsyncExitStack
    came: list[_Came] = field(default_factory=list)

    def take_all(self) -> tuple[_Came, ...]:
        """All who came until now."""
        others, self.came[:] = tuple(self.came), ()
        return others


@dataclass
class SingleFlight:
    """The jobs that this process is settling. Whoever comes meanwhile has its fact in the record, and need not wait.

    Nothing is lost by that: if the pass under way dies, its own message comes again, and a pass does all that is owed.
    Who has claimed work with its fact is given a pass under its own name, also where the one before it failed, and its
    claim is renewed until then, and no longer: a pass that fails lets go of it, and a renewal would take it back. The
    others share one.
    """

    settle_record: Settle
    read: Read
    keep: Keep = _keeps_nothing
    _flights: dict[RecordKey, _Flight] = field(default_factory=dict)

    async def settle(self, job: Record, me: str) -> None:
        """Do all that is owed to a job, or leave it to the pass under way, which will look at the record again."""
        flight = self._flights.get(job.key)
        if flight is not None:
            kept = AsyncExitStack()
            flight.came.append(_Came(job, me, kept))
            # These wait for nothing, so the flight is not over before they are done.
            await flight.kept.enter_async_context(kept)
            await kept.enter_async_context(self.keep(job, me))
            return
        async with AsyncExitStack() as kept:
            flight = self._flights[job.key] = _Flight(kept)
            try:
                await self._fly(flight, job, me)
            finally:
                del self._flights[job.key]

    async def _fly(self, flight: _Flight, job: Record, me: str) -> None:
        failed: AwsError | None = None
        settled = job
        turns: tuple[_Came, ...] = (_Came(job, me, AsyncExitStack()),)
        while turns:
            for turn in turns:
                await turn.kept.aclose()  # A pass keeps what is its own.
                try:
                    settled = await self.settle_record(settled.joined(turn.job), turn.me)
                except AwsError as error:
                    failed = failed or error
            others = flight.take_all()
            # A write of the pass answered with what the others had written before: there is nothing new to read.
            known = all(_knows(settled, other.job) for other in others)
            settled = settled if known else await self.read(job.key)
            turns = _claimants(others) or (_one_of(others) if failed is None else ())
        if failed is not None:
            raise failed


def _claimants(others: tuple[_Came, ...]) -> tuple[_Came, ...]:
    """All that have claimed something."""
    return tuple(other for other in others if other.job.claims_of(other.me))


def _one_of(others: tuple[_Came, ...]) -> tuple[_Came, ...]:
    """One for all; after a pass that failed, whose message comes again, there is no need for it."""
    return others[:1]


def _knows(record: Record, other: Record) -> bool:
    """Whether a record holds all that another one does, or knows better."""
    held = record.registers
    return all(name in held and held[name].rank >= fact.rank for name, fact in other.registers.items())
