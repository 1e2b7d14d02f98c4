"""To be told to stop, or to have waited for long enough."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def told_to_stop(stopping: asyncio.Event, within_seconds: float) -> None:
    """Wait until we are told to stop, for so many seconds at the most."""
    # `asyncio.wait_for` makes a task of its own for each wait until Python 3.12.
    with suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            await stopping.wait()
