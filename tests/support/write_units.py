"""What DynamoDB bills of a table's writes, by its rules: the larger item of before and after, in steps of a KB, and the
entries of its indexes that change [DynamoDB guide, capacity unit consumption for write operations; item sizes; GSIs].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tests.support.aws.dynamodb import Item, SimTable
from tests.support.template import properties

_UNIT_BYTES = 1024


@dataclass
class WriteUnits:
    """Counts what a table's writes cost from now on."""

    table: SimTable
    units: int = 0
    of_indexes: int = 0
    writes: int = 0
    largest_head: int = 0

    def __post_init__(self) -> None:
        self._indexes = [_Index(given) for given in properties("JobsTable")["GlobalSecondaryIndexes"]]
        self.table.on_write = self._count

    def _count(self, key: str, part: str, before: Item, after: Item) -> None:
        self.writes += 1
        self.units += units_of(max(item_bytes(before), item_bytes(after)))
        self.of_indexes += sum(index.units(before, after) for index in self._indexes)
        if part == "head":
            self.largest_head = max(self.largest_head, item_bytes(after))

    @property
    def all(self) -> int:
        """Those of the table and of its indexes."""
        return self.units + self.of_indexes


class _Index:
    def __init__(self, given: dict[str, Any]) -> None:
        self._keys = [key["AttributeName"] for key in given["KeySchema"]]
        more = given["Projection"].get("NonKeyAttributes", [])
        self._projected = {*self._keys, *more, "record_key", "part"}

    def units(self, before: Item, after: Item) -> int:
        """None where no projected attribute changed; a key that moves is deleted in one place, and put in another."""
        held, entry = self._entry(before), self._entry(after)
        if held == entry:
            return 0
        moves = held is None or entry is None or any(held[key] != entry[key] for key in self._keys)
        if not moves:
            return units_of(max(item_bytes(held or {}), item_bytes(entry or {})))
        return sum(units_of(item_bytes(item)) for item in (held, entry) if item is not None)

    def _entry(self, item: Item) -> Item | None:
        if not all(key in item for key in self._keys):
            return None
        return {name: value for name, value in item.items() if name in self._projected}


def units_of(size: int) -> int:
    """Write units of an item of this size."""
    return max(1, math.ceil(size / _UNIT_BYTES))


def item_bytes(item: Item) -> int:
    """The size of an item: its names and its values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: dict[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(str(content).replace(".", "").strip("-0")) / 2) + 1
        case "B":
            return len(content)
        case "SS":
            return sum(len(member.encode()) for member in content)
        case "M":
            return 3 + sum(len(name.encode()) + _value_bytes(held) + 1 for name, held in content.items())
    raise ValueError(f"a value of the type {kind} is not counted yet")
