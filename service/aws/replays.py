"""DynamoDB: which message a replayed one is a copy of.

SQS gives the copy a new id, but it is the same message, and a request without an id of its own must stay the same job.
Whatever a message says of itself its sender may have made up. So `jobferry dlq replay` writes the first id down, under
a random token, into a table that no producer can write to, and the copy bears the token. So it does with the moment and
the sender: what somebody wants of jobs is about those of then, and is the wish of whoever sent it first.
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
class FirstSent:
    """How a message was sent that was sent again; `at` in epoch seconds. Of replays of before, only the id is known."""

    message_id: str
    at: float | None = None
    sender_id: str | None = None


@dataclass(frozen=True)
class Replays:
    """Reads what the operator's command wrote down."""

    client: DynamoDBClient
    table: str

    async def first_sent(self, token: str) -> FirstSent | None:
        """How the message was sent first that was sent again with this token; None where nobody replayed one so."""
        with aws_errors():
            answer = await self.client.get_item(TableName=self.table, Key=replay_key(token), ConsistentRead=True)
        return first_sent_in(answer.get("Item", {}))


def replay_key(token: str) -> dict[str, Any]:
    """The key of the item of a replay."""
    return item_key(RecordKey.of_replay(token))


def replay_item(token: str, first: FirstSent, now: float) -> dict[str, Any]:
    """The item of a replay."""
    sent_at = {"sent_at": {"N": f"{first.at:.3f}"}} if first.at is not None else {}
    sender = {"sender_id": {"S": first.sender_id}} if first.sender_id else {}
    return {
        **replay_key(token),
        "original_id": {"S": first.message_id},
        **sent_at,
        **sender,
        "expires_at": {"N": str(int(now + _KEPT_SECONDS))},
    }


def first_sent_in(item: Mapping[str, Any]) -> FirstSent | None:
    """What an item holds; None for no item."""
    if not item:
        return None
    at = float(item["sent_at"]["N"]) if "sent_at" in item else None
    return FirstSent(str(item["original_id"]["S"]), at, item.get("sender_id", {}).get("S"))
