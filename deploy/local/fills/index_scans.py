"""Scan of an index as DynamoDB orders it: by partitions, and within each by its sort key [DynamoDB guide, Scan]. A gap
in ministack 1.5.33: it orders all partitions' items together, so that no scan can begin behind one of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from ministack.core.responses import json_response
from ministack.services import dynamodb

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import JsonObject, Response

Scan = Callable[[JsonObject], Response]
_ELSEWHERE = ("FilterExpression", "Segment", "ScanFilter")  # Asked for by nobody here: the emulator's own answers them.


def install() -> None:
    """Put it before the emulator's own."""
    own: list[Scan] = []
    own.append(replace(dynamodb, "_scan", lambda request: scan(own[0], request)))


def scan(scanned_by_emulator: Scan, request: JsonObject) -> Response:
    """A page of an index; of a table, the emulator's."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName")))
    index = dynamodb._index_def(table, request.get("IndexName")) if table else None
    if table is None or index is None or any(name in request for name in _ELSEWHERE):
        return scanned_by_emulator(request)
    hashes, ranges = dynamodb._index_key_lists(index)
    keys = list(dict.fromkeys((*hashes, *ranges, table["pk_name"], table["sk_name"])))
    place = partial(_place, len(hashes), keys)
    begin = request.get("ExclusiveStartKey")
    items = [item for parts in table["items"].values() for item in parts.values() if all(key in item for key in keys)]
    left = sorted((item for item in items if begin is None or place(item) > place(begin)), key=place)
    page = left[: request.get("Limit")]
    # Who stops at the limit does not look whether there is more.
    stopped = page and len(page) == request.get("Limit")
    more = {"LastEvaluatedKey": {key: page[-1][key] for key in keys}} if stopped else {}
    shown = [dynamodb._apply_projection(item, request) for item in page]
    answer: Response = json_response({"Items": shown, "Count": len(shown), "ScannedCount": len(shown), **more})
    return answer


def _place(hashed: int, keys: list[str], item: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where an item is: partitions are in the order of a hash, which nobody is told."""
    partition = hashlib.sha256(json.dumps([item[key] for key in keys[:hashed]]).encode()).digest()
    return (partition, *(_value(item[key]) for key in keys[hashed:]))


def _value(typed: Mapping[str, str]) -> Decimal | str:
    return Decimal(typed["N"]) if "N" in typed else next(iter(typed.values()))
