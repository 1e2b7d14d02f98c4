"""What the worker knows of its own health: when each queue was last polled, and how many messages it holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.clock import Clock

LONGEST_WITHOUT_POLL_SECONDS = 180


@dataclass
class Liveness:
    """Kept by the consumers, read by the health page and by scale-in protection."""

    now: Clock
    holding: int = 0
    last_busy_at: float = 0.0
    _polled_at: dict[str, float] = field(default_factory=dict)

    def expects(self, queue: str) -> None:
        """From now on this queue ought to be polled."""
        self._polled_at[queue] = self.now()

    def polled(self, queue: str) -> None:
        """A poll succeeded, whatever it brought."""
        self._polled_at[queue] = self.now()

    def took(self) -> None:
        """A message is in hand."""
        self.holding += 1
        self.last_busy_at = self.now()

    def let_go(self) -> None:
        """A message is out of hand: settled, or given back."""
        self.holding -= 1
        self.last_busy_at = self.now()

    def silent_queues(self) -> dict[str, float]:
        """The queues that no poll has succeeded on for too long, with the seconds since."""
        ages = {queue: self.now() - at for queue, at in self._polled_at.items()}
        return {queue: age for queue, age in ages.items() if age > LONGEST_WITHOUT_POLL_SECONDS}
