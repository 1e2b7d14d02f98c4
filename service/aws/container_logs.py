"""CloudWatch Logs: read a stream, page by page, from its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiolimiter import AsyncLimiter

from service.aws.errors import answered, aws_errors
from service.core.log_lanes import LogEvent

if TYPE_CHECKING:
    from types_aiobotocore_logs import CloudWatchLogsClient


@dataclass(frozen=True)
class LogPage:
    """Some events, perhaps none, and the token of what follows. The same token again: the end, for now."""

    events: tuple[LogEvent, ...]
    next_token: str


def paced(per_second: float) -> AsyncLimiter:
    """A pace of reads, one after the other: a bucket that may burst lets twice its rate through in its first second."""
    return AsyncLimiter(1, 1 / per_second)


@dataclass(frozen=True)
class ContainerLogs:
    """Reads log streams within the account's GetLogEvents quota, which is fixed [CloudWatch Logs quotas]."""

    client: CloudWatchLogsClient
    reads: AsyncLimiter

    async def turn(self) -> None:
        """Wait until a page may be read."""
        await self.reads.acquire()

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
