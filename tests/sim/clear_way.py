"""An account whose quotas are what matters: calls of its workers arrive, and what AWS itself does is left to chance."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.faults import Faults
from tests.support.loop import VirtualLoop

_T = TypeVar("_T")


class ClearWay(Faults):
    """Every call of a worker arrives, and so does its answer."""

    def draw(self, operation: str, now: float, *, of_a_worker: bool, about: object = "") -> None:
        """Nothing goes wrong."""


def lived(loop: VirtualLoop, story: Coroutine[Any, Any, _T]) -> _T:
    """What comes of a story, on a loop that is over then."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(story)
    finally:
        asyncio.set_event_loop(None)
        loop.bury()
