"""A budget of bytes that many share: it is kept, nobody waits for ever, and what was held is given back."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from service.memory import Memory, Share
from tests.support.waiting import eventually


async def test_who_finds_no_room_waits_for_it() -> None:
    """Until another gives some back."""
    memory = Memory(10, 4)
    with memory.share() as first, memory.share() as second:
        await first.take(4)
        await second.take(4)
        third = Share(memory)
        waiting = asyncio.create_task(third.take(4))
        await asyncio.sleep(0)
        assert not waiting.done()
        second.give_back(2)
        await waiting
        assert (first.held, second.held, third.held, memory.held) == (4, 2, 4, 10)


async def test_who_has_held_theirs_for_longest_finds_room_for_all_they_need() -> None:
    """What is kept for them is given to nobody else, or each would wait for the other."""
    memory = Memory(10, 6)
    with memory.share() as first, memory.share() as second:
        await first.take(2)
        waiting = asyncio.create_task(second.take(5))
        await asyncio.sleep(0)
        assert not waiting.done()
        await first.take(4)
        first.give_back(6)
        await waiting


async def test_who_has_held_theirs_for_longest_never_waits() -> None:
    """Whatever others hold: what is beyond the most of one is had, and beyond the budget."""
    memory = Memory(10, 4)
    with memory.share() as first, memory.share() as second:
        await first.take(3)
        await second.take(5)
        async with asyncio.timeout(5):
            await first.take(4)
        assert (first.held, second.held, memory.held) == (7, 5, 12)


async def test_what_was_handed_over_is_held_since_when_the_giver_held_it() -> None:
    """Who got it ends before all who came later, and within the budget; or each would wait for the other."""
    memory = Memory(10, 6)
    giver, later = Share(memory), Share(memory)
    heirs = [Share(memory), Share(memory)]
    await giver.take(6)
    await later.take(1)
    for heir in heirs:
        giver.hand_over(3, heir)
    assert (memory.held, giver.held) == (7, 0)
    waiting = asyncio.create_task(later.take(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    for heir in heirs:
        async with asyncio.timeout(5):
            await heir.take(3)
        assert memory.held <= 10
        heir.give_back(6)
    await waiting
    later.give_back(3)
    assert memory.held == 0


async def test_a_small_want_passes_a_large_one_that_finds_no_room() -> None:
    """The large one is held up by none of them: it has the room once it has waited for longest."""
    memory = Memory(10, 5)
    with memory.share() as first, memory.share() as large, memory.share() as small:
        await first.take(5)
        await small.take(1)
        waiting = asyncio.create_task(large.take(5))
        await asyncio.sleep(0)
        await small.take(1)
        assert not waiting.done()
        first.give_back(5)
        await waiting


async def test_what_a_share_held_is_given_back_at_its_end() -> None:
    """Also where it fails, or is cut off while it waits or as it is let in."""
    memory = Memory(10, 10)

    async def holding() -> None:
        with memory.share() as share:
            await share.take(10)
            await share.take(10)
            await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError), memory.share() as broken:
        await broken.take(3)
        raise ZeroDivisionError
    assert memory.held == 0
    first, second = asyncio.create_task(holding()), asyncio.create_task(holding())
    await eventually(lambda: memory.held == 20)  # One alone has what it wants.
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert memory.held == 0
    await asyncio.create_task(Share(memory).take(10))


async def test_one_that_is_alone_has_what_it_wants() -> None:
    """Or it would wait for nobody."""
    memory = Memory(10, 10)
    with memory.share() as share:
        await share.take(25)
        assert memory.held == 25
    assert memory.held == 0


@pytest.mark.parametrize("seed", range(20))
async def test_any_who_hold_and_want_more_come_to_an_end(seed: int) -> None:
    """In any order, within the budget at any time."""
    chance, memory, most = Random(seed), Memory(30, 10), 0

    async def working() -> None:
        nonlocal most
        with memory.share() as share:
            for _ in range(10):
                await share.take(chance.randint(0, 10 - share.held))
                most = max(most, memory.held)
                await asyncio.sleep(0)
                share.give_back(chance.randint(0, share.held))
            await handing_over(share)

    async def handing_over(giver: Share) -> None:
        """As much to each as it needs again in order to end."""
        nonlocal most
        heirs = [Share(memory) for _ in range(min(5, giver.held))]
        for heir in heirs:
            giver.hand_over(1, heir)
        giver.give_back(giver.held)
        for heir in heirs:
            await heir.take(1)
            most = max(most, memory.held)
            heir.give_back(2)

    async with asyncio.timeout(30), asyncio.TaskGroup() as all_of_them:
        for _ in range(40):
            all_of_them.create_task(working())
    assert 0 < most <= 30
    assert memory.held == 0
