"""One log by itself, page by page, from its head until it has been quiet for long enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from service.aws.container_logs import ContainerLogs
from service.clock import Clock
from service.core.log_lanes import LogEvent, StoppedLog
from service.memory import Share

Write = Callable[[LogEvent], bytes]
"""What a line is in the archive."""

# A container that ran has a stream, since the driver makes it first; it may appear late [prefect-aws #177, metaflow
# #209]. So many quiet times it is waited for, and asked for every so often.
_QUIET_TIMES_WITHOUT_A_STREAM = 4
_POLL_SECONDS = 4.0
# 1 MB of text [GetLogEvents], and what JSON makes of it; the events that it becomes are bytes again before the next.
PAGE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class PagedLogs:
    """Reads logs of any size. One is whole once its end was read and nothing came for `quiet_seconds` since the stop.

    So nothing is asked for before: what came meanwhile is there then, and says itself when it came.
    """

    logs: ContainerLogs
    quiet_seconds: float
    now: Clock

    async def chunks(self, log: StoppedLog, write: Write, held: Share) -> AsyncIterator[bytes]:
        """The lines of every page that there is, until the token repeats and it has been quiet for long enough.

        A page without lines is an empty chunk; without any page there was no stream. `held` holds what is handed out,
        and meanwhile room for a page.
        """
        token: str | None = None
        was_at_end = has_a_stream = False
        quiet_until = log.ended_at + self.quiet_seconds if log.ended_at is not None else 0.0
        await asyncio.sleep(max(0.0, quiet_until - self.now()))
        while True:
            await held.take(PAGE_BYTES)
            await self.logs.turn()
            asked_at = self.now()
            page = await self.logs.page(log.group, log.stream, token)
            has_a_stream |= page is not None
            next_token, chunk = (page.next_token, b"".join(map(write, page.events))) if page else (token, None)
            if page is not None and page.events:
                came_at = min(self.now(), max(_came_at(event, self.now(), was_at_end) for event in page.events))
                quiet_until = max(quiet_until, came_at + self.quiet_seconds)
            del page  # It is several times as large as its text, and an upload may take long.
            held.give_back(PAGE_BYTES - len(chunk or b""))
            if chunk is not None:
                yield chunk
            del chunk
            if next_token != token:
                token = next_token
                continue
            waits_for_stream = not has_a_stream and log.ended_at is not None
            until = quiet_until + waits_for_stream * (_QUIET_TIMES_WITHOUT_A_STREAM - 1) * self.quiet_seconds
            # By the question and not by its answer: lines may have come since, while we or the answer stood still.
            if asked_at >= until:
                return
            was_at_end = True
            left = max(0.05, until - self.now())
            await asyncio.sleep(min(_POLL_SECONDS, left) if waits_for_stream else left)


def _came_at(event: LogEvent, now: float, was_at_end: bool) -> float:
    """When a line came. Where CloudWatch does not say, one that comes once the end was reached came just now."""
    if event.taken_in_at is not None:
        return event.taken_in_at
    return now if was_at_end else event.at
