"""DynamoDB: whose turn it is to do what one worker does for all, kept beside the jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.aws.errors import answered, aws_errors
from service.aws.record_items import item_key
from service.clock import Clock
from service.core.record.keys import RecordKey

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Turn:
    """A turn that was taken, and when the last one began that was taken to its end."""

    what: str
    began_at: float
    last_began_at: float | None


@dataclass(frozen=True)
class Turns:
    """Turns at things that are to be done once in a while, by whoever comes first."""

    client: DynamoDBClient
    table: str
    now: Clock

    async def take(self, what: str, every_seconds: float) -> Turn | None:
        """The turn, if the last one began so long ago; None where it is not due. One that comes to nothing is over."""
        now = self.now()
        with answered("ConditionalCheckFailedException"), aws_errors():
            answer = await self.client.update_item(
                TableName=self.table,
                Key=item_key(RecordKey.of_turn(what)),
                UpdateExpression="SET began_at = :now",
                ConditionExpression="attribute_not_exists(began_at) OR began_at < :due",
                ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":due": {"N": f"{now - every_seconds:.3f}"}},
                ReturnValues="ALL_OLD",
            )
            last = answer.get("Attributes", {}).get("done_at", {}).get("N")
            return Turn(what, now, float(last) if last is not None else None)
        return None

    async def keep(self, turn: Turn) -> Turn | None:
        """The same turn, as if it began now, for work that may take longer; None where another has taken it since."""
        now = self.now()
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.update_item(
                TableName=self.table,
                Key=item_key(RecordKey.of_turn(turn.what)),
                UpdateExpression="SET began_at = :now",
                ConditionExpression="began_at = :began",
                ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":began": {"N": f"{turn.began_at:.3f}"}},
            )
            return replace(turn, began_at=now)
        return None

    async def done(self, turn: Turn) -> None:
        """Note that a turn came to its end."""
        with aws_errors():
            await self.client.update_item(
                TableName=self.table,
                Key=item_key(RecordKey.of_turn(turn.what)),
                UpdateExpression="SET done_at = :began",
                ExpressionAttributeValues={":began": {"N": f"{turn.began_at:.3f}"}},
            )
