"""Which jobs a sweep takes up: those alone that this sweep has claimed, and no record that has vanished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from service.aws.pace import Pace
from service.core.policy.owed import SWEEP
from service.core.record.facts import Claimed
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.metrics import SWEEP_FAILURES, SWEEP_FOUND, Metrics
from service.settle import Settling
from tests.support.builders import JOB, KEY, NOW, announced, claim, record, requested, succeeded
from tests.support.loop import VirtualLoop
from tests.support.virtual_worker import on_virtual_time
from tests.support.waiting import eventually
from workers.liveness import Liveness
from workers.sweeper import Sweeper

LATE = NOW + 1000


@dataclass
class Table:
    """Says that jobs are due, and hears claims. A record that is none of these has been deleted by its TTL."""

    records: dict[RecordKey, Record]
    due_jobs: tuple[RecordKey, ...] = (KEY,)
    closed: list[str] = field(default_factory=list)

    async def due(self, shard: int, now: float, limit: int) -> dict[RecordKey, float]:
        return dict.fromkeys(self.due_jobs, NOW) if shard == 0 else {}

    async def merge(self, fact: Claimed) -> Record:
        if fact.record_key not in self.records:
            return Record(fact.record_key)
        self.records[fact.record_key] = merge(self.records[fact.record_key], fact)
        return self.records[fact.record_key]

    async def close(self, job: Record) -> None:
        self.closed.append(job.job_id)


@dataclass
class Settled:
    """Notes who is settled under which name."""

    me: str = "me"
    jobs: list[tuple[str, str]] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def now(self) -> float:
        return LATE

    def new_work(self) -> str:
        return self.me

    async def settle(self, job: Record, me: str) -> Record:
        self.jobs.append((job.job_id, me))
        self.during()
        return job


def sweeper(table: Table, settled: Settled, metrics: Metrics | None = None) -> Sweeper:
    """A sweeper of this table."""
    pace = Pace.even(10_000)
    settling = cast(Settling, settled)
    liveness = Liveness(settled.now)
    return Sweeper(
        cast(Any, table),
        settling,
        pace,
        30,
        60,
        asyncio.Event(),
        liveness,
        metrics or Metrics(),
        lambda _: None,
        lambda: None,
    )


async def test_a_silent_job_is_claimed_and_settled_under_the_claims_name() -> None:
    """So that the questions of a sweep are owed to this piece of work alone."""
    table, settled, metrics = Table({KEY: record(requested())}), Settled(), Metrics()
    assert await sweeper(table, settled, metrics).sweep() == 1
    assert settled.jobs == [(JOB, "me")]
    held = table.records[KEY].claim(SWEEP)
    assert held is not None
    assert (held.owner, held.at, held.seconds) == ("me", LATE, 60)
    assert metrics.drain(0)[SWEEP_FOUND] == 1


async def test_a_record_that_vanished_ends_no_sweep() -> None:
    """The index is behind the table, and a TTL deletes when it likes: the neighbour is swept all the same."""
    table, settled, metrics = (
        Table({KEY: record(requested())}, (RecordKey.of_job("vanished"), KEY)),
        Settled(),
        Metrics(),
    )
    assert await sweeper(table, settled, metrics).sweep() == 1
    assert settled.jobs == [(JOB, "me")]
    drained = metrics.drain(0)
    assert (drained[SWEEP_FOUND], drained[SWEEP_FAILURES]) == (1, 0)


async def test_a_job_that_another_replica_has_claimed_is_left_to_it() -> None:
    """All of them see the same index; the claim says whose job it is."""
    table, settled, metrics = Table({KEY: record(requested(), claim(SWEEP, "another", LATE))}), Settled(), Metrics()
    assert await sweeper(table, settled, metrics).sweep() == 0
    assert settled.jobs == []
    assert metrics.drain(0)[SWEEP_FOUND] == 0


@pytest.mark.parametrize("replicas", [2, 5])
async def test_of_many_replicas_that_sweep_at_once_one_takes_up_a_job(replicas: int) -> None:
    """However many look at the same moment."""
    table = Table({KEY: record(requested())})
    all_settled = [Settled(f"replica-{number}") for number in range(replicas)]
    taken = await asyncio.gather(*(sweeper(table, settled).sweep() for settled in all_settled))
    assert sum(taken) == 1
    assert [settled.jobs for settled in all_settled if settled.jobs] == [[(JOB, all_settled[taken.index(1)].me)]]


async def test_a_job_that_was_announced_is_closed_and_not_settled() -> None:
    """Late news had opened it again."""
    table, settled = Table({KEY: succeeded(announced())}), Settled()
    assert await sweeper(table, settled).sweep() == 0
    assert (table.closed, settled.jobs) == ([JOB], [])


async def test_a_sweep_that_was_told_to_stop_takes_up_nothing_more() -> None:
    """What it leaves is due still, and another replica's."""
    table, settled = Table({KEY: record(requested())}), Settled()
    stopped = sweeper(table, settled)
    stopped.stopping.set()
    assert await stopped.sweep() == 0
    assert settled.jobs == []
    assert table.records[KEY].claim(SWEEP) is None


async def test_a_job_that_is_swept_is_work_in_hand_until_it_is_settled() -> None:
    """So that scale-in leaves a sweeper that reads a long log in peace, and no longer; also where it fails."""
    held: list[int] = []

    def fails() -> None:
        held.append(sweeping.liveness.holding)
        raise ValueError("a bug")

    settled = Settled(during=lambda: held.append(sweeping.liveness.holding))
    sweeping = sweeper(Table({KEY: record(requested())}), settled)
    await sweeping.sweep()
    assert (held, sweeping.liveness.holding) == ([1], 0)
    settled.during = fails
    sweeping.table.records = {KEY: record(requested())}  # type: ignore[attr-defined]  # the table of this file
    await sweeping.sweep()
    assert (held, sweeping.liveness.holding) == ([1, 1], 0)


@dataclass
class Counted(Pace):
    """Counts who goes at its pace, and when."""

    at: list[float] = field(default_factory=list)

    def try_to_take(self) -> float:
        self.at.append(asyncio.get_running_loop().time())
        return 0.0


def counted(most: float) -> Counted:
    """Of so many turns a second at the most."""
    return Counted(Pace.even(most).bucket)


def many(number: int) -> Table:
    """So many jobs that are due."""
    keys = tuple(RecordKey.of_job(f"job-{number}") for number in range(number))
    return Table({key: record(requested(job_id=key.id)) for key in keys}, keys)


async def test_each_job_is_taken_up_at_our_pace() -> None:
    """A thousand that are due at once must not meet AWS at once."""
    pace = counted(10)
    assert await replace(sweeper(many(3), Settled()), pace=pace).sweep() == 3
    assert len(pace.at) == 3


@pytest.mark.parametrize(
    ("due", "seconds"), [(1, 0), (61, 60 * 30 / 61), (90, 89 / 3), (120, 119 / 4), (200, 119 * 30 / 200)]
)
def test_the_pace_follows_what_is_due(due: int, seconds: float) -> None:
    """Half of the most where few are due, and more the more are; AWS's throttles say what is too much."""
    pace = counted(4)

    async def story(loop: VirtualLoop) -> None:
        await replace(sweeper(many(due), Settled()), pace=pace).sweep()

    on_virtual_time(story)
    assert pace.at[-1] - pace.at[0] == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize(("due", "taken_up", "calls"), [(60, 60, 0), (61, 60, 1), (99, 60, 1)])
def test_more_than_our_pace_allows_until_the_next_sweep_is_left_to_a_list(due: int, taken_up: int, calls: int) -> None:
    """And to the next sweeps."""
    called: list[None] = []
    sweeping = replace(sweeper(many(due), Settled()), pace=counted(2), call_the_roll=lambda: called.append(None))

    async def story(loop: VirtualLoop) -> None:
        assert await sweeping.sweep() == taken_up

    on_virtual_time(story)
    assert len(called) == calls


def test_a_sweep_that_is_throttled_ends_when_the_next_is_due() -> None:
    """What it did not reach is due as before; a job that is more overdue by then does not wait behind it."""
    settled = Settled()

    async def story(loop: VirtualLoop) -> None:
        throttled = Pace.even(2)
        for _ in range(40):
            throttled.throttled()
            await asyncio.sleep(0.5)
        began_at = loop.time()
        await replace(sweeper(many(60), settled), pace=throttled, every_seconds=30).sweep()
        assert loop.time() == pytest.approx(began_at + 30, abs=1.1)

    on_virtual_time(story)
    assert 0 < len(settled.jobs) < 60


def test_workers_begin_with_other_jobs() -> None:
    """Or each would find most of what it takes up claimed by another; of what is left, each takes its share."""
    one, other = Settled(me="one"), Settled(me="other")

    async def story(loop: VirtualLoop) -> None:
        for settled in (one, other):
            await replace(sweeper(many(99), settled), pace=counted(1)).sweep()

    on_virtual_time(story)
    assert len(one.jobs) == len(other.jobs) == 30
    assert 0 < len({job_id for job_id, _ in one.jobs} & {job_id for job_id, _ in other.jobs}) < 20


@dataclass
class Asked(Table):
    """Notes how many each shard is asked for."""

    limits: list[int] = field(default_factory=list)

    async def due(self, shard: int, now: float, limit: int) -> dict[RecordKey, float]:
        self.limits.append(limit)
        return await super().due(shard, now, limit)


@dataclass
class Waits(Settled):
    """Settles for as long as it takes."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    most: int = 0
    under_way: int = 0

    async def settle(self, job: Record, me: str) -> Record:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.may_end.wait()
        self.under_way -= 1
        return await super().settle(job, me)


async def test_ten_are_taken_up_at_once_of_a_hundred_that_a_shard_tells() -> None:
    """One with a large log holds up nine others at the most, and a sweep is no crowd of its own."""
    keys = tuple(RecordKey.of_job(f"j-{number}") for number in range(25))
    table = Asked({key: record(requested(job_id=key.id)) for key in keys}, keys)
    settled = Waits()
    sweeping = asyncio.create_task(sweeper(table, settled).sweep())
    await eventually(lambda: settled.under_way == 10)
    for _ in range(20):
        await asyncio.sleep(0)
    settled.may_end.set()
    assert await sweeping == 25
    assert settled.most == 10
    assert table.limits == [100] * 8
