"""DynamoDB: conditions are judged, updates are made, and every call is billed by the size of what it touches."""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.fake.refusal import Refusal
from tests.support.aws.expressions import Given, holds, updated

Item = dict[str, Any]
_WRITE_BYTES, _READ_BYTES = 1024, 4096  # Of a unit [DynamoDB guide, read and write capacity].
_PAIR_BYTES = 3  # Of a map or a list itself, and one for each of its members [DynamoDB guide, item sizes].


@dataclass(frozen=True)
class Index:
    """A secondary index: what it holds of an item beside keys. An item without all of its keys is not in it."""

    name: str
    keys: tuple[str, ...]
    more: tuple[str, ...] = ()
    items: dict[tuple[str, ...], Item] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table by its key, with indexes. `units` counts what its calls are billed for, by kind."""

    keys: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    units: Counter[str] = field(default_factory=Counter)
    _partitions: dict[str, dict[tuple[str, ...], Item]] = field(default_factory=dict)

    @classmethod
    def of_template(cls, properties: Mapping[str, Any]) -> Table:
        """As the template describes it."""
        return cls(_names(properties["KeySchema"]), tuple(map(_index, properties.get("GlobalSecondaryIndexes", ()))))

    def calls(self) -> Mapping[str, Callable[[Any], Any]]:
        """By their names."""
        return {
            "UpdateItem": self.update,
            "PutItem": self.put,
            "DeleteItem": self.delete,
            "GetItem": self.get,
            "Query": self.query,
        }

    def update(self, call: Any) -> Any:
        """UpdateItem."""
        held = self._held(call["Key"])
        self._judge(held, call)
        item = {**updated(call["UpdateExpression"], self._given(held, call)), **call["Key"]}
        self._write(item)
        return _returned(call.get("ReturnValues"), held, item)

    def put(self, call: Any) -> Any:
        """PutItem."""
        item = call["Item"]
        held = self._held(item)
        self._judge(held, call)
        self._write(item)
        return _returned(call.get("ReturnValues"), held, item)

    def delete(self, call: Any) -> Any:
        """DeleteItem."""
        held = self._held(call["Key"])
        self._judge(held, call)
        self._bill_write(held, {})
        self._partition(call["Key"]).pop(self._place(call["Key"]), None)
        return _returned(call.get("ReturnValues"), held, {})

    def get(self, call: Any) -> Any:
        """GetItem."""
        held = self._held(call["Key"])
        self._bill_read(size_of(held), call)
        return {"Item": held} if held else {}

    def query(self, call: Any) -> Any:
        """Query of the table, or of an index; forward or backward, up to a limit."""
        index = next((item for item in self.indexes if item.name == call.get("IndexName")), None)
        keys = index.keys if index else self.keys
        candidates = index.items.values() if index else self._of_partition(call)
        found = [item for item in candidates if holds(call["KeyConditionExpression"], self._given(item, call))]
        found.sort(key=lambda item: [_ordered(item[name]) for name in keys[1:]])
        if not call.get("ScanIndexForward", True):
            found.reverse()
        found = found[: call.get("Limit")]
        self._bill_read(sum(map(size_of, found)), call)
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _of_partition(self, call: Any) -> Iterable[Item]:
        """The items whose partition key is the one that the condition names."""
        for name, value in re.findall(r"([#\w]+)\s*=\s*(:\w+)", call["KeyConditionExpression"]):
            if call.get("ExpressionAttributeNames", {}).get(name, name) == self.keys[0]:
                return self._partitions.get(_text(call["ExpressionAttributeValues"][value]), {}).values()
        raise Refusal("ValidationException", "Query condition missed key schema element")

    def _judge(self, held: Item, call: Any) -> None:
        """Raises where the condition does not hold, which is billed as a write of what is there."""
        condition = call.get("ConditionExpression")
        if condition and not holds(condition, self._given(held, call)):
            self.units["write"] += _units(size_of(held), _WRITE_BYTES)
            shown = {"Item": held} if held and call.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else {}
            raise Refusal("ConditionalCheckFailedException", "The conditional request failed", **shown)

    def _given(self, item: Item, call: Any) -> Given:
        return Given(item, call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {}))

    def _held(self, key: Item) -> Item:
        return dict(self._partition(key).get(self._place(key), {}))

    def _partition(self, key: Item) -> dict[tuple[str, ...], Item]:
        return self._partitions.setdefault(_text(key[self.keys[0]]), {})

    def _place(self, item: Item) -> tuple[str, ...]:
        return tuple(_text(item[name]) for name in self.keys)

    def _write(self, item: Item) -> None:
        partition, place = self._partition(item), self._place(item)
        self._bill_write(partition.get(place, {}), item)
        partition[place] = item

    def _bill_write(self, before: Item, after: Item) -> None:
        """The larger of both counts; an index entry that moves is deleted in one place and written in another."""
        self.units["write"] += _units(max(size_of(before), size_of(after)), _WRITE_BYTES)
        for index in self.indexes:
            old, new = self._entry(index, before), self._entry(index, after)
            if old != new:
                self.units["index write"] += _index_units(index, old, new)
            place = self._place(after or before)
            if new:
                index.items[place] = new
            else:
                index.items.pop(place, None)

    def _entry(self, index: Index, item: Item) -> Item:
        if any(name not in item for name in index.keys):
            return {}
        return {name: item[name] for name in (*index.keys, *self.keys, *index.more) if name in item}

    def _bill_read(self, size: int, call: Any) -> None:
        units = _units(size, _READ_BYTES)
        self.units["read"] += units if call.get("ConsistentRead") else units / 2  # type: ignore[assignment]  # halves


def _index_units(index: Index, old: Item, new: Item) -> int:
    """Of an entry that comes, goes, moves, which is both, or is changed in its place."""
    if old and new and all(old[name] == new[name] for name in index.keys):
        return _units(max(size_of(old), size_of(new)), _WRITE_BYTES)
    return sum(_units(size_of(entry), _WRITE_BYTES) for entry in (old, new) if entry)


def _index(described: Any) -> Index:
    projection = described["Projection"]
    assert projection["ProjectionType"] in {"KEYS_ONLY", "INCLUDE"}
    return Index(described["IndexName"], _names(described["KeySchema"]), tuple(projection.get("NonKeyAttributes", ())))


def _names(schema: Any) -> tuple[str, ...]:
    return tuple(item["AttributeName"] for item in sorted(schema, key=lambda item: item["KeyType"] != "HASH"))


def _returned(wanted: str | None, before: Item, after: Item) -> Any:
    if wanted == "ALL_NEW":
        return {"Attributes": after}
    return {"Attributes": before} if wanted == "ALL_OLD" and before else {}


def _units(size: int, of_bytes: int) -> int:
    return max(1, math.ceil(size / of_bytes))


def _text(value: Mapping[str, Any]) -> str:
    [text] = value.values()
    return str(text)


def _ordered(value: Mapping[str, Any]) -> tuple[float, str]:
    [(kind, content)] = value.items()
    return (float(content), "") if kind == "N" else (0.0, str(content))


def size_of(item: Item) -> int:
    """An item's size by DynamoDB's rules; numbers take about a byte for two digits."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(base64.b64decode(content))
        case "N":
            return len(content.strip("-.")) // 2 + 2
        case "M":
            return _PAIR_BYTES + len(content) + size_of(content)
        case "L":
            return _PAIR_BYTES + sum(1 + _size(member) for member in content)
        case "SS" | "NS":
            return sum(len(member.encode()) for member in content)
        case _:
            return 1
