"""What is done beside the work, again and again, so that the work stays ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

Renew = Callable[[], Awaitable[bool]]
"""Renews once; answers whether there is more to renew."""


class Renewing:
    """For as long as the context lasts `renew` is called every so many seconds, unless it says that there is no more.

    Most work is over before the first renewal. So until then there is a timer and no task, which costs a tenth.
    """

    __slots__ = ("_renew", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float, renew: Renew) -> None:
        self._seconds = seconds
        self._renew = renew
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._begin)

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """A bug of a renewal is seen, and no sooner than the work is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))  # Not awaited itself: our own cancellation would be taken for its.
            if not self._task.cancelled():
                self._task.result()

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def _go_on(self) -> None:
        while True:
            if not await self._renew():
                return
            await asyncio.sleep(self._seconds)
