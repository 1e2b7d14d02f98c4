"""CloudWatch Logs: read a stream, page by page, from its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.aws.errors import answered, aws_errors
from service.aws.pace import Pace
from service.core.log_lanes import LogEvent

if TYPE_CHECKING:
    from types_aiobotocore_logs import CloudWatchLogsClient


@dataclass(frozen=True)
class LogPage:
    """Some events, perhaps none, and the token of what follows. The same token again: the end, for now."""

    events: tuple[LogEvent, ...]
    next_token: str


@dataclass(frozen=True)
class ContainerLogs:
    """Reads log streams within the account's GetLogEvents quota, which is fixed [CloudWatch Logs quotas]."""

    client: CloudWatchLogsClient
    reads: Pace

    async def turn(self) -> None:
        """Wait until a page may be read."""
        await self.reads.turn()

    async def page(self, group: str, stream: str, token: str | None) -> LogPage | None:
        """One page, in one's turn; None where the group or the stream does not exist, which may be so only for now."""
        # Left out, startFromHead reads from the tail [botocore, GetLogEvents].
        position: Any = {"nextToken": token} if token else {}
        with answered("ResourceNotFoundException"), aws_errors():
            answer = await self.client.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True, **position
            )
            events = tuple(
                LogEvent(item["timestamp"] / 1000, item["message"], seconds_of(item.get("ingestionTime")))
                for item in answer["events"]
            )
            return LogPage(events, answer["nextForwardToken"])
        return None


def seconds_of(milliseconds: int | None) -> float | None:
    """A moment as CloudWatch says it, in epoch seconds."""
    return milliseconds / 1000 if milliseconds is not None else None
