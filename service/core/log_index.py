"""Where the lines of a large archived log are, and when some of them were written: an object beside the log.

A log of more than INDEXED_BYTES has one, under the log's key with `.lines` for `.log`: gzipped JSON, written once,
after the log and before its receipt. So any line is read by one ranged GET, from the last mark before it. A smaller log
has none: it is one PUT, of which this would make two, and is read from its beginning. So is a log whose index is not
there, or cannot be read.

    {"version": 1, "lines": 1000000, "bytes": 104857600,
     "line":   [1, 650, ...],              the numbers of the lines that are marked, counted from 1
     "offset": [0, 65601, ...],            where they begin in the log, in bytes
     "at":     [1700000000123, 1004, ...]} when they were written, in epoch milliseconds

Each number of a column is the difference to the one before it. Lines are what newlines end: an event of several has as
many, of which the first may be marked. A line is marked where the last mark is 64 KiB away; and
where it is a second older and a sixteenth of that away. At 8,192 marks every other one goes, and the distances are
doubled: so an index has some 100 KB at the most, whatever its log has.
"""

from __future__ import annotations

import gzip
import json
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

# As much as goes to S3 in one request: a log with an index has had four at the least, of which this makes five.
INDEXED_BYTES = 8 * 1024 * 1024
MOST_INDEX_BYTES = 4 * 1024 * 1024
MOST_MARKS = 8192
_STRIDE = 64 * 1024
_FINER = 16
_SECOND = 1000


def index_key(log_key: str) -> str:
    """The key of the index of a log with this one."""
    return f"{log_key.removesuffix('.log')}.lines"


@dataclass(frozen=True)
class Mark:
    """A line, counted from 1, where it begins, in bytes, and when it was written, in epoch seconds."""

    line: int
    offset: int
    at: float


@dataclass
class Marks:
    """The marks of a log that goes by; of bounded size."""

    stride: int = _STRIDE
    lines: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    _next: int = 0
    _next_later: int = 0
    _later: float = 0.0

    def note(self, line: int, offset: int, at: float) -> None:
        """That a line of this number begins here, and was written then, in epoch seconds."""
        if offset < self._next and not (offset >= self._next_later and at >= self._later):
            return
        self.lines.append(line)
        self.offsets.append(offset)
        self.times.append(round(at * _SECOND))
        if len(self.lines) >= MOST_MARKS:
            self._thin_out()
        self._next = offset + self.stride
        self._next_later, self._later = offset + self.stride // _FINER, at + 1.0

    def _thin_out(self) -> None:
        self.lines, self.offsets, self.times = self.lines[::2], self.offsets[::2], self.times[::2]
        self.stride *= 2

    def packed(self, lines: int, size: int) -> bytes:
        """The index of a log of so many lines and bytes."""
        columns = {"line": self.lines, "offset": self.offsets, "at": self.times}
        told = {"version": 1, "lines": lines, "bytes": size, **{name: _steps(held) for name, held in columns.items()}}
        return gzip.compress(json.dumps(told, separators=(",", ":")).encode(), mtime=0)


def _steps(values: Iterable[int]) -> list[int]:
    return [after - before for before, after in pairwise((0, *values))]


class _Packed(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    version: Literal[1]
    lines: int
    line: tuple[int, ...]
    offset: tuple[int, ...]
    at: tuple[int, ...]


@dataclass(frozen=True)
class LogIndex:
    """The marks of a log that is archived, which has so many lines."""

    total: int
    lines: tuple[int, ...]
    offsets: tuple[int, ...]
    times: tuple[int, ...]

    @classmethod
    def unpacked(cls, body: bytes) -> LogIndex | None:
        """What was written; None for what cannot be read."""
        try:
            found = _Packed.model_validate_json(gzip.decompress(body))
        except (OSError, EOFError, zlib.error, ValidationError):
            return None
        if not found.line or not len(found.line) == len(found.offset) == len(found.at):
            return None
        return cls(found.lines, *(tuple(accumulate(column)) for column in (found.line, found.offset, found.at)))

    def before(self, line: int) -> Mark:
        """The last mark at this line or before it."""
        return self._mark(max(0, bisect_right(self.lines, line) - 1))

    def after(self, line: int) -> Mark | None:
        """The first mark behind this line; None where its end is the log's."""
        place = bisect_right(self.lines, line)
        return self._mark(place) if place < len(self.lines) else None

    def times_of(self, first: int, count: int) -> dict[int, float]:
        """When those of some lines were written that are marked."""
        start, end = bisect_left(self.lines, first), bisect_left(self.lines, first + count)
        return {self.lines[place]: self.times[place] / _SECOND for place in range(start, end)}

    def _mark(self, place: int) -> Mark:
        return Mark(self.lines[place], self.offsets[place], self.times[place] / _SECOND)
