"""To be told to stop, or to have waited for long enough, or to have done something before that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def told_to_stop(stopping: asyncio.Event, within_seconds: float) -> None:
    """Wait until we are told to stop, for so many seconds at the most."""
    # `asyncio.wait_for` makes a task of its own for each wait until Python 3.12.
    with suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            await stopping.wait()


async def unless_told_to_stop(stopping: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """What some work comes to; None where we are told to stop first, and it is left off."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopped.cancel()
        await asyncio.wait((working, stopped))
