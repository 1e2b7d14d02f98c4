"""A pace of calls within a quota of the account, which all workers share without knowing of each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.core.pace import Bucket

_KEPT_OF_AN_EVEN_PACE = 0.85
_LONGEST_WAIT_SECONDS = 1.0
_A_MOMENT = 1e-6  # Or a token lacks no more than is lost in adding up.


@dataclass
class Pace:
    """Whose turn it is to call, first come, first served; slower after a throttle. In the time of the event loop."""

    bucket: Bucket
    _queue: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)

    @classmethod
    def full(cls, at_once: float, per_second: float) -> Pace:
        """So many calls at once, and then so many a second."""
        return cls(Bucket.full(at_once, per_second))

    @classmethod
    def even(cls, per_second: float) -> Pace:
        """One call after the other: a bucket that may burst lets twice its rate through in its first second.

        A throttle costs no more than the call, so little of the pace is given up for one.
        """
        return cls(Bucket.full(1, per_second, keeps=_KEPT_OF_AN_EVEN_PACE))

    def is_free(self) -> bool:
        """Whether a call may be made without a wait."""
        return self.bucket.has_token(_now())

    async def turn(self) -> None:
        """Wait for a turn. What was throttled is looked at again and again, for the pace comes back meanwhile."""
        async with self._queue:
            while seconds := self.try_to_take():  # noqa: ASYNC110  # nobody says when a token is there
                await asyncio.sleep(seconds)

    def take(self) -> float:
        """Take a turn that comes in so many seconds."""
        self.bucket, seconds = self.bucket.take(_now())
        return seconds

    @property
    def per_second(self) -> float:
        """How many turns a second there are, when nobody throttles."""
        return self.bucket.configured_rate

    def try_to_take(self) -> float:
        """Take a turn that comes now, and answer 0; else nothing is taken: in so many seconds it is worth asking again.

        Where many wait, and AWS throttles, turns that are promised may be minutes from now; the pace comes back sooner.
        """
        filled = self.bucket.refilled(_now())
        if filled.tokens >= 1:
            self.take()
            return 0.0
        return min(_LONGEST_WAIT_SECONDS, (1 - filled.tokens) / filled.rate + _A_MOMENT)

    def throttled(self) -> None:
        """AWS would take no more calls: give way."""
        self.bucket = self.bucket.throttled(_now())


def _now() -> float:
    return asyncio.get_running_loop().time()
