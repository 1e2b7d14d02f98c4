"""A log waits with nothing held for it; when it is due it is archived, and its job is settled further."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from service.aws.errors import AwsError
from service.core.policy.actions import Action, Announce, ArchiveLog
from service.core.policy.owed import Patience
from service.core.record.facts import Fact
from service.core.record.record import Record
from service.core.record.register_names import archiving
from service.logs.due import DueLogs
from service.metrics import SETTLE_FAILURES, Metrics
from service.settle import Settling
from tests.support.builders import (
    JOB,
    KEY,
    NOW,
    announced,
    attempt,
    claim,
    execution,
    receipt,
    requested,
    running,
    task,
)
from tests.support.loop import VirtualLoop
from tests.unit.test_settle import InMemory
from workers.archiver import Archiver
from workers.liveness import Liveness
from workers.single_flight import SingleFlight

QUIET = 10.0
ARCHIVE = ArchiveLog(JOB, "t1", "main")
STOP = task(stopped_at=NOW)


@dataclass
class Place:
    """A worker's heart, its jobs and its due logs on virtual time; it notes what was done, and when."""

    loop: VirtualLoop
    jobs: InMemory = field(default_factory=InMemory)
    done: list[tuple[Action, float]] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    fails: bool = False
    seconds_a_log: float = 0.0

    def __post_init__(self) -> None:
        self.due = DueLogs(self.now)
        names = (f"work-{number}" for number in range(100))
        patience = Patience(log_quiet=QUIET)
        self.settling = Settling(self.jobs, self, patience, self.now, names.__next__, self.due)
        self.liveness = Liveness(self.now)
        single_flight = SingleFlight(self.settling.settle, self.jobs.read)
        self.stopping = asyncio.Event()
        self.archiver = Archiver(
            self.due, self.settling, single_flight, names.__next__, self.liveness, self.metrics, self.stopping
        )

    def now(self) -> float:
        return NOW + self.loop.time()

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        self.done.append((action, self.loop.time()))
        match action:
            case ArchiveLog():
                await self.loop.pause(self.seconds_a_log)
                if self.fails:
                    raise AwsError("no answer", "Timeout")
                return (receipt(),)
            case Announce():
                return (announced(),)
        return (job.new_claim(getattr(action, "what", "?"), me, self.now(), 60),)

    @property
    def archived_at(self) -> list[float]:
        return [at for action, at in self.done if action == ARCHIVE]


@pytest.fixture
def place() -> Iterator[Place]:
    """One on a loop of its own."""
    loop = VirtualLoop()
    yield Place(loop)
    loop.bury()


def test_a_pass_ends_while_the_log_of_its_task_waits(place: Place) -> None:
    """So its message is done with; the archive follows when the quiet time is over, and the announcement then."""

    async def story() -> None:
        await place.jobs.all_of(requested(), execution("STARTED"), running())
        await place.settling.settle(await place.settling.hear(STOP, "me"), "me")
        assert (place.loop.time(), place.archived_at) == (0.0, [])
        archiving_them = asyncio.create_task(place.archiver.run())
        await place.loop.pause(5)
        await place.settling.settle(await place.settling.hear(execution(attempts=(attempt(),)), "other"), "other")
        assert (place.loop.time(), place.archived_at, place.liveness.holding) == (5.0, [], 0)
        place.due.close()
        await archiving_them

    place.loop.run_until_complete(story())
    assert place.archived_at == [pytest.approx(QUIET, abs=0.01)]
    last, at = place.done[-1]
    assert last == Announce(KEY, 0)
    assert at == pytest.approx(QUIET, abs=0.01)


def test_a_job_that_is_announced_keeps_the_message_until_its_log_is_archived(place: Place) -> None:
    """The sweeper does not come to it: without the message nobody would."""

    async def story() -> None:
        await place.jobs.all_of(requested(), execution(), announced())
        await place.settling.settle(await place.settling.hear(STOP, "me"), "me")

    place.loop.run_until_complete(story())
    assert len(place.archived_at) == 1


def test_what_fails_is_counted_and_tried_again_by_a_new_name(place: Place) -> None:
    """Its place is free, its claim let go, and nothing else is disturbed; it waits as long as there have been tries."""
    place.fails = True

    async def story() -> None:
        job = await place.jobs.all_of(requested(), execution("STARTED"), STOP, claim(archiving("t1"), "me"))
        await place.settling.settle(job, "me")
        archiving_it = asyncio.create_task(place.archiver.run())
        with capture_logs() as logs:
            await place.loop.pause(15)
            place.fails = False
            await place.loop.pause(30)
        assert [line["event"] for line in logs] == ["archive_failed"]
        place.due.close()
        await archiving_it

    place.loop.run_until_complete(story())
    assert place.archived_at == [pytest.approx(QUIET, abs=0.01), pytest.approx(2 * QUIET, abs=0.1)]
    assert place.metrics.drain(NOW)[SETTLE_FAILURES] == 1
    assert place.liveness.holding == 0


def test_a_worker_that_is_told_to_stop_leaves_what_failed_to_others(place: Place) -> None:
    """Its claim is let go, so they need not wait for its end."""
    place.fails = True

    async def story() -> None:
        job = await place.jobs.all_of(requested(), execution("STARTED"), STOP, claim(archiving("t1"), "me"))
        await place.settling.settle(job, "me")
        place.due.close()
        place.stopping.set()
        await place.archiver.run()
        held = (await place.jobs.read(KEY)).claim(archiving("t1"))
        assert held is not None and held.has_expired(place.now() + 0.01)

    place.loop.run_until_complete(story())
    assert len(place.archived_at) == 1


def test_the_claim_of_a_log_that_is_read_late_is_kept(place: Place) -> None:
    """For as long as the archive takes; while it waits for its quiet time, the claim is long enough."""
    place.seconds_a_log = 200.0

    async def story() -> None:
        job = await place.jobs.all_of(requested(), execution("STARTED"), STOP, claim(archiving("t1"), "me"))
        await place.settling.settle(job, "me")
        place.due.close()
        archiving_it = asyncio.create_task(place.archiver.run())
        await place.loop.pause(150)
        held = (await place.jobs.read(KEY)).claim(archiving("t1"))
        assert held is not None and held.owner == "me" and not held.has_expired(place.now())
        await archiving_it

    place.loop.run_until_complete(story())
