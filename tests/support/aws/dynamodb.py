"""DynamoDB: items, conditional writes that answer with the whole item, and a sparse index that lags behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.expressions import Given, NotUnderstoodError, holds, updated
from tests.support.aws.sqs import Calls

Item = dict[str, Any]
HEAD = "head"
_LISTED = "#tenant = :tenant AND #at BETWEEN :first AND :last"
Written = Callable[[str, str, Item, Item], None]
"""What is told of a write: of which record, of which part of it, how it was, and how it is."""


class SimTable:
    """The table of jobs: records of parts. An item is never changed in place, so that answers may share it."""

    def __init__(self, clock: Callable[[], float], *, index_lag: float = 0.0, page_items: int = 25) -> None:
        self.items: dict[str, dict[str, Item]] = {}
        self.index_writes = 0
        self.on_write: Written = lambda key, part, before, after: None
        self.page_items = page_items
        self._clock = clock
        self._index_lag = index_lag
        self._index: dict[str, Item] = {}
        self._index_news: deque[tuple[float, str, Item | None]] = deque()

    def item(self, key: str, part: str = HEAD) -> Item:
        """One item; empty where there is none."""
        return self.items.get(key, {}).get(part, {})

    def write(self, item: Item) -> None:
        """Put an item in the place of another."""
        key, part = _key_of(item)
        before = self.item(key, part)
        self.items.setdefault(key, {})[part] = item
        entry, held = _index_entry(item), _index_entry(before)
        if entry != held:
            # A key that moves is deleted in one place and written in another [DynamoDB guide, GSI write throughput].
            self.index_writes += (held is not None) + (entry is not None)
            self._index_news.append((self._clock() + self._index_lag, key, entry))
        self.on_write(key, part, before, item)

    def listed(self, tenant: str, first: str, last: str) -> list[Item]:
        """The heads of a tenant's list between these places, the youngest first."""
        heads = (parts.get(HEAD, {}) for parts in self.items.values())
        of_tenant = (item for item in heads if item.get("list_tenant") == {"S": tenant})
        between = [item for item in of_tenant if first <= item["list_at"]["S"] <= last]
        return sorted(between, key=lambda item: str(item["list_at"]["S"]), reverse=True)

    def page(self, key: str, after: str) -> tuple[list[Item], bool]:
        """The parts of a record after this one, in their order, and whether there are more."""
        parts = self.items.get(key, {})
        names = sorted(name for name in parts if name > after)
        return [parts[name] for name in names[: self.page_items]], len(names) > self.page_items

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


def _key_of(item: Item) -> tuple[str, str]:
    return item["record_key"]["S"], item["part"]["S"]


class DynamoDbClient:
    """The calls of aiobotocore's DynamoDB client, of one table.

    A look for due records that finds none changes nothing: while `is_calm` it is answered without a call.
    """

    def __init__(self, calls: Calls, table: SimTable, is_calm: Callable[[], bool] = lambda: False) -> None:
        self._calls = calls
        self._table = table
        self._is_calm = is_calm

    async def update_item(
        self,
        *,
        Key: Any,
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Any = None,
        ExpressionAttributeValues: Any = None,
        ReturnValues: str = "NONE",
        **_: Any,
    ) -> Any:
        key, part = _key_of(Key)
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}

        def effect() -> Any:
            held = self._table.item(key, part)
            _check(ConditionExpression, Given(held, names, values))
            item = updated(UpdateExpression, Given(held, names, values)) | Key
            self._table.write(item)
            answered = {"ALL_NEW": item, "ALL_OLD": held}.get(ReturnValues)
            return {"Attributes": answered} if answered else {}

        return await self._calls.call("dynamodb.UpdateItem", effect, about=f"{key} {next(iter(names.values()), '')}")

    async def put_item(
        self,
        *,
        Item: Any,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Any = None,
        ExpressionAttributeValues: Any = None,
        **_: Any,
    ) -> Any:
        key, part = _key_of(Item)

        def effect() -> None:
            given = Given(self._table.item(key, part), ExpressionAttributeNames or {}, ExpressionAttributeValues or {})
            _check(ConditionExpression, given)
            self._table.write(Item)

        await self._calls.call("dynamodb.PutItem", effect, about=f"{key} {part}")
        return {}

    async def get_item(self, *, Key: Any, **_: Any) -> Any:
        key, part = _key_of(Key)
        held = await self._calls.call("dynamodb.GetItem", lambda: self._table.item(key, part), about=key)
        return {"Item": held} if held else {}

    async def batch_get_item(self, *, RequestItems: Any) -> Any:
        [(name, asked)] = RequestItems.items()

        def effect() -> list[Item]:
            return [item for key in asked["Keys"] if (item := self._table.item(*_key_of(key)))]

        return {"Responses": {name: await self._calls.call("dynamodb.BatchGetItem", effect)}}

    async def query(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Any,
        IndexName: str | None = None,
        ExclusiveStartKey: Any = None,
        Limit: int | None = None,
        FilterExpression: str | None = None,
        ExpressionAttributeNames: Any = None,
        **_: Any,
    ) -> Any:
        def listed() -> Any:
            """The youngest first, up to the limit; those are looked at, and the filter leaves some of them out."""
            if KeyConditionExpression != _LISTED:
                raise NotUnderstoodError(KeyConditionExpression)
            between = (ExpressionAttributeValues[name]["S"] for name in (":tenant", ":first", ":last"))
            found = self._table.listed(*between)
            looked_at = found[:Limit]
            last = {"LastEvaluatedKey": looked_at[-1]} if len(found) > len(looked_at) else {}
            given = ExpressionAttributeNames or {}, ExpressionAttributeValues
            matching = [i for i in looked_at if FilterExpression is None or holds(FilterExpression, Given(i, *given))]
            return {"Items": matching, **last}

        def due() -> Any:
            found = sorted(
                (float(entry["due_at"]["N"]), key)
                for key, entry in self._table.index().items()
                if holds(KeyConditionExpression, Given(entry, {}, ExpressionAttributeValues))
            )
            return {"Items": [{"record_key": {"S": key}, "due_at": {"N": str(due)}} for due, key in found[:Limit]]}

        def whole() -> Any:
            if KeyConditionExpression != "record_key = :key":
                raise NotUnderstoodError(KeyConditionExpression)
            key = ExpressionAttributeValues[":key"]["S"]
            items, more = self._table.page(key, ExclusiveStartKey["part"]["S"] if ExclusiveStartKey else "")
            last = {"LastEvaluatedKey": {name: items[-1][name] for name in ("record_key", "part")}} if more else {}
            return {"Items": items, **last}

        if IndexName == "job_list":
            return await self._calls.call("dynamodb.Query", listed, about=IndexName)
        if IndexName and self._is_calm() and not (answer := due())["Items"]:
            return answer
        about = "" if IndexName else ExpressionAttributeValues[":key"]["S"]
        return await self._calls.call("dynamodb.Query", due if IndexName else whole, about=about)


def _check(condition: str | None, given: Given) -> None:
    """Refuse what a condition does not allow, with what is there."""
    if condition is not None and not holds(condition, given):
        more: Any = {"Item": given.item} if given.item else {}
        raise refusal("ConditionalCheckFailedException", **more)
