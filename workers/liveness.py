"""What the worker knows of its own health: when each queue was last polled, and how much it has in hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from service.clock import Clock

LONGEST_WITHOUT_POLL_SECONDS = 180


@dataclass
class Liveness:
    """Kept by consumers and sweeper, read by the health page and by scale-in protection."""

    now: Clock
    _taken_at: dict[int, float] = field(default_factory=dict)
    _pieces: Iterator[int] = field(default_factory=count)
    _polled_at: dict[str, float] = field(default_factory=dict)

    def expects(self, queue: str) -> None:
        """From now on this queue ought to be polled."""
        self._polled_at[queue] = self.now()

    def polled(self, queue: str) -> None:
        """A poll succeeded, whatever it brought."""
        self._polled_at[queue] = self.now()

    def took(self) -> int:
        """A piece of work is in hand; answers with what to call it when it is let go."""
        piece = next(self._pieces)
        self._taken_at[piece] = self.now()
        return piece

    def let_go(self, piece: int) -> None:
        """It is out of hand: settled, or given back."""
        del self._taken_at[piece]

    @property
    def holding(self) -> int:
        """How many pieces of work are in hand."""
        return len(self._taken_at)

    def longest_held(self) -> float:
        """For how many seconds the oldest of them has been; 0 where there is none."""
        return self.now() - min(self._taken_at.values(), default=self.now())

    def silent_queues(self) -> dict[str, float]:
        """The queues that no poll has succeeded on for too long, with the seconds since."""
        ages = {queue: self.now() - at for queue, at in self._polled_at.items()}
        return {queue: age for queue, age in ages.items() if age > LONGEST_WITHOUT_POLL_SECONDS}
