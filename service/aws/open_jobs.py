"""The sweeper's index: open records by when they are due, spread over shards."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from service.core.record.keys import RecordKey

OPEN_JOBS_INDEX = "open_jobs"
SHARDS = 8
# When a job is due is a key of the index, and one that moves costs two writes: it moves in steps of such a part of the
# time that it is put off for, and a job is due by so much later at most.
_STEPS_OF_A_WAIT = 10
# News of a job that runs comes with every task of it: what puts a job off for long moves in larger steps.
STEPS_OF_SILENCE = 2


@dataclass(frozen=True)
class IndexChange:
    """How a write moves its record in the index."""

    due_at: int | None = None
    opens: bool = False
    closes: bool = False
    redriven_rank: int = 0
    expires_at: int | None = None


def due_after(since: float, seconds: float, steps: int = _STEPS_OF_A_WAIT) -> int:
    """The first step after so many seconds have passed: facts that come close together do not move it."""
    step = max(1, int(seconds / steps))
    return (int(since + seconds) // step + 1) * step


def shard_of(key: RecordKey) -> int:
    """The index shard of a record: open ones are spread, so that no partition of the index is hot."""
    return zlib.crc32(str(key).encode()) % SHARDS
