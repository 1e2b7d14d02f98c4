"""Who waits for a small log is answered, whatever becomes of whoever reads them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from service.aws.log_batches import BatchPage, LogBatches
from service.core.log_lanes import StoppedLog
from service.logs.small import SmallLogs
from service.memory import Memory
from tests.support.room import room

NOW = 1000.0


class Batches:
    """Takes its turn when it is let, or fails at it."""

    def __init__(self) -> None:
        self.turn_comes = asyncio.Event()
        self.fails: Exception | None = None

    async def turn(self) -> None:
        await self.turn_comes.wait()
        if self.fails is not None:
            raise self.fails

    async def page(self, *_: object) -> BatchPage:
        raise AssertionError("nobody is asked for")


async def waits(small: SmallLogs, memory: Memory, stream: str, ended_at: float = NOW - 10) -> object:
    """What is answered to who wants a log that is due."""
    with memory.share() as held:
        return await small.read(StoppedLog("g", stream, ended_at), held)


def reading(batches: Batches, memory: Memory) -> SmallLogs:
    """Reads what has been quiet for five seconds."""
    return SmallLogs(cast(LogBatches, cast(Any, batches)), 5.0, memory, lambda: NOW)


async def test_who_waits_when_it_is_closed_reads_by_itself() -> None:
    """At once, as does who comes later; and nobody's log is asked for any more."""
    batches, memory = Batches(), room()
    small = reading(batches, memory)
    waiting = [asyncio.create_task(waits(small, memory, stream)) for stream in ("a", "b")]
    waiting.append(asyncio.create_task(waits(small, memory, "later", NOW + 100)))
    await asyncio.sleep(0.001)
    small.close()
    assert await asyncio.gather(*waiting) == [None, None, None]
    batches.turn_comes.set()
    assert await waits(small, memory, "c") is None
    for _ in range(5):
        await asyncio.sleep(0)
    assert (small._waiting, memory.held) == ([], 0)


@pytest.mark.parametrize("fails", [ZeroDivisionError("a bug"), OSError("no network")])
async def test_a_bug_of_who_takes_turns_is_theirs_who_wait(fails: Exception) -> None:
    """Nobody waits for an answer that cannot come; who comes next is served by another."""
    batches, memory = Batches(), room()
    small = reading(batches, memory)
    batches.fails = fails
    waiting = [asyncio.create_task(waits(small, memory, stream)) for stream in ("a", "b")]
    await asyncio.sleep(0.001)
    batches.turn_comes.set()
    assert await asyncio.gather(*waiting, return_exceptions=True) == [fails, fails]
    assert memory.held == 0
    batches.turn_comes.clear()
    batches.fails = None
    again = asyncio.create_task(waits(small, memory, "c"))
    await asyncio.sleep(0.001)
    assert not again.done()
    small.close()
    assert await again is None
