"""The sweeper over a table by moto: who is taken up, and by whom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from schemas.bulk import BulkFilter
from service.aws.jobs_table import JobsTable
from service.aws.open_jobs import SHARDS
from service.aws.pace import Pace
from service.core.policy.owed import SWEEP
from service.core.record.bulk_facts import BulkAsked
from service.core.record.facts import Claimed
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.wishes import RedriveAsked, RedriveRefused
from service.metrics import SWEEP_FAILURES, SWEEP_FOUND, SWEEP_OVERDUE, UNMETERED, Metrics
from service.settle import Settling
from tests.support.connecting import answering, refusal
from tests.support.job_facts import GRACE, KEY, SILENCE, Time, announced, execution, item, open_jobs, requested
from tests.support.waiting import eventually
from workers.liveness import Liveness
from workers.sweeper import Sweeper

# After so long a job is due, whatever step the time that it was put off for ends in.
LONG_SILENCE = SILENCE + SILENCE // 2 + 1


@dataclass
class Settled:
    """A settling that only notes whom it was asked to settle."""

    now: Time
    jobs: list[str] = field(default_factory=list)
    failing: bool = False

    def new_work(self) -> str:
        """A name for a piece of work."""
        return f"work-{len(self.jobs)}-{id(self)}"

    async def settle(self, job: Record, me: str) -> Record:
        """Note the job, whose sweep must be claimed by us."""
        claim = job.claim(SWEEP)
        assert claim is not None and claim.owner == me
        self.jobs.append(job.job_id)
        if self.failing:
            raise ZeroDivisionError
        return job


@pytest.fixture
def sweeper(table: JobsTable, time: Time) -> Sweeper:
    """A sweeper without a pace to feel."""
    settling = cast(Settling, Settled(time))
    pace, liveness = Pace.even(10_000), Liveness(time)
    return Sweeper(table, settling, pace, 30, 30, asyncio.Event(), liveness, UNMETERED, lambda _: None, lambda: None)


def settled(sweeper: Sweeper) -> list[str]:
    """The jobs that a sweeper settled."""
    return cast(Settled, sweeper.settling).jobs


async def test_only_silent_jobs_are_swept(sweeper: Sweeper, time: Time) -> None:
    """One that was heard of is left alone until it has been silent for too long."""
    await sweeper.table.merge(requested())
    assert await sweeper.sweep() == 0
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 1
    assert settled(sweeper) == ["job"]


async def test_a_swept_job_that_runs_is_left_alone_for_a_while(sweeper: Sweeper, time: Time) -> None:
    """It was asked after, so it is not asked about again before it has been silent for as long."""
    await sweeper.table.merge(requested())
    await sweeper.table.merge(execution("RUNNING"))
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 1
    time.seconds += SILENCE
    assert await sweeper.sweep() == 0
    time.seconds += LONG_SILENCE - SILENCE
    assert await sweeper.sweep() == 1


@pytest.mark.parametrize("status", ["RUNNING", "FAILED"])
async def test_a_job_whose_sweep_came_to_nothing_is_swept_again_when_the_claim_expires(
    sweeper: Sweeper, time: Time, status: str
) -> None:
    """Whether the sweeper died, or failed at what an ended job is owed."""
    cast(Settled, sweeper.settling).failing = True
    await sweeper.table.merge(requested())
    await sweeper.table.merge(execution(status))
    time.seconds += LONG_SILENCE
    await sweeper.sweep()
    time.seconds += sweeper.claim_seconds
    await sweeper.sweep()
    assert settled(sweeper) == ["job"]
    time.seconds += sweeper.claim_seconds / 10 + 1
    await sweeper.sweep()
    assert settled(sweeper) == ["job", "job"]


async def test_an_end_that_came_during_a_sweep_is_not_put_off(sweeper: Sweeper, time: Time) -> None:
    """What nobody has settled yet stays due as soon as it was."""
    await sweeper.table.merge(requested())
    read = await sweeper.table.merge(execution("RUNNING"))
    swept = Claimed(record_key=KEY, what=SWEEP, owner="me", at=time(), seconds=30)
    await sweeper.table.merge(swept)
    time.seconds += 5
    await sweeper.table.merge(execution("FAILED"))
    await sweeper.table.leave_alone(read, swept)
    assert await open_jobs(sweeper.table, time() + GRACE + GRACE / 10 + 1) == {"job"}


async def test_a_job_is_put_off_as_it_was_read_or_not_at_all(sweeper: Sweeper, time: Time) -> None:
    """Without a claim: another may take it up meanwhile, or hear that it has ended."""
    table = sweeper.table
    await table.merge(requested())
    await table.merge(execution("RUNNING"))
    time.seconds += LONG_SILENCE
    [(due_at, shard)] = [(at, n) for n in range(SHARDS) for at in (await table.due(n, time(), 9)).values()]
    [read] = (await table.read_heads([KEY, RecordKey.of_job("nobody")])).values()
    assert not await table.put_off(read, due_at - 1)
    await table.merge(execution("FAILED"))
    assert not await table.put_off(read, due_at)
    [read] = (await table.read_heads([KEY])).values()
    assert read.execution is not None and read.execution.ended
    assert KEY not in await table.due(shard, time(), 9)


async def test_a_job_that_nobody_has_touched_is_put_off(sweeper: Sweeper, time: Time) -> None:
    """For as long as any may be silent."""
    table = sweeper.table
    await table.merge(requested())
    await table.merge(execution("RUNNING"))
    time.seconds += LONG_SILENCE
    [due_at] = [at for n in range(SHARDS) for at in (await table.due(n, time(), 9)).values()]
    [read] = (await table.read_heads([KEY])).values()
    assert await table.put_off(read, due_at)
    assert await open_jobs(table, time() + SILENCE) == set()
    assert await open_jobs(table, time() + LONG_SILENCE) == {"job"}
    assert not await table.put_off(read, due_at)


async def test_a_job_that_cannot_be_settled_does_not_stop_the_sweep(sweeper: Sweeper, time: Time) -> None:
    """Its neighbours are swept all the same."""
    cast(Settled, sweeper.settling).failing = True
    await sweeper.table.merge(requested("job"))
    await sweeper.table.merge(requested("other"))
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 0
    assert sorted(settled(sweeper)) == ["job", "other"]


async def test_an_announced_job_that_late_news_opened_is_closed_again(sweeper: Sweeper, time: Time) -> None:
    """The event of a redrive's end may come after a sweep has seen and announced that end."""
    await sweeper.table.merge(requested())
    await sweeper.table.merge(execution("FAILED", redrive=1, via="sweep"))
    await sweeper.table.merge(announced(1))
    await sweeper.table.merge(execution("FAILED", redrive=1, via="event"))
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 0
    assert await open_jobs(sweeper.table, time() + 10 * SILENCE) == set()
    assert "expires_at" in await item(sweeper.table)


async def test_an_announced_job_that_is_to_be_redriven_is_settled(sweeper: Sweeper, time: Time) -> None:
    """AWS failed to redrive it, and no message will come of that again; once it has refused to, the job is closed."""
    await sweeper.table.merge(requested())
    await sweeper.table.merge(execution("FAILED"))
    await sweeper.table.merge(announced())
    await sweeper.table.merge(RedriveAsked(job_id="job", tenant="web", asked_at=time()))
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 1
    assert settled(sweeper) == ["job"]
    await sweeper.table.merge(RedriveRefused(job_id="job", redrive_count=0, at=time(), why="too old"))
    time.seconds += LONG_SILENCE
    assert await sweeper.sweep() == 0
    assert await open_jobs(sweeper.table, time() + 10 * SILENCE) == set()


async def test_a_job_redriven_in_the_meantime_is_not_closed(sweeper: Sweeper, time: Time) -> None:
    """What was read before the redrive must not close what the redrive opened."""
    await sweeper.table.merge(requested())
    await sweeper.table.merge(execution("FAILED", redrive=1))
    read = await sweeper.table.merge(announced(1))
    await sweeper.table.merge(execution("RUNNING", redrive=2))
    await sweeper.table.close(read)
    assert await open_jobs(sweeper.table, time() + LONG_SILENCE) == {"job"}


async def test_how_late_the_sweeper_is_and_whom_it_found_is_counted(sweeper: Sweeper, time: Time) -> None:
    """From when the most silent job was due; a sweep that finds none is not late at all."""
    metrics = Metrics()
    counting = replace(sweeper, metrics=metrics)
    await counting.sweep()
    await counting.table.merge(requested())
    due_at = int((await item(counting.table))["due_at"])
    time.seconds += 5
    await counting.table.merge(requested("other"))
    time.seconds += LONG_SILENCE + 70
    await counting.sweep()
    counted = metrics.drain(0)
    assert (counted[SWEEP_FOUND], counted[SWEEP_OVERDUE], counted[SWEEP_FAILURES]) == (2, (0, time() - due_at), 0)


async def test_a_bulk_that_takes_its_time_makes_no_sweep_late(sweeper: Sweeper, time: Time) -> None:
    """It is handed on at each sweep, and may wait for capacity for long."""
    metrics, taken = Metrics(), list[RecordKey]()
    counting = replace(sweeper, metrics=metrics, take_bulk=taken.append)
    key = RecordKey.of_bulk("web", "b")
    jobs = BulkFilter(status="FAILED")
    bulk = BulkAsked(record_key=key, bulk_id="b", tenant="web", verb="rerun", jobs=jobs, asked_at=time())
    await counting.table.merge(bulk)
    time.seconds += LONG_SILENCE + 1800
    await counting.sweep()
    assert taken == [key]
    assert metrics.drain(0)[SWEEP_OVERDUE] == (0,)


async def test_sweeps_that_fail_and_jobs_that_cannot_be_settled_are_counted(sweeper: Sweeper, time: Time) -> None:
    """A sweep that could not look does not know how late it is."""
    metrics = Metrics()
    cast(Settled, sweeper.settling).failing = True
    counting = replace(sweeper, metrics=metrics, every_seconds=0.01)
    with answering(counting.table.client, "Query", refusal("ThrottlingException")) as asked:
        running = asyncio.create_task(counting.run())
        await eventually(lambda: len(asked) > 1)
        counting.stopping.set()
        await running
    assert metrics.drain(0)[SWEEP_FAILURES] == 1
    counting.stopping.clear()
    await counting.table.merge(requested())
    time.seconds += LONG_SILENCE
    await counting.sweep()
    assert metrics.drain(0)[SWEEP_FAILURES] == 1


async def test_a_sweep_that_fails_is_tried_again(sweeper: Sweeper) -> None:
    """The jobs are still there; and a stop ends the waiting at once."""
    quick = replace(sweeper, every_seconds=0.01)
    with answering(
        sweeper.table.client, "Query", refusal("ThrottlingException"), refusal("InternalServerError")
    ) as asked:
        running = asyncio.create_task(quick.run())
        await eventually(lambda: len(asked) > 3)
        sweeper.stopping.set()
        await asyncio.wait_for(running, 5)
