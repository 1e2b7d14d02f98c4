"""Logs that are owed and not due yet. While one waits, nothing is held for it but a note in memory.

No slot, no lease, no message: its claim says in the record that it is owed, and until when another leaves it to us. If
we die, the claim expires, and whoever next settles the job, the sweeper at the latest, archives the log.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from itertools import count

from service.clock import Clock
from service.core.policy.log_work import LogWork

# Forty stops a second for twenty-five seconds. Each that is read late has its claim renewed, so there must be an end:
# beyond it events wait with their slots and leases, and the others in their queue.
MOST_AT_ONCE = 1000


class DueLogs:
    """Hands out the logs that were put in, the first that is due first, each when it is due."""

    def __init__(self, now: Clock, most_at_once: int = MOST_AT_ONCE) -> None:
        self._now = now
        self._places = asyncio.Semaphore(most_at_once)
        self._waiting: list[tuple[float, int, LogWork]] = []
        self._numbers = count()
        self._changed = asyncio.Event()
        self._closed = False

    async def put(self, work: LogWork) -> None:
        """Leave a log until it is due; waits for a place where there are too many."""
        await self._places.acquire()
        heapq.heappush(self._waiting, (work.due_at, next(self._numbers), work))
        self._changed.set()

    async def next(self) -> LogWork | None:
        """Wait for a log to be due, and take it; its place is its own until `done`. None after the last."""
        while self._waiting or not self._closed:
            self._changed.clear()
            left = self._waiting[0][0] - self._now() if self._waiting else None
            if left is not None and left <= 0:
                return heapq.heappop(self._waiting)[2]
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
        return None

    def done(self) -> None:
        """One that was taken is archived, or has failed: its place is free."""
        self._places.release()

    def close(self) -> None:
        """Nobody will put in any more: what waits is still handed out."""
        self._closed = True
        self._changed.set()
