"""One pass a job at a time: nothing is settled twice at once, and nothing that came meanwhile is overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.aws.errors import AwsError
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from tests.support.builders import NOW, claim, record, requested
from tests.support.job_facts import KEY, execution, task
from workers.single_flight import SingleFlight


class Passes:
    """Notes each pass, and lets it go on when told; it ends with what `learns` is of the job by then."""

    def __init__(self, learns: Record | None = None) -> None:
        self.begun: list[Record] = []
        self.reads: list[RecordKey] = []
        self.go_on = asyncio.Event()
        self._learns = learns

    async def settle(self, job: Record, me: str) -> Record:
        self.begun.append(job)
        await self.go_on.wait()
        return self._learns or job

    async def read(self, key: RecordKey) -> Record:
        self.reads.append(key)
        return Record(key)


async def test_who_comes_during_a_pass_does_not_wait_and_is_looked_after() -> None:
    """Two events during a pass make one more pass, over the record as it is then."""
    passes = Passes()
    single_flight = SingleFlight(passes.settle, passes.read)
    first = asyncio.create_task(single_flight.settle(Record.of_job("job"), "me"))
    await asyncio.sleep(0)
    await single_flight.settle(Record.of_job("job"), "me")
    await single_flight.settle(Record.of_job("job"), "me")
    assert len(passes.begun) == 1
    passes.go_on.set()
    await first
    assert len(passes.begun) == 2


STOPPED, ENDED = task(5, "STOPPED"), execution("SUCCEEDED")
BEGUN = Record(KEY, {STOPPED.register_name: STOPPED})
CAME = Record(KEY, {STOPPED.register_name: STOPPED, ENDED.register_name: ENDED})
LEARNT = {
    "all, by a later write": (CAME, 0),
    "more than that": (Record(KEY, {**CAME.registers, "task#0123456789abcdef": task(6, "STOPPED")}), 0),
    "not the end": (BEGUN, 1),
    "an earlier word of it": (Record(KEY, {**CAME.registers, ENDED.register_name: execution("RUNNING")}), 1),
}


@pytest.mark.parametrize(("learnt", "reads"), LEARNT.values(), ids=LEARNT)
async def test_only_what_the_pass_has_not_learnt_is_read(learnt: Record, reads: int) -> None:
    """A write answers with the whole record, and so with what others wrote before it."""
    passes = Passes(learnt)
    single_flight = SingleFlight(passes.settle, passes.read)
    first = asyncio.create_task(single_flight.settle(BEGUN, "me"))
    await asyncio.sleep(0)
    await single_flight.settle(CAME, "me")
    passes.go_on.set()
    await first
    assert len(passes.reads) == reads
    assert passes.begun == [BEGUN, Record(KEY) if reads else learnt]


async def test_jobs_do_not_wait_for_one_another() -> None:
    """Another job's pass begins at once."""
    passes = Passes()
    single_flight = SingleFlight(passes.settle, passes.read)
    both = [asyncio.create_task(single_flight.settle(Record.of_job(name), "me")) for name in ("one", "two")]
    await asyncio.sleep(0)
    assert [job.job_id for job in passes.begun] == ["one", "two"]
    passes.go_on.set()
    await asyncio.gather(*both)


async def test_after_a_pass_that_failed_the_next_one_begins_anew() -> None:
    """A failure is the message's own affair; the job is not in hand any more."""
    passes = Passes()

    async def fails(_: Record, _me: str) -> Record:
        raise OSError("the network is down")

    single_flight = SingleFlight(fails, passes.read)
    with pytest.raises(OSError, match="down"):
        await single_flight.settle(Record.of_job("job"), "me")
    single_flight.settle_record = passes.settle
    passes.go_on.set()
    await single_flight.settle(Record.of_job("job"), "me")
    assert len(passes.begun) == 1


async def test_who_claimed_work_with_its_fact_is_given_a_pass_of_its_own_name() -> None:
    """Another name would find the work claimed, and nobody would do it before the claim expires."""
    names: list[str] = []
    go_on = asyncio.Event()

    async def settle(job: Record, me: str) -> Record:
        names.append(me)
        await go_on.wait()
        return job

    single_flight = SingleFlight(settle, Passes().read)
    first = asyncio.create_task(single_flight.settle(Record.of_job("job"), "first"))
    await asyncio.sleep(0)
    claimed = record(requested(job_id="job"), claim("archive#t1", "claimant", NOW, of=RecordKey.of_job("job")))
    for job, me in ((Record.of_job("job"), "second"), (claimed, "claimant"), (Record.of_job("job"), "third")):
        await single_flight.settle(job, me)
    go_on.set()
    await first
    assert names == ["first", "claimant"]


class Failing:
    """Fails the first pass, when it is told to go on."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.go_on = asyncio.Event()

    async def settle(self, job: Record, me: str) -> Record:
        self.names.append(me)
        await self.go_on.wait()
        if me == "first":
            raise AwsError("no answer")
        return job

    async def read(self, key: RecordKey) -> Record:
        return Record(key)


async def test_who_has_claimed_something_is_given_a_pass_also_after_one_that_failed() -> None:
    """Its message is deleted, and for as long as its claim holds nobody else would do that work."""
    passes = Failing()
    single_flight = SingleFlight(passes.settle, passes.read)
    first = asyncio.create_task(single_flight.settle(record(), "first"))
    await asyncio.sleep(0)
    theirs = claim("archive#t1", owner="claimant")
    await single_flight.settle(record(requested(), theirs), "claimant")
    await single_flight.settle(record(), "another")
    passes.go_on.set()
    with pytest.raises(AwsError, match="no answer"):
        await first
    assert passes.names == ["first", "claimant"]


async def test_what_who_waits_has_claimed_is_kept_until_its_own_pass() -> None:
    """The pass under way may archive a log for longer than a claim holds. One that fails lets go of what it claimed,
    which a renewal beside it would take back: for a minute nobody would do that work.
    """
    kept: list[str] = []
    kept_during: dict[str, list[str]] = {}
    go_on = asyncio.Event()

    @asynccontextmanager
    async def keep(_job: Record, me: str) -> AsyncIterator[None]:
        kept.append(me)
        try:
            yield
        finally:
            kept.remove(me)

    async def settle(_job: Record, me: str) -> Record:
        await go_on.wait()
        kept_during[me] = list(kept)
        raise AwsError("no answer")

    single_flight = SingleFlight(settle, Passes().read, keep)
    first = asyncio.create_task(single_flight.settle(record(), "first"))
    await asyncio.sleep(0)
    for name in ("second", "third"):
        await single_flight.settle(record(requested(), claim(f"archive#{name}", name)), name)
    go_on.set()
    with pytest.raises(AwsError, match="no answer"):
        await first
    assert kept_during == {"first": ["second", "third"], "second": ["third"], "third": []}
    assert not kept
