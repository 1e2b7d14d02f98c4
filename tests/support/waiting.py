"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WITHIN_SECONDS = 10.0
_LOOK_SECONDS = 0.01


async def eventually(holds: Callable[[], object], within: float = WITHIN_SECONDS) -> None:
    """Return once the condition holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true within {within:g} s"
        await asyncio.sleep(_LOOK_SECONDS)
