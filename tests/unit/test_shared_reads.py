"""Reads that many ask for at once are made once."""

from __future__ import annotations

import asyncio

import pytest

from service.tracking.shared import Shared


class Asked:
    """Answers when it is let, and counts."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.let = asyncio.Event()
        self.now = 0.0

    async def read(self, key: str) -> str:
        """What is asked."""
        self.keys.append(key)
        await self.let.wait()
        if key == "bad":
            raise ValueError(key)
        return f"{key}{len(self.keys)}"

    def shared(self, most: int = 10) -> Shared[str, str]:
        """With a clock that stands until it is moved."""
        return Shared(self.read, 1.0, most=most, now=lambda: self.now)


async def test_all_who_ask_meanwhile_and_soon_after_share_one_read() -> None:
    """And who asks later makes another."""
    asked = Asked()
    shared = asked.shared()
    waiting = [asyncio.create_task(shared.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    asked.let.set()
    assert set(await asyncio.gather(*waiting)) == {"a1"}
    asked.now = 0.9
    assert await shared.get("a") == "a1"
    asked.now = 1.0
    assert await shared.get("a") == "a2"
    assert await shared.get("b") == "b3"


async def test_a_slow_read_serves_who_comes_late() -> None:
    """Or each second of it would begin another."""
    asked = Asked()
    shared = asked.shared()
    first = asyncio.create_task(shared.get("a"))
    await asyncio.sleep(0)
    asked.now = 60.0
    second = asyncio.create_task(shared.get("a"))
    await asyncio.sleep(0)
    asked.let.set()
    assert await first == await second == "a1"


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    """The first of them may be the first to go."""
    asked = Asked()
    shared = asked.shared()
    leaving, staying = (asyncio.create_task(shared.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    asked.let.set()
    assert await staying == "a1"


async def test_a_failure_is_an_answer_too() -> None:
    """AWS that refuses is not asked by every viewer anew."""
    asked = Asked()
    asked.let.set()
    shared = asked.shared()
    for _ in range(3):
        with pytest.raises(ValueError, match="bad"):
            await shared.get("bad")
    assert asked.keys == ["bad"]


async def test_only_so_many_answers_are_held() -> None:
    """The oldest goes."""
    asked = Asked()
    asked.let.set()
    shared = asked.shared(most=2)
    for key in ("a", "b", "c"):
        await shared.get(key)
    await shared.get("c")
    await shared.get("a")
    assert asked.keys == ["a", "b", "c", "a"]
