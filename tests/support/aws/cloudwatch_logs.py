"""CloudWatch Logs: streams that appear late or never, lines that arrive late, empty pages, tokens that repeat.

FilterLogEvents sees lines a little later than GetLogEvents, some of them twice, and says at times the same token again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.quotas import Quotas, throttled
from tests.support.aws.sqs import Calls
from tests.support.aws.tries import Tries
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop
from tests.support.names import EPOCH

# Delivery lags the stop: one project sleeps ten seconds before it reads; Jobferry waits as long.
_USUAL_LAG_SECONDS = 1.0
_LONGEST_LAG_SECONDS = 8.0
# At times CloudWatch has more to give after Jobferry took the silence for the end: what comes then is in no archive, or
# in the one that was made later.
_LAG_BEYOND_THE_QUIET_SECONDS = 120.0
_LONGEST_PAGE = 7
# Where nothing is to go wrong [GetLogEvents].
AWS_PAGE = 10_000
# How much later FilterLogEvents sees a line: with the longest lag less than Jobferry waits, whatever its clock says.
_LONGEST_UNSEEN_SECONDS = 1.0
_MOST_STREAMS = 100


@dataclass
class Stream:
    """A log stream: lines in their order, each with when it was written and when it arrived."""

    lines: list[tuple[float, float, str]] = field(default_factory=list)
    unseen: list[float] = field(default_factory=list)
    created_at: float = float("inf")
    first_too_late: int | None = None

    @property
    def text(self) -> str:
        return "".join(f"{text}\n" for _, _, text in self.lines)

    @property
    def text_in_time(self) -> str:
        """What is delivered soon after it was written."""
        return "".join(f"{text}\n" for _, _, text in self.lines[: self.first_too_late])


class SimLogs:
    """The log streams of the account."""

    def __init__(self, loop: VirtualLoop, chance: Random, faults: Faults, rates: Rates, quotas: Quotas) -> None:
        self.streams: dict[tuple[str, str], Stream] = {}
        self.longest_page = _LONGEST_PAGE
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._quotas = quotas

    def open(self, group: str, name: str) -> Stream:
        """The stream that a container writes to; it can be read once something arrived."""
        return self.streams.setdefault((group, name), Stream())

    def write(self, stream: Stream, text: str) -> None:
        """A container writes a line, now; the driver delivers lines in their order."""
        now = self._loop.time()
        late = self._faults.happens("log line late", self._rates.late_lines, now)
        lag = self._chance.random() * (_LONGEST_LAG_SECONDS if late else _USUAL_LAG_SECONDS)
        if self._faults.happens("log line beyond the quiet time", self._rates.very_late_lines, now):
            lag = _LONGEST_LAG_SECONDS + self._chance.random() * _LAG_BEYOND_THE_QUIET_SECONDS
            stream.first_too_late = len(stream.lines) if stream.first_too_late is None else stream.first_too_late
        arrives = max(now + lag, stream.lines[-1][1] if stream.lines else 0)
        stream.lines.append((now, arrives, text))
        unseen = self._faults.happens("log line found late", self._rates.found_late, now)
        stream.unseen.append(self._chance.random() * _LONGEST_UNSEEN_SECONDS if unseen else 0.0)
        stream.created_at = min(stream.created_at, arrives)

    def page(self, group: str, name: str, token: str | None) -> dict[str, Any]:
        """Some lines from a token on, perhaps none though there are more."""
        now = self._loop.time()
        throttled(self._quotas.get_log_events, now)
        stream = self.streams.get((group, name))
        if stream is None or stream.created_at > now:
            raise refusal("ResourceNotFoundException")
        at = int(token.removeprefix("f/")) if token else 0
        arrived = [line for line in stream.lines[at:] if line[1] <= now]
        if arrived and self._faults.happens("empty log page", self._rates.empty_page, now):
            # An empty page with a token of its own: the end is only where the token repeats [GetLogEvents].
            return {"events": [], "nextForwardToken": f"f/{at:0{len(token or '') + 1}d}"}
        page = arrived[: self._page_size()]
        return {
            "events": [
                {
                    "timestamp": int((EPOCH + written) * 1000),
                    "message": text,
                    "ingestionTime": int((EPOCH + arrived_at) * 1000),
                }
                for written, arrived_at, text in page
            ],
            "nextForwardToken": f"f/{at + len(page)}" if page or token is None else token,
        }

    def _page_size(self) -> int:
        return AWS_PAGE if self.longest_page == AWS_PAGE else 1 + int(self._chance.random() * self.longest_page)

    def found(self, group: str, names: Sequence[str], token: str | None) -> dict[str, Any]:
        """Some lines of several streams in the order of their times; a single stream that is missing fails it all."""
        now = self._loop.time()
        throttled(self._quotas.filter_log_events, now)
        assert len(names) <= _MOST_STREAMS
        streams = {name: self.streams.get((group, name)) for name in names}
        if any(stream is None or stream.created_at > now for stream in streams.values()):
            raise refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        position, salt = (token or "/0").rsplit("/", 1)
        seen = sorted(_seen(streams, now), key=_order)
        left = [event for event in seen if _place(event) > position]
        if left and self._faults.happens("empty log page", self._rates.empty_page, now):
            return {"events": [], "nextToken": f"{position}/{int(salt) + 1}"}
        page = left[: self._page_size()]
        if token and self._faults.happens("log token repeated", self._rates.token_repeated, now):
            return {"events": page, "nextToken": token}
        more = {"nextToken": f"{_place(page[-1])}/0"} if len(page) < len(left) else {}
        if page and self._faults.happens("log line found twice", self._rates.found_twice, now):
            page = [*page, page[-1]]
        return {"events": page, **more}


def _seen(streams: dict[str, Any], now: float) -> Iterator[dict[str, Any]]:
    """What FilterLogEvents can see by now."""
    for name, stream in streams.items():
        for number, ((written, arrived_at, text), unseen) in enumerate(zip(stream.lines, stream.unseen, strict=True)):
            if arrived_at + unseen <= now:
                yield {
                    "logStreamName": name,
                    "timestamp": int((EPOCH + written) * 1000),
                    "message": text,
                    "ingestionTime": int((EPOCH + arrived_at) * 1000),
                    "eventId": f"{zlib.crc32(name.encode()):010d}{number:046d}",
                }


def _order(event: dict[str, Any]) -> tuple[int, int, str]:
    return event["timestamp"], event["ingestionTime"], event["eventId"]


def _place(event: dict[str, Any]) -> str:
    """Where a line is in the order of all, as a text."""
    return "{:014d}.{:014d}.{}".format(*_order(event))


class LogsClient:
    """The calls of aiobotocore's CloudWatch Logs client."""

    def __init__(self, calls: Calls, logs: SimLogs) -> None:
        self._calls = calls
        self._logs = logs
        self._tries = Tries()
        self.meta = self._tries.meta

    async def get_log_events(
        self, *, logGroupName: str, logStreamName: str, startFromHead: bool, nextToken: str | None = None
    ) -> Any:
        assert startFromHead, "left out, reading begins at the tail"
        return await self._calls.call(
            "logs.GetLogEvents",
            lambda: self._tries.of("GetLogEvents", lambda: self._logs.page(logGroupName, logStreamName, nextToken)),
            about=logStreamName,
        )

    async def filter_log_events(
        self, *, logGroupName: str, logStreamNames: Sequence[str], nextToken: str | None = None
    ) -> Any:
        return await self._calls.call(
            "logs.FilterLogEvents",
            lambda: self._tries.of(
                "FilterLogEvents", lambda: self._logs.found(logGroupName, logStreamNames, nextToken)
            ),
            about=f"{len(logStreamNames)} of {logGroupName}",
        )
