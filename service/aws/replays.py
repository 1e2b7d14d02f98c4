"""DynamoDB: which message a replayed one is a copy of.

SQS gives the copy a new id, but it is the same message, and a request without an id of its own must stay the same job.
Whatever a message says of itself its sender may have made up. So `jobferry dlq replay` writes the first id down, under
a random token, into a table that no producer can write to, and the copy bears the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.aws.errors import aws_errors
from service.aws.record_items import item_key
from service.core.record.keys import RecordKey

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# Longer than any copy can lie in a queue and in its dead-letter queue: 14 days each [botocore, MessageRetentionPeriod].
_KEPT_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Replays:
    """Reads what the operator's command wrote down."""

    client: DynamoDBClient
    table: str

    async def original_id(self, token: str) -> str | None:
        """The first id of the message that was sent again with this token; None where nobody replayed one with it."""
        with aws_errors():
            answer = await self.client.get_item(TableName=self.table, Key=replay_key(token), ConsistentRead=True)
        return original_id_in(answer.get("Item", {}))


def replay_key(token: str) -> dict[str, Any]:
    """The key of the item of a replay."""
    return item_key(RecordKey.of_replay(token))


def replay_item(token: str, original_id: str, now: float) -> dict[str, Any]:
    """The item of a replay."""
    return {
        **replay_key(token),
        "original_id": {"S": original_id},
        "expires_at": {"N": str(int(now + _KEPT_SECONDS))},
    }


def original_id_in(item: Mapping[str, Any]) -> str | None:
    """The first id that an item holds; None for no item."""
    return str(item["original_id"]["S"]) if item else None
