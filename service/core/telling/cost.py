"""What the tasks of a job used, and what that comes to by the prices that the settings give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from schemas.notification import Cost
from schemas.price import Price
from service.core.record.facts import TaskChanged

_CPU_UNITS_A_VCPU = 1024
_MIB_A_GB = 1024
_HOUR_SECONDS = 3600
# Fargate bills from the start of the image download until the task ends, by the second, for a minute at least
# [AWS Fargate pricing].
_SHORTEST_BILLED_SECONDS = 60


@dataclass(frozen=True)
class _Use:
    """What one task held, and for how long."""

    seconds: float
    vcpu: float
    gb: float
    price: Price | None

    @property
    def estimate(self) -> float | None:
        if self.price is None:
            return None
        billed = max(_SHORTEST_BILLED_SECONDS, ceil(self.seconds))
        return billed * (self.vcpu * self.price.vcpu_hour + self.gb * self.price.gb_hour) / _HOUR_SECONDS


def cost_of(tasks: Iterable[TaskChanged], prices: Mapping[str, Price]) -> Cost | None:
    """The use and the estimate of all tasks together; None where of no task it is known."""
    uses = [use for task in tasks if (use := _use(task, prices)) is not None]
    if not uses:
        return None
    estimates = [estimate for use in uses if (estimate := use.estimate) is not None]
    return Cost(
        vcpu_seconds=round(sum(use.seconds * use.vcpu for use in uses), 3),
        gb_seconds=round(sum(use.seconds * use.gb for use in uses), 3),
        estimate=round(sum(estimates), 6) if len(estimates) == len(uses) else None,
        unpriced_tasks=len(uses) - len(estimates),
    )


def _use(task: TaskChanged, prices: Mapping[str, Price]) -> _Use | None:
    began = task.pull_started_at or task.started_at
    if began is None or task.stopped_at is None or not task.cpu or not task.memory:
        return None
    kinds = filter(None, (task.capacity_provider, task.launch_type))
    return _Use(
        seconds=max(0.0, task.stopped_at - began),
        vcpu=_number(task.cpu) / _CPU_UNITS_A_VCPU,
        gb=_number(task.memory) / _MIB_A_GB,
        price=next((prices[name] for name in kinds if name in prices), None),
    )


def _number(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdecimal() else 0.0
