"""Which call meets which fault: decided by the seed, the operation, and how many calls of it came before."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What can befall a call."""

    ERROR = "500 before the effect"
    UNAVAILABLE = "503 before the effect"
    ERROR_AFTER = "500 after the effect"
    RESET = "reset before the effect"
    RESET_AFTER = "reset after the effect"
    THROTTLED = "throttled"
    DELAYED = "delayed"
    TRUNCATED = "answer cut off"
    GARBLED = "answer halved, whole by its length"
    REDELIVERED = "message delivered twice"
    # Not drawn by rate: StartExecution's own bucket, and the killer.
    BUCKET_EMPTY = "throttled by StartExecution's bucket"
    KILLED = "killed before the effect"
    KILLED_AFTER = "killed after the effect"


FAULT_RATES: Mapping[Fault, float] = {
    Fault.ERROR: 0.02,
    Fault.UNAVAILABLE: 0.02,
    Fault.ERROR_AFTER: 0.02,
    Fault.RESET: 0.015,
    Fault.RESET_AFTER: 0.015,
    Fault.THROTTLED: 0.02,
    Fault.DELAYED: 0.05,
    Fault.TRUNCATED: 0.01,
    Fault.GARBLED: 0.01,
    Fault.REDELIVERED: 0.03,
}
NO_FAULTS: Mapping[Fault, float] = {}
_LONGEST_DELAY_SECONDS = 1.0


@dataclass(frozen=True)
class Draw:
    """What befalls one call; `chance` in [0, 1) settles the rest of it."""

    fault: Fault | None
    chance: float

    @property
    def delay_seconds(self) -> float:
        return self.chance * _LONGEST_DELAY_SECONDS


@dataclass
class Faults:
    """Draws a fault, or none, for every call. The n-th call of an operation meets the same one for the same seed."""

    seed: int
    rates: Mapping[Fault, float]
    raging: bool = True
    _calls: Counter[str] = field(default_factory=Counter)

    def draw(self, operation: str) -> Draw:
        """What befalls the next call of this operation."""
        self._calls[operation] += 1
        dice = random.Random(f"{self.seed}:{operation}:{self._calls[operation]}")
        where, chance = dice.random(), dice.random()
        if self.raging:
            for fault, rate in self.rates.items():
                where -= rate
                if where < 0:
                    return Draw(fault, chance)
        return Draw(None, chance)


@dataclass
class TokenBucket:
    """Step Functions' own: so many calls at once, refilled at a rate a second."""

    size: float
    refill: float
    now: Callable[[], float]
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.size, self.now()

    def take(self) -> bool:
        """Whether there was a token left."""
        now = self.now()
        self._left = min(self.size, self._left + (now - self._at) * self.refill)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
