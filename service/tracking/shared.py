"""Reads that many ask for at once are made once, and serve all who ask within a short time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _loop_time() -> float:
    """The clock by which whoever asks waits."""
    return asyncio.get_running_loop().time()


@dataclass
class Shared(Generic[K, V]):
    """Answers of `read`, each kept for `seconds`: however many watch a job, AWS is asked once in that time.

    An answer that failed is kept as well, or every viewer would ask again where AWS refuses because it is asked too
    much. `most` bounds how many are held.
    """

    read: Callable[[K], Awaitable[V]]
    seconds: float
    most: int = 1000
    now: Callable[[], float] = _loop_time
    _held: OrderedDict[K, tuple[float, asyncio.Task[V]]] = field(default_factory=OrderedDict)

    async def get(self, key: K) -> V:
        """The answer for this key, no older than `seconds` when it was begun to be asked for."""
        asked_at, answer = self._held.get(key, (0.0, None))
        # A read under way serves whoever comes, however long it takes.
        if answer is None or (answer.done() and self.now() - asked_at >= self.seconds):
            answer = asyncio.create_task(self._ask(key))
            # Who asked may be gone by then, and nobody else may have come.
            answer.add_done_callback(_noticed)
            self._held[key] = self.now(), answer
            self._held.move_to_end(key)
            self._forget()
        return await asyncio.shield(answer)

    async def _ask(self, key: K) -> V:
        return await self.read(key)

    def _forget(self) -> None:
        """The oldest go. One that is under way is only let go of: those who wait for it have it still."""
        while len(self._held) > self.most:
            self._held.popitem(last=False)


def _noticed(answer: asyncio.Task[V]) -> None:
    if not answer.cancelled():
        answer.exception()
