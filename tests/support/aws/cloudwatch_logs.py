"""CloudWatch Logs: streams that appear late or never, lines that arrive late, empty pages, tokens that repeat."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.quotas import Quotas, throttled
from tests.support.aws.sqs import Calls
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


@dataclass
class Stream:
    """A log stream: lines in their order, each with when it was written and when it arrived."""

    lines: list[tuple[float, float, str]] = field(default_factory=list)
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
        page = arrived[: 1 + int(self._chance.random() * _LONGEST_PAGE)]
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


class LogsClient:
    """The calls of aiobotocore's CloudWatch Logs client."""

    def __init__(self, calls: Calls, logs: SimLogs) -> None:
        self._calls = calls
        self._logs = logs

    async def get_log_events(
        self, *, logGroupName: str, logStreamName: str, startFromHead: bool, nextToken: str | None = None
    ) -> Any:
        assert startFromHead, "left out, reading begins at the tail"
        return await self._calls.call(
            "logs.GetLogEvents", lambda: self._logs.page(logGroupName, logStreamName, nextToken), about=logStreamName
        )
