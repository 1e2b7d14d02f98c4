"""One pass a job at a time: nothing is settled twice at once, and nothing that came meanwhile is overlooked."""

from __future__ import annotations

import asyncio

import pytest

from service.core.record.keys import RecordKey
from service.core.record.record import Record
from workers.single_flight import SingleFlight


class Passes:
    """Notes each pass, and lets it go on when told."""

    def __init__(self) -> None:
        self.begun: list[Record] = []
        self.go_on = asyncio.Event()

    async def settle(self, job: Record) -> None:
        self.begun.append(job)
        await self.go_on.wait()

    async def read(self, key: RecordKey) -> Record:
        return Record(key)


async def test_who_comes_during_a_pass_does_not_wait_and_is_looked_after() -> None:
    """Two events during a pass make one more pass, over the record as it is then."""
    passes = Passes()
    single_flight = SingleFlight(passes.settle, passes.read)
    first = asyncio.create_task(single_flight.settle(Record.of_job("job")))
    await asyncio.sleep(0)
    await single_flight.settle(Record.of_job("job"))
    await single_flight.settle(Record.of_job("job"))
    assert len(passes.begun) == 1
    passes.go_on.set()
    await first
    assert len(passes.begun) == 2


async def test_jobs_do_not_wait_for_one_another() -> None:
    """Another job's pass begins at once."""
    passes = Passes()
    single_flight = SingleFlight(passes.settle, passes.read)
    both = [asyncio.create_task(single_flight.settle(Record.of_job(name))) for name in ("one", "two")]
    await asyncio.sleep(0)
    assert [job.job_id for job in passes.begun] == ["one", "two"]
    passes.go_on.set()
    await asyncio.gather(*both)


async def test_after_a_pass_that_failed_the_next_one_begins_anew() -> None:
    """A failure is the message's own affair; the job is not in hand any more."""
    passes = Passes()

    async def fails(_: Record) -> None:
        raise OSError("the network is down")

    single_flight = SingleFlight(fails, passes.read)
    with pytest.raises(OSError, match="down"):
        await single_flight.settle(Record.of_job("job"))
    single_flight.settle_record = passes.settle
    passes.go_on.set()
    await single_flight.settle(Record.of_job("job"))
    assert len(passes.begun) == 1
