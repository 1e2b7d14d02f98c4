"""A budget of bytes that all who hold much share, so that memory does not grow with how many they are.

Who holds some and waits for more could wait for another that does the same. So room is kept for whoever has held
theirs for longest, up to the most that one needs, and that one never waits: it ends, and then the next has been at it
for longest. Three things are asked of who holds some:

- never to hold more than `most_of_one`, with what is waited for; what is beyond that is had, and beyond the budget;
- to end without waiting for another that holds some, and takes more;
- to hand over, at its end, only what the others end with: they are as old as it was, and so are let in before all who
  came after it.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Share:
    """What one holds of a budget, and since when: the higher the number, the later.

    Who was handed something holds it since when the giver held it.
    """

    of: Memory
    held: int = 0
    number: int = 0

    async def take(self, size: int) -> None:
        """Wait until there is room for so many bytes more."""
        await self.of.take(self, size)

    def give_back(self, size: int) -> None:
        """Let others have so many of them."""
        self.of.give_back(self, size)

    def hand_over(self, size: int, to: Share) -> None:
        """Let another share of the same budget, which holds none yet, hold so many of them. Nobody waits."""
        self.of.hand_over(self, size, to)


@dataclass
class Memory:
    """So many bytes for all, of which one share needs `most_of_one` at the most."""

    total: int
    most_of_one: int
    held: int = 0
    # In the order of their numbers, so that nothing is searched for: a thousand may hold some.
    _holding: list[Share] = field(default_factory=list)
    _waiting: dict[asyncio.Future[None], tuple[Share, int]] = field(default_factory=dict)
    _numbers: int = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """A share that holds nothing yet, and that holds nothing any more at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.give_back(share, share.held)

    async def take(self, share: Share, size: int) -> None:
        """Wait until there is room for so many bytes more. Who came first goes first, as far as what they want fits."""
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[room] = (share, size)
        self._let_in()
        try:
            await room
        finally:
            self._waiting.pop(room, None)

    def give_back(self, share: Share, size: int) -> None:
        """Let others have so many of a share's bytes."""
        self._add(share, -size)
        self._let_in()

    def hand_over(self, share: Share, size: int, to: Share) -> None:
        """Let another share, which holds none yet, hold so many of a share's bytes."""
        assert not to.held, "it holds some since another time"
        self._add(to, size, share.number)
        self._add(share, -size)
        self._let_in()

    def _let_in(self) -> None:
        for room, (share, size) in list(self._waiting.items()):
            if not room.done() and self._fits(share, size):
                self._add(share, size)
                room.set_result(None)

    def _add(self, share: Share, size: int, number: int | None = None) -> None:
        held, share.held = share.held, share.held + size
        self.held += size
        if share.held and not held:
            self._numbers += 1
            share.number = number or self._numbers
            insort(self._holding, share, key=_number)
        elif held and not share.held:
            del self._holding[self._holding.index(share, bisect_left(self._holding, share.number, key=_number))]

    def _fits(self, share: Share, size: int) -> bool:
        if not self._holding or share is self._holding[0]:
            return True
        kept = max(0, self.most_of_one - self._holding[0].held)
        return self.held + size + kept <= self.total


def _number(share: Share) -> int:
    return share.number
