"""Starts of which a refusal may yet be heard, on virtual time; and how long one waits to be told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from service.aws.outstanding import Outstanding
from service.core.window import Window
from tests.support.loop import VirtualLoop
from workers.stopping import told_to_stop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


Story = Callable[[], Coroutine[Any, Any, None]]


def told(loop: VirtualLoop, story: Story) -> None:
    """A story, to its end."""
    loop.run_until_complete(story())


def test_a_start_is_outstanding_until_its_refusal_would_have_been_heard(loop: VirtualLoop) -> None:
    """To the moment; then it counts as taken on, and the window grows by it."""

    async def story() -> None:
        starts = Outstanding(Window(size=2.0))
        starts.started("a", 3.0)
        starts.started("b", 4.0)
        assert (starts.has_room(), starts.is_empty(), starts.any_waits()) == (False, False, False)
        await asyncio.sleep(2.9)
        assert not starts.has_room()
        await asyncio.sleep(0.1)
        assert starts.forget_the_answered() == 1
        assert starts.window == Window(size=4.0)
        assert starts.forget_the_answered() == 0
        await asyncio.sleep(1.0)
        assert starts.forget_the_answered() == 1
        assert (starts.is_empty(), starts.window) == (True, Window(size=4.0))

    told(loop, story)


def test_a_refusal_keeps_its_place_and_is_no_good_news_when_it_is_over(loop: VirtualLoop) -> None:
    """It cuts the window where it comes often, and grows it at no time."""

    async def story() -> None:
        starts = Outstanding(Window(size=100.0))
        starts.refused("a", 3, 60.0)
        assert (starts.any_waits(), starts.is_empty()) == (True, False)
        assert starts.window == Window(size=80.0, steady=True, cut_at=asyncio.get_running_loop().time())
        await asyncio.sleep(59.9)
        assert starts.any_waits()
        await asyncio.sleep(0.1)
        assert not starts.any_waits()
        assert starts.is_empty()
        assert starts.window.size == 80.0

    told(loop, story)


def test_a_start_among_refusals_may_wait_no_more(loop: VirtualLoop) -> None:
    """Any one that was refused is enough."""

    async def story() -> None:
        starts = Outstanding()
        starts.started("a", 9.0)
        starts.refused("b", 1, 9.0)
        assert starts.any_waits()
        starts.started("b", 9.0)
        assert not starts.any_waits()

    told(loop, story)


def test_what_ecs_took_on_grows_the_window_once(loop: VirtualLoop) -> None:
    """By the number that were outstanding with it; what is over without a word grows nothing."""

    async def story() -> None:
        starts = Outstanding(Window(size=4.0))
        for name in ("a", "b"):
            starts.started(name, 9.0)
        starts.taken("a")
        assert starts.window == Window(size=6.0)
        starts.taken("a")
        starts.taken("stranger")
        assert starts.window == Window(size=6.0)
        starts.taken("b")
        assert starts.window == Window(size=6.0)
        starts.started("c", 9.0)
        starts.over("c")
        starts.over("stranger")
        assert (starts.is_empty(), starts.window) == (True, Window(size=6.0))

    told(loop, story)


@pytest.mark.parametrize(("after", "waited"), [(0.0, 0.0), (2.0, 2.0), (9.0, 5.0)])
def test_one_waits_to_be_told_to_stop_and_no_longer_than_is_said(
    loop: VirtualLoop, after: float, waited: float
) -> None:
    """Whichever comes first; neither is an error."""

    async def story() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(after, stopping.set)
        began = asyncio.get_running_loop().time()
        await told_to_stop(stopping, 5.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(waited, abs=0.01)

    told(loop, story)
