"""An account's quotas, for a local run that is to be as narrow as an account is; none is kept unless asked for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

from schemas.errors import JobferryError


class QuotaError(JobferryError):
    """There is no such quota, or none of such a size."""


@dataclass(frozen=True)
class Rate:
    """A token bucket: so many calls a second for ever, and as many as the bucket holds at once."""

    per_second: float
    bucket: float

    def __str__(self) -> str:
        return f"{self.per_second:g},{self.bucket:g}"


@dataclass(frozen=True)
class Quotas:
    """What an account may do; None where it may do as much as it likes.

    `vcpus` are those of Fargate at one time. Those of Fargate Spot, which AWS counts apart, are counted with them.
    """

    run_task: Rate | None = None
    fargate_launch: Rate | None = None
    vcpus: float | None = None
    start_execution: Rate | None = None
    get_log_events: Rate | None = None
    filter_log_events: Rate | None = None

    def pairs(self) -> Iterator[str]:
        """As the options that give them."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield f"{field.name.replace('_', '-')}={value if isinstance(value, Rate) else f'{value:g}'}"


# The smallest that AWS gives: a new account, and a region that is none of the largest.
AWS_DEFAULTS = Quotas(
    run_task=Rate(20, 20),  # [ECS guide, Fargate throttling quotas]
    fargate_launch=Rate(20, 100),  # [the same]
    vcpus=6,  # [General Reference, Fargate quotas] AWS raises it by itself with use.
    start_execution=Rate(150, 800),  # [Step Functions quotas]
    get_log_events=Rate(10, 10),  # [CloudWatch Logs quotas] 10 to 30 by region.
    filter_log_events=Rate(5, 5),  # [the same] 5 to 25 by region.
)
NO_QUOTAS = Quotas()
_NUMBER = r"\d+(?:\.\d+)?"
_PAIR = re.compile(rf"(?P<name>[a-z-]+)=(?P<first>{_NUMBER})(?:,(?P<second>{_NUMBER}))?")


def quotas_of(pairs: Iterable[str], base: Quotas = NO_QUOTAS) -> Quotas:
    """The quotas that options name: `run-task=20,100` is 20 calls a second from a bucket of 100, `vcpus=6` a number.

    Raises:
        QuotaError: for an option that names none.
    """
    given = dict(_quota_of(pair) for pair in pairs)
    return Quotas(**{**{field.name: getattr(base, field.name) for field in fields(base)}, **given})


def _quota_of(pair: str) -> tuple[str, Rate | float]:
    names = {field.name.replace("_", "-"): field.name for field in fields(Quotas)}
    match = _PAIR.fullmatch(pair)
    if match is None or match["name"] not in names:
        raise QuotaError(f"{pair!r} is no quota: give run-task=20,100 or vcpus=6; there are {', '.join(names)}.")
    first, second = float(match["first"]), match["second"]
    if match["name"] == "vcpus":
        if second is not None:
            raise QuotaError(f"{pair!r} is no quota: vcpus is one number.")
        return names["vcpus"], first
    if first <= 0 or (second is not None and float(second) < 1):
        raise QuotaError(f"{pair!r} is no quota: a rate is more than 0 a second, and its bucket holds 1 or more.")
    return names[match["name"]], Rate(first, float(second) if second is not None else max(first, 1))


class TokenBucket:
    """Tells whether there is a token left, and takes it. One that keeps no rate always has some."""

    def __init__(self, rate: Rate | None, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = now
        self._tokens = rate.bucket if rate else 0.0
        self._filled_at = now()
        self._lock = threading.Lock()

    def take(self, count: int = 1) -> bool:
        """Take as many tokens as that; False, and none taken, where there are fewer."""
        if self._rate is None:
            return True
        with self._lock:
            now = self._now()
            self._tokens = min(self._rate.bucket, self._tokens + (now - self._filled_at) * self._rate.per_second)
            self._filled_at = now
            if self._tokens < count:
                return False
            self._tokens -= count
            return True
