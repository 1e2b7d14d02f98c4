"""What a worker counts, its parts wired as they are in production."""

from __future__ import annotations

import asyncio

from service.core.pace import Bucket
from service.metrics import POLLS, REQUESTS_ADMITTED, REQUESTS_REJECTED, Metrics
from tests.support.loop import VirtualLoop
from tests.support.virtual_worker import Place, on_virtual_time


def test_a_worker_counts_its_polls_and_its_requests() -> None:
    """The alarms stand on these numbers: a part that is wired without them goes wrong in silence."""
    metrics = Metrics()

    async def story(loop: VirtualLoop) -> None:
        place, stopping = Place(loop, 1, Bucket.full(1300, 300)), asyncio.Event()
        place.send(0, 3)
        place.requests.send("no request")
        working = loop.create_task(place.work(stopping, metrics))
        while len(place.account.executions) < 3 or len(place.receives) == 0:
            await loop.pause(1)
        stopping.set()
        await working

    on_virtual_time(story)
    counted = metrics.drain(0)
    assert (counted[REQUESTS_ADMITTED], counted[REQUESTS_REJECTED]) == (3, 1)
    assert counted[POLLS] != 0
