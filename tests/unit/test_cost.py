"""What a job's tasks used, and what that comes to."""

from __future__ import annotations

import pytest

from schemas.price import Price
from service.core.record.facts import TaskChanged
from service.core.telling.cost import cost_of

PRICES = {"FARGATE": Price(vcpu_hour=0.36, gb_hour=0.036), "FARGATE_SPOT": Price(vcpu_hour=0.036, gb_hour=0.0036)}


def task(**changes: object) -> TaskChanged:
    """A Fargate task of half a vCPU and 2 GB that was held for 100 seconds."""
    facts = {
        "job_id": "j",
        "arn": "arn:aws:ecs:r:1:task/c/1",
        "version": 5,
        "last_status": "STOPPED",
        "cpu": "512",
        "memory": "2048",
        "launch_type": "FARGATE",
        "pull_started_at": 1000.0,
        "started_at": 1010.0,
        "stopped_at": 1100.0,
    }
    return TaskChanged.model_validate({**facts, **changes})


def test_use_counts_from_the_image_pull_to_the_end() -> None:
    """A task holds its vCPUs and memory from the pull on, as Fargate bills it."""
    cost = cost_of([task(), task()], {})
    assert cost is not None
    assert (cost.vcpu_seconds, cost.gb_seconds, cost.estimate, cost.unpriced_tasks) == (100.0, 400.0, None, 2)


@pytest.mark.parametrize(
    ("changes", "estimate"),
    [
        ({}, 100 * (0.5 * 0.36 + 2 * 0.036) / 3600),
        ({"stopped_at": 1005.0}, 60 * (0.5 * 0.36 + 2 * 0.036) / 3600),
        ({"capacity_provider": "FARGATE_SPOT"}, 100 * (0.5 * 0.036 + 2 * 0.0036) / 3600),
        ({"launch_type": "EC2"}, None),
    ],
)
def test_the_estimate_follows_the_price_table(changes: dict[str, object], estimate: float | None) -> None:
    """A minute is the least that is billed, a capacity provider's price goes first, no price means no estimate."""
    cost = cost_of([task(**changes)], PRICES)
    assert cost is not None
    assert cost.estimate == (pytest.approx(estimate, abs=1e-6) if estimate is not None else None)


def test_a_task_that_never_ran_costs_nothing_that_is_known() -> None:
    """Without a start or an end there is no use to tell of."""
    assert cost_of([task(pull_started_at=None, started_at=None)], PRICES) is None
    assert cost_of([task(stopped_at=None)], PRICES) is None


@pytest.mark.parametrize("changes", [{"cpu": None}, {"memory": None}, {"cpu": ""}, {"memory": ""}])
def test_a_task_of_unknown_size_is_left_out(changes: dict[str, object]) -> None:
    """A sum that took it for nothing would be too small; the others are told of."""
    assert cost_of([task(**changes)], PRICES) is None
    assert cost_of([task(**changes), task()], PRICES) == cost_of([task()], PRICES)


def test_a_clock_that_went_back_makes_no_use_negative() -> None:
    """ECS's moments are of more than one machine."""
    cost = cost_of([task(stopped_at=990.0)], PRICES)
    assert cost is not None
    assert (cost.vcpu_seconds, cost.gb_seconds) == (0, 0)


def test_a_task_without_a_pull_counts_from_its_start() -> None:
    """An image that was there already, as on EC2."""
    cost = cost_of([task(pull_started_at=None)], {})
    assert cost is not None
    assert cost.vcpu_seconds == 45
