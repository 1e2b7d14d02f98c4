"""CloudWatch Logs, for people who look at a log while it is written.

By FilterLogEvents, which has a quota of its own, from 5 a second on [CloudWatch Logs quotas]. Those who archive small
logs use it too, at a pace that is to leave room for who looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.aws.errors import answered, aws_errors
from service.aws.pace import Pace

if TYPE_CHECKING:
    from types_aiobotocore_logs import CloudWatchLogsClient


@dataclass(frozen=True)
class FoundLine:
    """One line; the time in epoch seconds. The same may be given twice, under the same id."""

    id: str
    at: float
    message: str


@dataclass(frozen=True)
class FoundLines:
    """Some lines, perhaps none, and the token of what follows; no token is the end, for now."""

    lines: tuple[FoundLine, ...]
    next_token: str | None


@dataclass(frozen=True)
class LogLooks:
    """Looks at streams, each in its turn."""

    client: CloudWatchLogsClient
    looks: Pace

    async def since(self, group: str, stream: str, at: float, token: str | None) -> FoundLines | None:
        """Lines from this moment on; None where there is no such group or stream, which may be so only for now."""
        more: Any = {"nextToken": token} if token else {}
        await self.looks.turn()
        with answered("ResourceNotFoundException"), aws_errors():
            answer = await self.client.filter_log_events(
                logGroupName=group, logStreamNames=[stream], startTime=int(at * 1000), **more
            )
            lines = tuple(
                FoundLine(item["eventId"], item["timestamp"] / 1000, item["message"]) for item in answer["events"]
            )
            return FoundLines(lines, answer.get("nextToken"))
        return None
