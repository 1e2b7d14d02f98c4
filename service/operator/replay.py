"""`jobferry replay`: the decisions of a case file, made again offline by the code that would make them now."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from schemas.casefile import Difference, Replay, ReplayedPart
from service.core.casefile.errors import CaseFileError
from service.core.casefile.files import read_case
from service.core.casefile.replay import replay
from service.operator.printing import as_json, harmless, line, table

SAME, DIFFERS, USAGE = 0, 1, 2
_LARGEST_BYTES = 512 * 1024 * 1024
_COLUMNS = ("part", "field", "decided then", "decided now")
_LONGEST_CELL = 200


def run(options: argparse.Namespace) -> int:
    """Replay it; 0 where all is decided as it was then, 1 where something is not.

    And 2 where it cannot be read, or where nothing of it could be decided again: that is no proof that it is as it was.
    """
    try:
        with _opened(options.file) as file:
            found = replay(read_case(file), version("jobferry"))
    except (CaseFileError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        print(harmless(f"{options.file} cannot be replayed: {why}."), file=sys.stderr)
        return USAGE
    if options.json:
        as_json(found)
    else:
        _tell(found)
    if not any(part.decisions for part in found.parts):
        print(harmless(f"Nothing of {options.file} could be decided again."), file=sys.stderr)
        return USAGE
    return DIFFERS if found.differs else SAME


@contextmanager
def _opened(where: str) -> Iterator[IO[bytes]]:
    if where == "-":
        yield _no_larger(io.BytesIO(sys.stdin.buffer.read(_LARGEST_BYTES + 1)))
        return
    with Path(where).open("rb") as file:
        yield _no_larger(file)


def _no_larger(file: IO[bytes]) -> IO[bytes]:
    if file.seek(0, io.SEEK_END) > _LARGEST_BYTES:
        raise CaseFileError(f"it is larger than the {_LARGEST_BYTES:,} bytes that a case file may have")
    file.seek(0)
    return file


def _tell(found: Replay) -> None:
    line(f"{found.job_id or found.message_id}: {found.status}, a case of {found.made_at}")
    line(f"decided by Jobferry {found.made_by}, and now by {found.replayed_by}")
    for part in found.parts:
        line(f"  {part.part:<10} {_came_to(part)}")
        for why in part.not_replayed:
            line(f"             not replayed: {why}")
    rows = [_row(part, difference) for part in found.parts for difference in part.differences]
    if rows:
        line()
        table(_COLUMNS, rows)


def _came_to(part: ReplayedPart) -> str:
    if not part.decisions:
        return "nothing to decide again"
    decided = f"{part.decisions:,} decision{'' if part.decisions == 1 else 's'}"
    count = len(part.differences)
    return f"{decided}, {count:,} difference{'' if count == 1 else 's'}" if count else f"{decided}, as then"


def _row(part: ReplayedPart, difference: Difference) -> tuple[str, str, str, str]:
    return part.part, difference.where, _cell(difference.then), _cell(difference.now)


def _cell(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."
