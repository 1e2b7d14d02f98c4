"""A record as a case holds it, and back."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import ValidationError

from schemas.casefile import CaseRecord
from service.core.casefile.errors import CaseFileError
from service.core.record.facts import FACT, Fact
from service.core.record.keys import RecordKey, RecordKind
from service.core.record.record import Record

_UNKNOWN_KIND = "union_tag_invalid"


def case_record(record: Record) -> CaseRecord:
    """Every fact of a record."""
    return CaseRecord(
        kind=record.key.kind,
        id=record.key.id,
        registers={name: cast("dict[str, Any]", FACT.dump_python(fact, mode="json")) for name, fact in _facts(record)},
        kept_beside=tuple(sorted(record.kept_beside)),
    )


def _facts(record: Record) -> list[tuple[str, Fact]]:
    return [(name, record.registers[name]) for name in sorted(record.registers)]


def record_of(case: CaseRecord) -> tuple[Record, tuple[str, ...]]:
    """The record, and the names of registers that only a newer Jobferry understands. Raises CaseFileError."""
    registers: dict[str, Fact] = {}
    unknown: list[str] = []
    for name, register in case.registers.items():
        fact = _fact(name, register)
        if fact is None:
            unknown.append(name)
        else:
            registers[fact.register_name] = fact
    key = RecordKey(cast("RecordKind", case.kind), case.id)
    return Record(key, registers, kept_beside=frozenset(case.kept_beside)), tuple(unknown)


def _fact(name: str, register: dict[str, Any]) -> Fact | None:
    try:
        return FACT.validate_json(json.dumps(register))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == _UNKNOWN_KIND:
            return None
        where = ".".join(map(str, ("record.json", "registers", name, *first["loc"])))
        raise CaseFileError(f"{where}: {first['msg']}") from None
