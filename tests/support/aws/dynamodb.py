"""DynamoDB: items, conditional writes that answer with the whole item, and a sparse index that lags behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.expressions import Given, holds, updated
from tests.support.aws.sqs import Calls

Item = dict[str, Any]


class SimTable:
    """The table of jobs. An item is never changed in place, so that answers may share it."""

    def __init__(self, clock: Callable[[], float], *, index_lag: float = 0.0) -> None:
        self.items: dict[str, Item] = {}
        self.index_writes = 0
        self.on_write: Callable[[str, Item, Item], None] = lambda key, before, after: None
        self._clock = clock
        self._index_lag = index_lag
        self._index: dict[str, Item] = {}
        self._index_news: deque[tuple[float, str, Item | None]] = deque()

    def write(self, key: str, item: Item) -> None:
        """Put an item in the place of another."""
        before = self.items.get(key, {})
        self.items[key] = item
        entry, held = _index_entry(item), _index_entry(before)
        if entry != held:
            # A key that moves is deleted in one place and written in another [DynamoDB guide, GSI write throughput].
            self.index_writes += (held is not None) + (entry is not None)
            self._index_news.append((self._clock() + self._index_lag, key, entry))
        self.on_write(key, before, item)

    def index(self) -> dict[str, Item]:
        """Shard and due time by key, as the index knows them: eventually consistent, as every index is."""
        while self._index_news and self._index_news[0][0] <= self._clock():
            _, key, entry = self._index_news.popleft()
            self._index.pop(key, None)
            if entry is not None:
                self._index[key] = entry
        return self._index


def _index_entry(item: Item) -> Item | None:
    """An item without both keys is not in the index at all."""
    shard, due = item.get("open_shard"), item.get("due_at")
    return {"open_shard": shard, "due_at": due} if shard and due else None


class DynamoDbClient:
    """The calls of aiobotocore's DynamoDB client, of one table."""

    def __init__(self, calls: Calls, table: SimTable) -> None:
        self._calls = calls
        self._table = table

    async def update_item(
        self,
        *,
        Key: Any,
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Any = None,
        ExpressionAttributeValues: Any = None,
        **_: Any,
    ) -> Any:
        key = Key["job_id"]["S"]
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}

        def effect() -> Any:
            held = self._table.items.get(key, {})
            given = Given(held, names, values)
            if ConditionExpression is not None and not holds(ConditionExpression, given):
                more: Any = {"Item": held} if held else {}
                raise refusal("ConditionalCheckFailedException", **more)
            item = updated(UpdateExpression, given)
            item.setdefault("job_id", {"S": key})
            self._table.write(key, item)
            return {"Attributes": item}

        return await self._calls.call("dynamodb.UpdateItem", effect, about=f"{key} {next(iter(names.values()), '')}")

    async def put_item(self, *, Item: Any, **_: Any) -> Any:
        key = Item["job_id"]["S"]
        await self._calls.call("dynamodb.PutItem", lambda: self._table.write(key, Item), about=key)
        return {}

    async def get_item(self, *, Key: Any, **_: Any) -> Any:
        key = Key["job_id"]["S"]
        held = await self._calls.call("dynamodb.GetItem", lambda: self._table.items.get(key), about=key)
        return {"Item": held} if held else {}

    async def query(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Any,
        ExpressionAttributeNames: Any = None,
        Limit: int | None = None,
        **_: Any,
    ) -> Any:
        def chosen(entry: Item) -> bool:
            return holds(
                KeyConditionExpression, Given(entry, ExpressionAttributeNames or {}, ExpressionAttributeValues)
            )

        def effect() -> Any:
            found = sorted(
                (float(entry["due_at"]["N"]), key) for key, entry in self._table.index().items() if chosen(entry)
            )
            return {"Items": [{"job_id": {"S": key}, "due_at": {"N": str(due)}} for due, key in found[:Limit]]}

        return await self._calls.call("dynamodb.Query", effect)
