"""Virtual time: nobody waits, the dead do nothing, and the order of things is the seed's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.support.loop import Process, StuckError, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


def test_a_day_passes_at_once(loop: VirtualLoop) -> None:
    """asyncio's own waiting, too, is on virtual time."""

    async def day() -> float:
        await asyncio.sleep(80_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 6_400)
        return loop.time()

    assert loop.run_until_complete(day()) == pytest.approx(86_400)


def test_a_killed_process_does_nothing_more(loop: VirtualLoop) -> None:
    """Not even what it would do finally."""
    done: list[str] = []
    process = Process("doomed")

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            done.append("worked")
        finally:
            done.append("cleaned up")

    async def world() -> None:
        loop.create_task(work(), context=process.context)
        await asyncio.sleep(5)
        loop.kill(process)
        await asyncio.sleep(100)
        assert done == []

    loop.run_until_complete(world())


def test_a_stalled_process_goes_on_later(loop: VirtualLoop) -> None:
    """Its timers are late, and lost is nothing."""
    process = Process("slow")
    woke_at: list[float] = []

    async def work() -> None:
        await asyncio.sleep(1)
        woke_at.append(loop.time())

    process.stalled_until = 30.0
    loop.create_task(work(), context=process.context)
    loop.run_until_complete(asyncio.wait_for(_until(lambda: bool(woke_at)), 60))
    assert woke_at[0] >= 30


async def _until(holds: Any) -> None:
    while not holds():  # noqa: ASYNC110  # the virtual time that passes is what is tested
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_is_the_seeds(seed: int) -> None:
    """The same seed gives the same order, and some seed gives another than first come, first served."""
    orders = {_order(Random(number)) for number in range(20)}
    assert _order(Random(seed)) == _order(Random(seed))
    assert len(orders) > 1


def _order(chance: Random) -> tuple[int, ...]:
    loop = VirtualLoop(chance)
    order: list[int] = []

    async def work(number: int) -> None:
        order.append(number)

    async def all_at_once() -> None:
        await asyncio.gather(*(work(number) for number in range(5)))

    loop.run_until_complete(all_at_once())
    loop.bury()
    return tuple(order)


def test_what_can_never_end_is_told(loop: VirtualLoop) -> None:
    """Where nothing is left to wait for, the loop says so instead of hanging."""
    with pytest.raises(StuckError):
        loop.run_until_complete(asyncio.Event().wait())
