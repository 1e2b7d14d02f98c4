"""When workers die: at times drawn from the seed, some at once, some in the midst of the next call of an operation."""

from __future__ import annotations

import random
import signal
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.calls import Call

WISH_NOTED = "UpdateItem of a wish"
# Between what and what a death hurts most. None: wherever the worker is.
_MOMENTS = (
    None,
    "ReceiveMessage",
    "UpdateItem",
    "UpdateItem",
    "StartExecution",
    "PutObject",
    "Publish",
    "Publish",
    "DeleteMessageBatch",
    WISH_NOTED,
    "StopExecution",
    "RedriveExecution",
)
_SHARE_OF_SIGTERM = 0.35


@dataclass(frozen=True)
class Strike:
    """One death: `at` seconds after the start, and then at the next such call, before or after its effect."""

    at: float
    signal: signal.Signals
    operation: str | None = None
    after: bool = False


def strikes(seed: int, per_minute: float, seconds: float) -> Iterator[Strike]:
    """All deaths of a drill."""
    dice = random.Random(f"{seed}:deaths")
    at = 0.0
    while per_minute > 0:
        at += dice.uniform(0.4, 1.6) * 60 / per_minute
        if at > seconds:
            return
        if dice.random() < _SHARE_OF_SIGTERM:
            yield Strike(at, signal.SIGTERM)
        else:
            yield Strike(at, signal.SIGKILL, dice.choice(_MOMENTS), dice.random() < 0.5)


@dataclass
class Killer:
    """Holds the strikes that are due. The proxy takes those that wait for a call, from its own thread."""

    schedule: deque[Strike]
    _waiting: deque[Strike] = field(default_factory=deque)

    def due(self, seconds: float) -> Iterator[Strike]:
        """The strikes to carry out now; those that wait for a call are kept for it."""
        while self.schedule and self.schedule[0].at <= seconds:
            strike = self.schedule.popleft()
            if strike.operation is None:
                yield strike
            else:
                self._waiting.append(strike)

    def at_call(self, call: Call) -> Strike | None:
        """The strike that waited for this call, if any did."""
        strike = next((item for item in self._waiting if _is_for(item, call)), None)
        if strike is not None:
            self._waiting.remove(strike)
        return strike

    def wait_again(self, strike: Strike) -> None:
        """A strike that struck nobody waits for the next such call."""
        self._waiting.append(strike)

    def put_off(self, strike: Strike) -> None:
        """A strike that found nobody at work is due again."""
        self.schedule.appendleft(strike)

    @property
    def is_done(self) -> bool:
        """Whether every death has come."""
        return not (self._waiting or self.schedule)

    def rest(self) -> None:
        """No more deaths."""
        self.schedule.clear()
        self._waiting.clear()


def _is_for(strike: Strike, call: Call) -> bool:
    return strike.operation == call.operation or (strike.operation == WISH_NOTED and call.is_a_wish)
