"""The two ways in which logs are read, and the check of the one by the other, by the policy of core/log_lanes.py."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from service.aws.errors import AwsError
from service.core.log_lanes import Accepted, LogEvent, Reading, StoppedLog, Whole, is_checked
from service.logs.paged import PagedLogs, Write
from service.logs.small import SmallLogs
from service.memory import Share
from service.metrics import LOGS_BATCHED, LOGS_DIFFERENT, Meter

log = structlog.stdlib.get_logger()

# Longer than what CloudWatch has is late to be seen. Of more logs at once the oldest are not checked.
_CHECKED_AFTER_SECONDS = 60.0
_MOST_TO_CHECK = 100


@dataclass(frozen=True)
class LogLanes:
    """Reads whole logs: small ones together with others, where that is wanted, and the rest each by itself.

    Of those that were read together, some are read again by themselves, later. If one differs, its object and its
    receipt stay as they are, for they may have been told of, and agree with each other; what is wrong is said in the
    log and counted, and from then on this process reads each log by itself.
    """

    paged: PagedLogs
    small: SmallLogs | None
    metrics: Meter
    _to_check: deque[tuple[float, Accepted]] = field(default_factory=lambda: deque(maxlen=_MOST_TO_CHECK))

    async def chunks(self, wanted: StoppedLog, write: Write, held: Share) -> AsyncIterator[bytes]:
        """A log's lines in pieces, as `write` makes them; `held` holds each. No piece at all: there is no stream."""
        whole = await self.small.read(wanted, held) if self.small is not None else None
        if whole is None:
            async for chunk in self.paged.chunks(wanted, write, held):
                yield chunk
                del chunk
            return
        self._note(wanted, whole)
        chunk, weight = b"".join(map(write, whole.events)), whole.weight
        del whole
        held.give_back(weight - len(chunk))
        yield chunk

    def _note(self, wanted: StoppedLog, whole: Whole) -> None:
        self.metrics.count(LOGS_BATCHED)
        if is_checked(wanted.stream):
            reading = Reading()
            for event in whole.events:
                reading.count(event)
            check_at = self.paged.now() + _CHECKED_AFTER_SECONDS
            self._to_check.append((check_at, Accepted(wanted, whole.asked_at, reading)))

    async def check(self) -> None:
        """Read again what it is time for. What cannot be read is not checked: nothing is wrong with its archive."""
        while self._to_check and self._to_check[0][0] <= self.paged.now():
            _, accepted = self._to_check.popleft()
            try:
                difference = accepted.difference(await self._read_again(accepted))
            except AwsError as error:
                log.info("log_not_checked", group=accepted.log.group, stream=accepted.log.stream, why=str(error)[:200])
                continue
            if difference is not None:
                self._say(accepted.log, difference)

    async def _read_again(self, accepted: Accepted) -> Reading:
        reading = Reading()

        def count(event: LogEvent) -> bytes:
            if accepted.knew_of(event):
                reading.count(event)
            return b""

        assert self.small is not None, "it was accepted there"
        with self.small.memory.share() as held:
            async for _ in self.paged.chunks(accepted.log, count, held):
                await asyncio.sleep(0)
        return reading

    def _say(self, different: StoppedLog, difference: str) -> None:
        self.metrics.count(LOGS_DIFFERENT)
        log.error("log_differs", group=different.group, stream=different.stream, what=difference)
        if self.small is not None:
            self.small.close()
