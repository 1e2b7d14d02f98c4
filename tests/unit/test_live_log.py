"""A log while it is written: looked at once for all, each line once, and no more of it held than there is room for."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.aws.log_looks import FoundLine, FoundLines
from service.aws.tasks import LogConfiguration
from service.tracking import logs
from service.tracking.logs import LogPlace, LogReader
from tests.support.builders import execution, record, requested, running

PLACE = LogPlace(1, 1, "main")
RUNNING = record(requested(), execution("RUNNING"), running(task_definition_arn="arn"))


@dataclass
class Stream:
    """Lines as they come; each look tells those from its moment on, as FilterLogEvents does."""

    written: list[FoundLine] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    async def since(self, _group: str, _stream: str, at: float, _token: str | None) -> FoundLines:
        """What was written since."""
        self.looks.append(at)
        return FoundLines(tuple(line for line in self.written if line.at >= at), None)

    async def log_configurations(self, _arn: str) -> dict[str, LogConfiguration]:
        """Where the container logs to."""
        return {"main": LogConfiguration(driver="awslogs", group="g", stream_prefix="p")}

    def write(self, *texts: str, at: float) -> None:
        """Some lines of one moment."""
        first = len(self.written)
        self.written += [FoundLine(f"{first + n}", at, text) for n, text in enumerate(texts)]


def reader_of(stream: Stream) -> LogReader:
    """Whoever comes looks anew."""
    reader = LogReader(cast(Any, stream), cast(Any, stream), cast(Any, SimpleNamespace()))
    reader._live.seconds = 0.0
    return reader


async def test_each_line_is_told_once_though_its_moment_is_looked_at_again() -> None:
    """Others of the same moment may have come since."""
    stream = Stream()
    reader = reader_of(stream)
    stream.write("one", "two\n", at=5.0)
    assert (await reader.lines(RUNNING, PLACE, 1, 10)).lines == ("one", "two")
    stream.write("three", at=5.0)
    stream.write("four", at=6.0)
    told = await reader.lines(RUNNING, PLACE, 3, 10)
    assert (told.first_line, told.lines, told.complete) == (3, ("three", "four"), False)
    assert stream.looks == [0.0, 5.0]


async def test_of_a_long_log_the_last_lines_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for earlier ones is told which are the first that are."""
    monkeypatch.setattr(logs, "_HELD_LINES", 3)
    stream = Stream()
    stream.write(*(f"line {number}" for number in range(1, 6)), at=1.0)
    told = await reader_of(stream).lines(RUNNING, PLACE, 1, 10)
    assert (told.first_line, told.lines) == (3, ("line 3", "line 4", "line 5"))


async def test_of_a_log_of_long_lines_so_many_bytes_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line at the least."""
    monkeypatch.setattr(logs, "_HELD_BYTES", 10)
    stream = Stream()
    stream.write("a" * 8, "b" * 8, "c" * 80, at=1.0)
    assert (await reader_of(stream).lines(RUNNING, PLACE, 1, 10)).lines == ("c" * 80,)


async def test_a_range_of_lines_is_cut_by_count() -> None:
    """And says that there is more."""
    stream = Stream()
    stream.write("a", "b", "c", at=1.0)
    told = await reader_of(stream).lines(RUNNING, PLACE, 2, 1)
    assert (told.lines, told.more) == (("b",), True)


async def test_an_event_of_several_lines_is_as_many() -> None:
    """As it will be in the archive: who follows the log goes on there by the same numbers."""
    stream = Stream()
    stream.write("one\n  two\n\n  four\n", "five", at=1.0)
    assert (await reader_of(stream).lines(RUNNING, PLACE, 1, 10)).lines == ("one", "  two", "", "  four", "five")
