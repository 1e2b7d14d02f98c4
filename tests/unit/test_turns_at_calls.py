"""Turns at calls that nobody is promised: taken when there is one, however often AWS throttled before."""

from __future__ import annotations

import pytest

from service.aws.pace import Pace
from tests.support.loop import VirtualLoop
from tests.support.virtual_worker import on_virtual_time


def test_who_is_told_to_wait_has_taken_nothing() -> None:
    """All who ask in vain are told the same."""

    async def story(loop: VirtualLoop) -> None:
        pace = Pace.even(2)
        assert pace.try_to_take() == 0
        assert pace.try_to_take() == pace.try_to_take() == pytest.approx(0.5, abs=0.001)
        await loop.pause(0.501)
        assert pace.try_to_take() == 0

    on_virtual_time(story)


def test_ten_who_wait_after_many_throttles_are_served_as_the_pace_comes_back() -> None:
    """By what a turn was promised for at the lowest rate, the last would wait ten minutes."""

    async def story(loop: VirtualLoop) -> None:
        pace = Pace.even(1)
        for _ in range(40):
            pace.throttled()
            await loop.pause(1)
        began, served = loop.time(), 0
        while served < 10:
            if seconds := pace.try_to_take():
                assert seconds <= 1
                await loop.pause(seconds)
            else:
                served += 1
        assert 10 < loop.time() - began < 120

    on_virtual_time(story)
