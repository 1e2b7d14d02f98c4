"""How fast AWS may be called within a quota: a token bucket that gives way when it throttles.

The quota is the account's, and each worker keeps a bucket of its own. So a worker that is throttled lowers its rate
and wins it back little by little (AIMD, as TCP does it): however many share the quota, their sum settles around it, and
none of them needs to know of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Throttles come in bunches: those of one moment are one piece of news.
ONE_CUT_SECONDS = 0.5
# From a standstill to the configured rate; a rate that was halved once is whole again after half of it.
RECOVERY_SECONDS = 300.0
# Of the configured rate: as little as this is asked for always, or nobody would learn that there is room again.
LEAST_SHARE = 1 / 64


@dataclass(frozen=True, slots=True)
class Bucket:
    """What it held, and how fast it filled, at a moment; the moments are seconds of any clock that only goes forward.

    Fewer than no tokens are those that are promised: whoever took one waits until it is there.
    """

    capacity: float
    configured_rate: float
    tokens: float
    rate: float
    at: float = 0.0
    cut_at: float | None = None
    keeps: float = 0.5

    @classmethod
    def full(cls, capacity: float, rate: float, keeps: float = 0.5) -> Bucket:
        """A bucket of this capacity, which refills at this many tokens a second when nobody throttles.

        After a throttle it keeps so much of its rate. The less, the sooner many workers are even; the more, the less of
        the quota is left unused.
        """
        return cls(capacity=capacity, configured_rate=rate, tokens=capacity, rate=rate, keeps=keeps)

    def refilled(self, now: float) -> Bucket:
        """The bucket as it is now: the rate rises in a straight line, so its mean over the time is what came in."""
        passed = max(0.0, now - self.at)
        rate = min(self.configured_rate, self.rate + self.configured_rate * passed / RECOVERY_SECONDS)
        tokens = min(self.capacity, self.tokens + passed * (self.rate + rate) / 2)
        return replace(self, tokens=tokens, rate=rate, at=max(self.at, now))

    def has_token(self, now: float) -> bool:
        """Whether one may be taken without a wait."""
        return self.refilled(now).tokens >= 1

    def take(self, now: float) -> tuple[Bucket, float]:
        """The bucket with one token less, and for how many seconds to wait for it."""
        filled = self.refilled(now)
        left = filled.tokens - 1
        return replace(filled, tokens=left), max(0.0, -left / filled.rate)

    def throttled(self, now: float) -> Bucket:
        """The bucket after a throttle: empty, as the account's is, and filling more slowly."""
        filled = self.refilled(now)
        empty = replace(filled, tokens=min(0.0, filled.tokens))
        if self.cut_at is not None and now < self.cut_at + ONE_CUT_SECONDS:
            return empty
        return replace(empty, rate=max(filled.rate * self.keeps, self.configured_rate * LEAST_SHARE), cut_at=now)
