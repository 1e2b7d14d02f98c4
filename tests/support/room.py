"""Room for logs in memory."""

from __future__ import annotations

from service.logs.archive import MOST_OF_ONE_LOG
from service.logs.small import MOST_OF_ONE_CALL
from service.memory import Memory, Share

MIB = 1024 * 1024
MOST_OF_ONE = max(MOST_OF_ONE_LOG, MOST_OF_ONE_CALL)


def room(mebibytes: int = 64) -> Memory:
    """As much as a worker has, unless it is said."""
    return Memory(mebibytes * MIB, MOST_OF_ONE)


def a_share() -> Share:
    """One of a budget that nobody else takes from."""
    return Share(room())
