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


def new_work() -> str:
    """A name for one piece of work, to claim things by: two workings of the same message must not share one."""
    return uuid.uuid4().hex
