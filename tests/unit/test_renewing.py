"""What is renewed beside the work: not before its time, no longer than the work, and its failures are seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from service.renewing import Renewing
from tests.support.loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


def renewals(loop: VirtualLoop, takes: float, most: int = 100) -> list[float]:
    """When work that takes so long is renewed, if it is renewed every ten seconds and so often at the most."""
    renewed: list[float] = []

    async def renew() -> bool:
        renewed.append(round(loop.time()))
        return len(renewed) < most

    async def work() -> None:
        async with Renewing(10, renew):
            await asyncio.sleep(takes)
        await asyncio.sleep(100)

    loop.run_until_complete(work())
    return renewed


@pytest.mark.parametrize(("takes", "renewed"), [(9, []), (11, [10]), (35, [10, 20, 30])])
def test_it_is_renewed_for_as_long_as_the_work_takes(loop: VirtualLoop, takes: float, renewed: list[float]) -> None:
    """And no more once it is over."""
    assert renewals(loop, takes) == renewed


def test_it_is_not_renewed_after_the_last_time(loop: VirtualLoop) -> None:
    """Whoever renews says when it was."""
    assert renewals(loop, takes=95, most=2) == [10, 20]


def test_work_that_is_soon_over_makes_no_task(loop: VirtualLoop) -> None:
    """Thousands of pieces of work a minute end before their first renewal."""

    async def never() -> bool:
        raise AssertionError

    async def work() -> None:
        before = asyncio.all_tasks()
        async with Renewing(10, never):
            await asyncio.sleep(1)
            assert asyncio.all_tasks() == before

    loop.run_until_complete(work())


def test_a_bug_of_a_renewal_is_seen(loop: VirtualLoop) -> None:
    """Once the work is over."""

    async def broken() -> bool:
        raise KeyError("bug")

    async def work() -> None:
        async with Renewing(10, broken):
            await asyncio.sleep(15)

    with pytest.raises(KeyError):
        loop.run_until_complete(work())


def test_work_that_is_cut_off_while_its_renewal_ends_is_cut_off(loop: VirtualLoop) -> None:
    """As when a drain is over: the end of the renewal, which is cut off too, must not be taken for its own."""
    went_on: list[str] = []

    async def slow_to_end() -> bool:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)
        return True

    async def work() -> None:
        async with Renewing(10, slow_to_end):
            await asyncio.sleep(15)
        went_on.append("as if nothing had been")

    async def drain() -> bool:
        working = asyncio.create_task(work())
        await asyncio.sleep(17)
        working.cancel()
        await asyncio.wait((working,))
        return working.cancelled()

    assert loop.run_until_complete(drain())
    assert went_on == []
