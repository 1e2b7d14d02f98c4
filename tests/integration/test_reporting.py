"""The metrics of a worker: what its parts count, and when it is told."""

from __future__ import annotations

import asyncio
import json

import pytest

from service.metrics import POLLS, UNMETERED, Metrics
from tests.support.waiting import eventually
from workers.reporting import metrics_reported


def polls(lines: list[str]) -> list[int]:
    """What each line says of polls; each is a line by itself."""
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    return [json.loads(line)["Polls"] for line in lines]


async def test_metrics_are_told_at_an_interval_and_once_more_at_the_end() -> None:
    """So that a drain loses nothing."""
    metrics, lines = Metrics(), list[str]()
    metrics.count(POLLS, 5)
    async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append, every_seconds=0.01):
        await eventually(lambda: len(lines) >= 2)
    assert polls(lines)[:2] == [5, 0]
    written = len(lines)
    async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append):
        metrics.count(POLLS, 3)
    assert polls(lines[written:]) == [3]


async def test_a_crash_is_told_before_it_is_seen() -> None:
    """The last minute is what one wants to know of then."""
    metrics, lines = Metrics(), list[str]()
    with pytest.raises(ZeroDivisionError):
        async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append):
            metrics.count(POLLS)
            raise ZeroDivisionError
    assert polls(lines) == [1]


async def test_nothing_is_written_where_metrics_are_off() -> None:
    """Not even an empty line."""
    lines: list[str] = []
    async with metrics_reported(UNMETERED, "jobferry", lambda: 1.0, lines.append, every_seconds=0):
        await asyncio.sleep(0)
    assert lines == []


async def test_a_closed_pipe_is_no_reason_to_end_a_worker() -> None:
    """Its work is worth more than its numbers."""
    tries: list[str] = []

    def closed(line: str) -> None:
        tries.append(line)
        raise BrokenPipeError

    async with metrics_reported(Metrics(), "jobferry", lambda: 1.0, closed, every_seconds=0.01):
        await eventually(lambda: len(tries) >= 2)


async def test_a_bug_of_the_reporting_is_seen() -> None:
    """Not at once, for the work is worth more; but it does not go unheard."""
    tries: list[str] = []

    def fails_once(line: str) -> None:
        tries.append(line)
        if len(tries) == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with metrics_reported(Metrics(), "jobferry", lambda: 1.0, fails_once, every_seconds=0):
            await eventually(lambda: bool(tries))
