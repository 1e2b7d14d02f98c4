"""How a record lies in DynamoDB: one partition a record, several items, one attribute a register.

    head                      what decisions are made on, small: an update is billed by its whole item
    outcome#<n>               how the execution ended, where it tells of many attempts
    request                   the request with its execution input
    task#<id>                 a task that stopped, and who archives its logs
    task#<id>#<container>     what became of one of its logs

The head is the first in the order of the parts, and is written after what it leaves out: whoever reads a record from
its beginning finds all that the head speaks of. The head has a tally of the tasks beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from service.aws.packing import packed, unpacked
from service.core.record.facts import FACT, Fact, LogArchived, task_spoken_of
from service.core.record.keys import RecordKey
from service.core.record.record import Record, Tally
from service.core.record.registers import Registers

HEAD, REQUEST = "head", "request"
CHANGES, STOPS, LAST_MADE_AT, LOGS_OWED = "changes", "stops", "made_at", "logs_owed"
_TASK, _OUTCOME = "task#", "outcome#"
_REGISTER = "r#"
_CLAIM = "claim#"
_BETWEEN = "#"
_NONE = {"N": "0"}
# What key, name and summary say already: how long stages took is kept where lists find it.
_SAID_ELSEWHERE = {"job_id", "record_key", "what", "kind", "spent"}

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """When an item beside a head was written, and when it leaves by its time to live, both in seconds since 1970."""

    written_at: int
    expires_at: int

    def as_attributes(self) -> dict[str, Any]:
        """The same in an item."""
        return {"written_at": {"N": str(self.written_at)}, "expires_at": {"N": str(self.expires_at)}}

    @staticmethod
    def was_written_at(item: Item) -> int:
        """When this item was written; long ago where it does not say so."""
        return int(item.get("written_at", _NONE)["N"])


def item_key(key: RecordKey, part: str = HEAD) -> dict[str, Any]:
    """The key of one part of a record."""
    return {"record_key": {"S": str(key)}, "part": {"S": part}}


def part_of(fact: Fact) -> str:
    """The part that a fact of a task that stopped lies in: how it ended, who archives its logs, what became of one."""
    task_id = task_spoken_of(fact)
    return f"{_TASK}{task_id}#{fact.container}" if isinstance(fact, LogArchived) else f"{_TASK}{task_id}"


def outcome_part(redrive_count: int) -> str:
    """The part that an outcome of many attempts lies in."""
    return f"{_OUTCOME}{redrive_count}"


def attribute_of(register_name: str) -> str:
    """The attribute that holds a register."""
    return f"{_REGISTER}{register_name}"


def registers_of(*facts: Fact) -> dict[str, Any]:
    """These facts as attributes."""
    return {attribute_of(fact.register_name): register_of(fact) for fact in facts}


def register_of(fact: Fact) -> Any:
    """A fact as the value of its attribute, without what is said elsewhere, and what is not so."""
    said = fact.model_dump_json(exclude_defaults=True, exclude=_SAID_ELSEWHERE)
    text = f'{{"kind":"{fact.kind}",{said[1:]}' if said != "{}" else f'{{"kind":"{fact.kind}"}}'
    return {"M": {"rank": {"N": str(fact.rank)}, "fact": packed(text)}}


def text_in(register: Any) -> str:
    """The text of a fact, out of the value of its attribute."""
    return unpacked(register["M"]["fact"])


def record_of(key: RecordKey, *items: Item) -> Record:
    """The record that these items hold together: of each register what knows most, and of equals the part's."""
    kept: dict[str, Any] = {}
    for item in items:
        for name, value in item.items():
            if name.startswith(_REGISTER) and _knows_no_less(value, kept.get(name)):
                kept[name] = value
    texts = {name.removeprefix(_REGISTER): text_in(register) for name, register in kept.items()}
    parts = (item.get("part", {}).get("S", HEAD) for item in items)
    return Record(
        key,
        Registers(texts, partial(_fact, key)),
        tally=_tally(items),
        kept_beside=frozenset(part.split(_BETWEEN)[1] for part in parts if part.startswith(_TASK)),
    )


def _knows_no_less(new: Any, held: Any) -> bool:
    return held is None or int(new["M"]["rank"]["N"]) >= int(held["M"]["rank"]["N"])


def _tally(items: Iterable[Item]) -> Tally:
    head = next((item for item in items if CHANGES in item), None)
    if head is None:
        return Tally()
    return Tally(
        changes=int(head[CHANGES]["N"]),
        stops=int(head.get(STOPS, _NONE)["N"]),
        last_made_at=float(head.get(LAST_MADE_AT, _NONE)["N"]),
        logs_owed=frozenset(head[LOGS_OWED]["SS"]) if LOGS_OWED in head else frozenset(),
    )


def _fact(key: RecordKey, name: str, text: str) -> Fact:
    what = f'"what":"{name.removeprefix(_CLAIM)}",' if name.startswith(_CLAIM) else ""
    return FACT.validate_json(f"{_whose(key)},{what}{text[1:]}")


@lru_cache(maxsize=1000)
def _whose(key: RecordKey) -> str:
    """How the JSON of a fact of this record begins."""
    return json.dumps({"job_id": key.id, "record_key": {"kind": key.kind, "id": key.id}})[:-1]
