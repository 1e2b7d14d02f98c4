"""The ways in which logs are read, over whatever client."""

from __future__ import annotations

from typing import Any, cast

from service.aws.container_logs import ContainerLogs
from service.aws.log_batches import LogBatches
from service.aws.pace import Pace
from service.clock import Clock, wall_clock
from service.logs.lanes import LogLanes
from service.logs.paged import PagedLogs
from service.logs.small import SmallLogs
from service.memory import Memory
from service.metrics import UNMETERED, Meter


def one_lane(client: object, quiet_seconds: float, now: Clock = wall_clock, per_second: float = 100_000) -> LogLanes:
    """Each log by itself, by so many reads a second."""
    paged = PagedLogs(ContainerLogs(cast(Any, client), Pace.even(per_second)), quiet_seconds, now)
    return LogLanes(paged, None, UNMETERED)


def two_lanes(
    client: object,
    quiet_seconds: float,
    now: Clock,
    memory: Memory,
    *,
    per_second: float = 10,
    batches_per_second: float = 5,
    metrics: Meter = UNMETERED,
) -> LogLanes:
    """Small logs together, within the two quotas of a small region."""
    paged = one_lane(client, quiet_seconds, now, per_second).paged
    batches = LogBatches(cast(Any, client), Pace.even(batches_per_second))
    return LogLanes(paged, SmallLogs(batches, quiet_seconds, memory, now), metrics)
