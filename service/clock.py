"""The time, and names for pieces of work: handed in by the composition root, or by a simulator."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

Clock = Callable[[], float]
"""Answers in epoch seconds."""


def wall_clock() -> float:
    """The time of this machine, in epoch seconds."""
    return time.time()


def seconds_between(start: float | None, end: float | None) -> float | None:
    """How long something took, to the millisecond, as a log tells it; nothing where an end of it is not known."""
    return None if start is None or end is None else round(end - start, 3)


def new_work() -> str:
    """A name for one piece of work, to claim things by: two workings of the same message must not share one."""
    return uuid.uuid4().hex
