"""What would run of an admitted job, how long that may take at most, and what it may cost at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from schemas.catalog import Retries
from schemas.notification import Cost
from schemas.plan import Stage
from schemas.price import Price
from service.core.admission.admission import Admitted
from service.core.record.facts import TaskChanged
from service.core.rehearsal.attempts import Tried, attempts_at_most
from service.core.telling.cost import cost_of

_HOUR_SECONDS = 3600
_SHORTEST_BILLED_SECONDS = 60  # As cost_of reckons.
_BEGAN = 1.0  # Any time will do.


@dataclass(frozen=True)
class StageOutlook:
    """One stage as it would run. CPU in units of which 1,024 are a vCPU, memory in MiB, times in seconds.

    `runs_on` is a launch type, or the capacity providers with the launch type that may take their place.
    `larger_memory` is what attempts after out-of-memory get. `waits_seconds` is all waits for capacity together.
    """

    stage: int
    name: str
    image: str
    task_definition: str
    container: str
    integration: Literal["sync", "callback"]
    runs_on: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cpu: int
    memory: int
    larger_memory: tuple[int, ...]
    timeout_seconds: int
    heartbeat_seconds: int | None
    capacity_wait_seconds: int
    retries: Retries
    attempts_at_most: int
    longest_seconds: int
    waits_seconds: int


@dataclass(frozen=True)
class Bound:
    """What cannot be exceeded: time, use, and by the prices the cost, which is None where a price is missing."""

    seconds: int
    vcpu_hours: float
    gb_hours: float
    cost: float | None


@dataclass(frozen=True)
class Outlook:
    """A job as it would run: where every stage passes at its first attempt, and where all goes wrong that may.

    `unpriced` names what the prices say nothing of.
    """

    job_id: str
    tenant: str
    job_type: str | None
    timeout_seconds: int | None
    stages: tuple[StageOutlook, ...]
    first_try: Bound
    at_most: Bound
    unpriced: tuple[str, ...]


def outlook(job: Admitted, prices: Mapping[str, Price]) -> Outlook:
    """What would become of an admitted job."""
    tried = tuple(attempts_at_most(job))
    by_stage = [tuple(group) for _, group in groupby(tried, key=lambda each: each.stage)]
    stages = tuple(_stage(stage, attempts) for stage, attempts in zip(job.stages, by_stage, strict=True))
    first = [attempts[0] for attempts in by_stage]
    places = {name for stage in stages for name in stage.runs_on}
    request = job.request
    return Outlook(
        job_id=job.job_id,
        tenant=request.tenant,
        job_type=request.job_type,
        timeout_seconds=request.timeout_seconds,
        stages=stages,
        first_try=_bound(first, sum(each.timeout_seconds for each in first), stages, prices, request.timeout_seconds),
        at_most=_bound(tried, sum(s.longest_seconds for s in stages), stages, prices, request.timeout_seconds),
        unpriced=tuple(sorted(name for name in places if name not in prices)),
    )


def _stage(stage: Stage, attempts: Sequence[Tried]) -> StageOutlook:
    waits = stage.capacity_wait_seconds * len(attempts)
    larger = dict.fromkeys(each.memory for each in attempts if each.memory > stage.memory)
    return StageOutlook(
        stage=attempts[0].stage,
        name=stage.name,
        image=stage.image,
        task_definition=stage.task_definition,
        container=stage.container,
        integration=stage.integration,
        runs_on=_places(stage),
        command=stage.command,
        environment=stage.environment,
        cpu=stage.cpu,
        memory=stage.memory,
        larger_memory=tuple(larger),
        timeout_seconds=attempts[0].timeout_seconds,
        heartbeat_seconds=stage.heartbeat_seconds if stage.integration == "callback" else None,
        capacity_wait_seconds=stage.capacity_wait_seconds,
        retries=stage.retries,
        attempts_at_most=len(attempts),
        longest_seconds=waits + sum(each.timeout_seconds + each.pause_seconds for each in attempts),
        waits_seconds=waits,
    )


def _places(stage: Stage) -> tuple[str, ...]:
    if not stage.capacity_providers:
        return (stage.launch_type,)
    providers = tuple(item.capacity_provider for item in stage.capacity_providers)
    return (*providers, stage.launch_type) if stage.on_demand_fallback else providers


def _bound(
    tried: Sequence[Tried],
    seconds: int,
    stages: Sequence[StageOutlook],
    prices: Mapping[str, Price],
    timeout_seconds: int | None,
) -> Bound:
    """No job runs for longer than its own timeout, whatever its stages may take together."""

    def used(each: Tried, held_seconds: float) -> Cost:
        return _dearest(each, held_seconds, stages[each.stage - 1].runs_on, prices)

    every = [used(each, each.timeout_seconds) for each in tried]
    whole = _together(seconds, every)
    if timeout_seconds is None or seconds <= timeout_seconds:
        return whole
    # The dearest attempt for all of the time; each attempt may be billed for a minute that it did not use.
    billed_seconds = timeout_seconds + _SHORTEST_BILLED_SECONDS * len(tried)
    return Bound(
        seconds=timeout_seconds,
        vcpu_hours=min(
            whole.vcpu_hours, max(used(each, timeout_seconds).vcpu_seconds for each in tried) / _HOUR_SECONDS
        ),
        gb_hours=min(whole.gb_hours, max(used(each, timeout_seconds).gb_seconds for each in tried) / _HOUR_SECONDS),
        cost=_least(whole.cost, [used(each, billed_seconds).estimate for each in tried]),
    )


def _together(seconds: int, costs: Sequence[Cost]) -> Bound:
    estimates = [cost.estimate for cost in costs if cost.estimate is not None]
    return Bound(
        seconds=seconds,
        vcpu_hours=sum(cost.vcpu_seconds for cost in costs) / _HOUR_SECONDS,
        gb_hours=sum(cost.gb_seconds for cost in costs) / _HOUR_SECONDS,
        cost=sum(estimates) if len(estimates) == len(costs) else None,
    )


def _least(whole: float | None, dearest: Iterable[float | None]) -> float | None:
    return None if whole is None else min(whole, max(cost or 0.0 for cost in dearest))


def _dearest(each: Tried, seconds: float, places: Iterable[str], prices: Mapping[str, Price]) -> Cost:
    """What an attempt uses in this time, where it costs most; without an estimate where a place has no price."""
    costs = [_cost(each, seconds, place, prices) for place in places]
    return max(costs, key=lambda cost: float("inf") if cost.estimate is None else cost.estimate)


def _cost(each: Tried, seconds: float, place: str, prices: Mapping[str, Price]) -> Cost:
    """As it is reckoned once the task has run."""
    task = TaskChanged(
        job_id="",
        arn="",
        version=0,
        last_status="STOPPED",
        capacity_provider=place,
        cpu=str(each.cpu),
        memory=str(each.memory),
        pull_started_at=_BEGAN,
        stopped_at=_BEGAN + seconds,
    )
    cost = cost_of((task,), prices)
    assert cost is not None, "a task with a size and both its ends"
    return cost
