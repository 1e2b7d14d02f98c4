"""CloudWatch Logs on virtual time: each line is taken in at its moment, and streams are read within quotas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.quotas import Quota, throttled
from tests.support.loop import VirtualLoop

Line = tuple[float, float, str]
"""When it was written, when it was taken in, and its text."""


@dataclass
class LogStreams:
    """An account's streams by group and name; it notes who was asked for what, and when.

    `page_events` are in a page at the most. FilterLogEvents sees a line so many seconds after it was taken in.
    """

    loop: VirtualLoop
    streams: dict[tuple[str, str], list[Line]] = field(default_factory=dict)
    page_events: int = 10_000
    unseen_seconds: float = 0.0
    reads: Quota = field(default_factory=lambda: Quota(1e9, 1e9))
    batches: Quota = field(default_factory=lambda: Quota(1e9, 1e9))
    latency: float = 0.05
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    doubled: bool = False

    def write(self, group: str, stream: str, *lines: Line) -> None:
        """Put lines into a stream, which is there from the first on."""
        self.streams.setdefault((group, stream), []).extend(lines)

    async def get_log_events(
        self, *, logGroupName: str, logStreamName: str, startFromHead: bool, nextToken: str = "f/0"
    ) -> dict[str, Any]:
        """The next lines of one stream."""
        self.calls["GetLogEvents"] += 1
        throttled(self.reads, self.loop.time())
        lines = self.streams.get((logGroupName, logStreamName))
        if lines is None:
            raise refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        at = int(nextToken.removeprefix("f/"))
        there = [line for line in lines[at : at + self.page_events] if line[1] <= self.loop.time()]
        await self.loop.pause(self.latency)
        events = [_event(written, taken_in, text) for written, taken_in, text in there]
        return {"events": events, "nextForwardToken": f"f/{at + len(there)}"}

    async def filter_log_events(
        self, *, logGroupName: str, logStreamNames: Sequence[str], nextToken: str = ""
    ) -> dict[str, Any]:
        """The next lines of several streams; first whatever is to go wrong, and tokens that are to be said."""
        self.calls["FilterLogEvents"] += 1
        self.asked.append((self.loop.time(), logGroupName, tuple(logStreamNames)))
        throttled(self.batches, self.loop.time())
        if self.failing:
            raise self.failing.pop(0)
        await self.loop.pause(self.latency)
        if all(group != logGroupName for group, _ in self.streams):
            raise refusal("ResourceNotFoundException", "The specified log group does not exist.")
        if any((logGroupName, name) not in self.streams for name in logStreamNames):
            raise refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        if self.tokens:
            return {"events": [], "nextToken": self.tokens.pop(0)}
        return self._page(logGroupName, logStreamNames, int(nextToken or "0"))

    def _page(self, group: str, names: Sequence[str], at: int) -> dict[str, Any]:
        seen = sorted(
            (written, taken_in, name, number, text)
            for name in names
            for number, (written, taken_in, text) in enumerate(self.streams[group, name])
            if taken_in + self.unseen_seconds <= self.loop.time()
        )
        events = [
            {**_event(written, taken_in, text), "logStreamName": name, "eventId": f"{hash_of(name)}{number:046d}"}
            for written, taken_in, name, number, text in seen
        ]
        page = events[max(0, at - self.doubled) : at + self.page_events]
        end = at + self.page_events
        return {"events": page, **({"nextToken": str(end)} if end < len(events) else {})}


def hash_of(name: str) -> str:
    """Ten digits of a name."""
    return f"{sum(map(ord, name)) * 7919 % 10**10:010d}"


def _event(written: float, taken_in: float, text: str) -> dict[str, Any]:
    return {"timestamp": int(written * 1000), "ingestionTime": int(taken_in * 1000), "message": text}
