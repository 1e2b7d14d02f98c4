"""A crowd at the door, and workers that come and go: every request is started once, and none is lost or given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from service.core.pace import Bucket
from tests.support.aws.sqs import SimQueue
from tests.support.loop import VirtualLoop
from tests.support.virtual_worker import SETTINGS, Execution, Place, on_virtual_time

CROWD = 5_000
RESTARTS = 100
_LOOK_SECONDS = 1.0


async def until_empty(queue: SimQueue, loop: VirtualLoop, within: float) -> None:
    """Wait until every message was deleted."""
    while queue.messages:
        assert loop.time() < within, f"{len(queue.messages)} messages are left after {within:g} s"
        await loop.pause(_LOOK_SECONDS)


# The smaller quota of StartExecution, and what another stack in the account may leave of it.
QUOTAS = {"the quota that it is configured for": (800.0, 150.0), "a third of it": (200.0, 50.0)}


@pytest.mark.parametrize(("burst", "refill"), QUOTAS.values(), ids=QUOTAS)
def test_five_thousand_at_once_are_all_started(burst: float, refill: float) -> None:
    """By two workers, each of which is configured as if the account's quota were its own."""

    async def story(loop: VirtualLoop) -> None:
        place = Place(loop, seed=1, quota=Bucket.full(burst, refill))
        place.send(0, CROWD)
        stopping = asyncio.Event()
        workers = [asyncio.create_task(place.work(stopping)) for _ in range(2)]
        await until_empty(place.requests, loop, within=3 * CROWD / refill)
        stopping.set()
        await asyncio.gather(*workers)
        assert set(place.account.executions) == {f"job-{number}" for number in range(CROWD)}
        assert place.requests.dead_letters == []
        assert place.account.throttles > 0, "the quota was not felt"
        assert max(place.receives) <= 3, place.receives
        assert place.account.throttles < 0.8 * CROWD, "the workers do not give way"

    on_virtual_time(story)


def test_work_of_many_times_the_lease_runs_once() -> None:
    """The lease is renewed for as long as the work goes on: nobody else receives the message meanwhile."""

    async def story(loop: VirtualLoop) -> None:
        place = Place(loop, seed=3, quota=Bucket.full(1_000, 1_000))
        place.sdk.longest_seconds = lambda operation: 60 if operation == "states.StartExecution" else 0.05
        place.send(0, 20)
        stopping = asyncio.Event()
        workers = [asyncio.create_task(place.work(stopping, visibility_seconds=6)) for _ in range(2)]
        await until_empty(place.requests, loop, within=120)
        assert loop.time() > 3 * 6
        stopping.set()
        await asyncio.gather(*workers)
        assert place.receives == {1: 20}
        assert len(place.account.executions) == 20

    on_virtual_time(story, seed=3)


class Restarts:
    """A worker that is told to stop over and over, at any moment, with work in hand."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.chance = Random(7)
        self.place = Place(loop, seed=7, quota=Bucket.full(1_000_000, 1_000_000), max_receives=10)
        self.started: Counter[str] = Counter()
        self.sent = 0
        self.cut_off = 0
        self.place.account.on_start = self._note
        self.place.sdk.longest_seconds = self._seconds

    def _note(self, execution: Execution) -> None:
        self.started[execution.name] += 1

    def _seconds(self, operation: str) -> float:
        """Most starts take a moment, and some longer than a worker that must leave has time for."""
        if operation != "states.StartExecution":
            return 0.05
        return self.chance.choice((0.1, 1, 5, 5, 90))

    def send(self, jobs: int) -> None:
        self.place.send(self.sent, self.sent + jobs)
        self.sent += jobs

    async def restart(self) -> None:
        """Start a worker, and tell it to stop some time later."""
        stopping = asyncio.Event()
        working = asyncio.create_task(self.place.work(stopping, request_slots=20))
        await self.loop.pause(self.chance.random() * 4)
        self.send(self.chance.randrange(30))
        await self.loop.pause(self.chance.random() * 4)
        stopping.set()
        at = self.loop.time()
        await working  # Raises if the worker does.
        assert self.loop.time() - at < SETTINGS.stop_timeout_seconds, "ECS would have killed it"
        self.cut_off += self.loop.time() - at >= SETTINGS.drain_seconds

    def assert_nothing_is_lost(self) -> None:
        """What was sent was settled and deleted, or is in the queue, and there for the next worker at once."""
        queue = self.place.requests
        settled = sum(self.place.receives.values())
        assert settled + len(queue.messages) == self.sent
        assert [held.message_id for held in queue.messages.values() if not held.visible] == []
        assert queue.dead_letters == []


def test_a_hundred_restarts_under_load_lose_nothing() -> None:
    """What is in the queue and what is settled is together what was sent, and each job starts once."""

    async def story(loop: VirtualLoop) -> None:
        restarts = Restarts(loop)
        for _ in range(RESTARTS):
            await restarts.restart()
            restarts.assert_nothing_is_lost()
        assert restarts.cut_off > 5, "no worker was ever cut off at its deadline"
        stopping = asyncio.Event()
        last = asyncio.create_task(restarts.place.work(stopping))
        await until_empty(restarts.place.requests, loop, within=loop.time() + 600)
        stopping.set()
        await last
        assert restarts.started == Counter({f"job-{number}": 1 for number in range(restarts.sent)})
        assert restarts.place.requests.dead_letters == []

    on_virtual_time(story, seed=7)
