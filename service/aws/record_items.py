"""How a record lies in DynamoDB: one partition a record, several items, one attribute a register.

    head            what decisions are made on, small: an update is billed by its whole item
    outcome#<n>     how the execution ended, where it tells of many attempts
    request         the request with its execution input
    task#<id>       a task that stopped, and what became of its logs

The head is the first in the order of the parts, and is written after what it leaves out: whoever reads a record from
its beginning finds all that the head speaks of. Of a task that was put away the head keeps a marker, by which what is
told late or twice of it is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from service.core.record.facts import FACT, Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.registers import Registers

HEAD, REQUEST = "head", "request"
_TASK, _OUTCOME = "task#", "outcome#"
_REGISTER, _MARKER = "r#", "s#"
_CLAIM = "claim#"
_IN_THE_NAMES = {"job_id", "record_key", "what", "kind"}

Item = Mapping[str, Any]


def item_key(key: RecordKey, part: str = HEAD) -> dict[str, Any]:
    """The key of one part of a record."""
    return {"record_key": {"S": str(key)}, "part": {"S": part}}


def task_part(task_id: str) -> str:
    """The part that a settled task is put away in."""
    return f"{_TASK}{task_id}"


def outcome_part(redrive_count: int) -> str:
    """The part that an outcome of many attempts lies in."""
    return f"{_OUTCOME}{redrive_count}"


def attribute_of(register_name: str) -> str:
    """The attribute that holds a register."""
    return f"{_REGISTER}{register_name}"


def marker_attribute(marker: str) -> str:
    """The attribute that says that a task was put away."""
    return f"{_MARKER}{marker}"


def registers_of(*facts: Fact) -> dict[str, Any]:
    """These facts as attributes."""
    return {attribute_of(fact.register_name): register_of(fact) for fact in facts}


def register_of(fact: Fact) -> Any:
    """A fact as the value of its attribute, without what key and name say, and what is not so."""
    said = fact.model_dump_json(exclude_defaults=True, exclude=_IN_THE_NAMES)
    text = f'{{"kind":"{fact.kind}",{said[1:]}' if said != "{}" else f'{{"kind":"{fact.kind}"}}'
    return {"M": {"rank": {"N": str(fact.rank)}, "fact": {"S": text}}}


def record_of(key: RecordKey, *items: Item) -> Record:
    """The record that these items hold together: of each register what knows most, and of equals the part's."""
    kept: dict[str, Any] = {}
    for item in items:
        for name, value in item.items():
            if name.startswith(_REGISTER) and _knows_no_less(value["M"], kept.get(name)):
                kept[name] = value["M"]
    texts = {name.removeprefix(_REGISTER): register["fact"]["S"] for name, register in kept.items()}
    parts = (item.get("part", {}).get("S", HEAD) for item in items)
    return Record(
        key,
        Registers(texts, partial(_fact, key)),
        settled=_markers(items),
        kept_beside=frozenset(part.removeprefix(_TASK) for part in parts if part.startswith(_TASK)),
    )


def _knows_no_less(told: Any, held: Any) -> bool:
    return held is None or int(told["rank"]["N"]) >= int(held["rank"]["N"])


def _markers(items: Iterable[Item]) -> dict[str, float]:
    named = ((name, value) for item in items for name, value in item.items() if name.startswith(_MARKER))
    return {name.removeprefix(_MARKER): float(value["N"]) for name, value in named}


def _fact(key: RecordKey, name: str, text: str) -> Fact:
    what = f'"what":"{name.removeprefix(_CLAIM)}",' if name.startswith(_CLAIM) else ""
    return FACT.validate_json(f"{_whose(key)},{what}{text[1:]}")


@lru_cache(maxsize=1000)
def _whose(key: RecordKey) -> str:
    """How the JSON of a fact of this record begins."""
    return json.dumps({"job_id": key.id, "record_key": {"kind": key.kind, "id": key.id}})[:-1]
