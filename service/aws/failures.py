"""DynamoDB: why a message failed, kept beside the jobs for whoever finds it in a dead-letter queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.aws.errors import aws_errors
from service.aws.record_items import item_key
from service.clock import Clock
from service.core.record.keys import RecordKey

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# As long as a dead-letter queue keeps a message at most [botocore, MessageRetentionPeriod].
_KEPT_SECONDS = 14 * 86_400
_LONGEST_REASON = 2_000


@dataclass(frozen=True)
class Failure:
    """Why a message failed the last time; `at` in epoch seconds."""

    queue: str
    error: str
    reason: str
    at: float


def failure_key(message_id: str) -> dict[str, Any]:
    """The key of the item of a message's failure."""
    return item_key(RecordKey.of_failure(message_id))


@dataclass(frozen=True)
class Failures:
    """Notes failures. The last one of a message counts."""

    client: DynamoDBClient
    table: str
    now: Clock

    async def note(self, message_id: str, queue: str, error: Exception) -> None:
        """Remember why a message failed."""
        now = self.now()
        with aws_errors():
            await self.client.put_item(
                TableName=self.table,
                Item={
                    **failure_key(message_id),
                    "queue": {"S": queue},
                    "error": {"S": type(error).__name__},
                    "reason": {"S": str(error)[:_LONGEST_REASON] or "no message"},
                    "at": {"N": str(now)},
                    "expires_at": {"N": str(int(now + _KEPT_SECONDS))},
                },
            )


def failure_in(item: Mapping[str, Any]) -> Failure | None:
    """The failure that an item holds; None for no item."""
    if not item:
        return None
    return Failure(item["queue"]["S"], item["error"]["S"], item["reason"]["S"], float(item["at"]["N"]))
