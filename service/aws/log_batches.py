"""CloudWatch Logs: read up to a hundred streams of one group together.

By FilterLogEvents, which has a quota of its own beside that of GetLogEvents [CloudWatch Logs quotas].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.aws.container_logs import seconds_of
from service.aws.errors import AwsError, aws_errors
from service.aws.pace import Pace
from service.core.log_lanes import LogEvent

if TYPE_CHECKING:
    from types_aiobotocore_logs import CloudWatchLogsClient


@dataclass(frozen=True)
class BatchPage:
    """Some events, perhaps none, each with the stream that it is of, and the token of what follows; None is the end."""

    events: tuple[tuple[str, LogEvent], ...]
    next_token: str | None


@dataclass(frozen=True)
class Missing:
    """One stream that is not there fails the whole call [percona/rds_exporter #123]; or there is no such group."""

    is_the_group: bool


@dataclass(frozen=True)
class LogBatches:
    """Reads streams together within the account's FilterLogEvents quota."""

    client: CloudWatchLogsClient
    reads: Pace

    async def turn(self) -> None:
        """Wait until a page may be read."""
        await self.reads.turn()

    async def page(self, group: str, streams: Sequence[str], token: str | None) -> BatchPage | Missing:
        """One page, in one's turn: 1 MB or 10,000 events, in the order of their times [botocore, FilterLogEvents].

        Never from a moment on: what is taken in late bears an early time, and would be left out
        [opentelemetry-collector-contrib #48577].
        """
        position: Any = {"nextToken": token} if token else {}
        try:
            with aws_errors():
                answer = await self.client.filter_log_events(
                    logGroupName=group, logStreamNames=list(streams), **position
                )
                events = tuple((item["logStreamName"], _event(item)) for item in answer["events"])
                return BatchPage(events, answer.get("nextToken"))
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return Missing(is_the_group="log group" in str(error))


def _event(item: Any) -> LogEvent:
    return LogEvent(
        item["timestamp"] / 1000, item["message"], seconds_of(item.get("ingestionTime")), item.get("eventId", "")
    )
