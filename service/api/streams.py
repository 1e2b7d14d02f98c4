"""Server-sent events: what happens to a job, and the lines of a log, as long as somebody listens.

A stream ends by itself after `seconds`, where there is such a limit: a browser asks again, by the id of the last
message that it has seen [HTML standard, server-sent events].
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from pydantic import BaseModel

from schemas.tracking import EventsSeen, LogLines
from service.tracking.tracker import POLL_SECONDS

SSE = "text/event-stream"
_RETRY = b"retry: 1000\n\n"
# Something must be sent now and then, or what stands between closes the connection.
_SILENCE_SECONDS = 15.0

NextEvents = Callable[[str | None], Awaitable[tuple[EventsSeen, str]]]
NextLines = Callable[[int], Awaitable[LogLines]]


async def events_as_they_come(look: NextEvents, cursor: str | None, seconds: float | None) -> AsyncIterator[bytes]:
    """A message whenever something changed; `settled` is the last, and nothing comes after it."""
    until = _Until(seconds)
    yield _RETRY
    while True:
        seen, reached = await look(cursor)
        if reached != cursor:
            yield message("job", seen, reached)
            until.spoke()
        cursor = reached
        if seen.job.settled:
            yield b"event: settled\ndata: {}\n\n"
            return
        if not await until.next_look():
            return
        if until.is_silent():
            yield b": still here\n\n"


async def lines_as_they_come(look: NextLines, first: int, seconds: float | None) -> AsyncIterator[bytes]:
    """A message for each bundle of lines, its id the number of the last; `end` after a log that is archived whole."""
    until = _Until(seconds)
    yield _RETRY
    while True:
        found = await look(first)
        if found.lines:
            first = found.first_line + len(found.lines)
            yield message("lines", found, str(first - 1))
            until.spoke()
        if found.complete:
            yield b"event: end\ndata: {}\n\n"
            return
        if not found.more and not await until.next_look():
            return
        if until.is_silent():
            yield b": still here\n\n"


def message(kind: str, body: BaseModel, reached: str) -> bytes:
    """One message; JSON without line breaks is one line of data."""
    return f"event: {kind}\nid: {reached}\ndata: {body.model_dump_json()}\n\n".encode()


class _Until:
    """How long a stream may go on, and since when it was silent."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else _now() + seconds
        self._spoke_at = _now()

    async def next_look(self) -> bool:
        """Wait for the next look; False where there is no time for it."""
        if self._end is not None and _now() + POLL_SECONDS > self._end:
            return False
        await asyncio.sleep(POLL_SECONDS)
        return True

    def spoke(self) -> None:
        """Note that something was sent."""
        self._spoke_at = _now()

    def is_silent(self) -> bool:
        """Whether it is time for a sign of life, which is taken to be given."""
        if _now() - self._spoke_at < _SILENCE_SECONDS:
            return False
        self.spoke()
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
