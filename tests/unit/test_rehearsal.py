"""What a job would be before it is sent: each attempt that the planner would make, its longest time and its cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.catalog import Catalog, Retries
from schemas.price import Price
from service.core.admission.admission import Admitted, admit
from service.core.rehearsal.attempts import Tried, attempts_at_most
from service.core.rehearsal.outlook import StageOutlook, outlook

PRICES = {"FARGATE": Price(vcpu_hour=0.4, gb_hour=0.1), "FARGATE_SPOT": Price(vcpu_hour=0.1, gb_hour=0.01)}
SPOT: dict[str, Any] = {"capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}]}


def job(*stages: dict[str, Any], **request: Any) -> Admitted:
    """A job whose stages have an image each, with these members."""
    usual = {"task_definition": "{prefix}-a", "container": "main", "timeout_seconds": 600, "capacity_wait_seconds": 0}
    images = {f"image{number}": {**usual, **members} for number, members in enumerate(stages)}
    catalog = Catalog.model_validate({"images": images}, strict=False)

    admitted = admit(json.dumps({"stages": [{"image": name} for name in images], **request}), "id", catalog)
    assert isinstance(admitted, Admitted), admitted
    return admitted


def retries(transient: int = 0, out_of_memory: int = 0, application: int = 0) -> dict[str, Any]:
    """An image's budgets."""
    return {"transient": transient, "out_of_memory": out_of_memory, "application": application}


def test_every_budget_is_used_up_and_then_the_stage_passes() -> None:
    """Memory first, so that all that follows is as large; then each pause at its longest."""
    budgets = retries(transient=2, out_of_memory=3, application=1)
    tried = tuple(attempts_at_most(job({"retries": budgets, "max_memory": 2048}, {"retries": retries()})))
    assert tried == (
        Tried(1, 1, 256, 512, 600, 0),
        Tried(1, 2, 256, 1024, 600, 0),
        Tried(1, 3, 256, 2048, 600, 0),
        Tried(1, 4, 256, 2048, 600, 20),
        Tried(1, 5, 256, 2048, 600, 40),
        Tried(1, 6, 256, 2048, 600, 80),
        Tried(2, 1, 256, 512, 600, 0),
    )


@pytest.mark.parametrize("integration", ["sync", "callback"])
def test_a_stage_that_may_not_be_retried_is_tried_once(integration: str) -> None:
    """Of either kind."""
    [tried] = attempts_at_most(job({"retries": retries(), "integration": integration}))
    assert (tried.stage, tried.attempt, tried.timeout_seconds) == (1, 1, 600)


def test_the_planners_own_limit_of_attempts_holds() -> None:
    """A hundred stages with twenty retries each are no two thousand attempts."""
    stages = [{"retries": retries(transient=20)} for _ in range(100)]
    tried = list(attempts_at_most(job(*stages)))
    assert tried[-1].stage == 100
    assert len(tried) < 720


def test_the_longest_time_has_every_attempt_pause_and_wait() -> None:
    """And the first try of each stage alone, without any of these."""
    told = outlook(job({"retries": retries(transient=1), "capacity_wait_seconds": 1000}, {"retries": retries()}), {})
    assert (told.first_try.seconds, told.at_most.seconds) == (1200, 600 + 5 + 600 + 2 * 1000 + 600)
    first, second = told.stages
    assert (first.attempts_at_most, first.longest_seconds, first.waits_seconds) == (2, 3205, 2000)
    assert (second.attempts_at_most, second.longest_seconds, second.waits_seconds) == (1, 600, 0)


def test_the_cost_is_that_of_the_largest_size_at_the_full_time() -> None:
    """A quarter of a vCPU and half a GB for ten minutes, then twice the memory."""
    told = outlook(job({"retries": retries(out_of_memory=1), "max_memory": 1024}), PRICES)
    first, second = (0.25 * 0.4 + 0.5 * 0.1) / 6, (0.25 * 0.4 + 1 * 0.1) / 6
    assert told.first_try.cost == pytest.approx(first, abs=1e-6)
    assert told.at_most.cost == pytest.approx(first + second, abs=1e-6)
    assert told.at_most.vcpu_hours == pytest.approx(2 * 0.25 / 6)
    assert told.at_most.gb_hours == pytest.approx(1.5 / 6)
    assert told.unpriced == ()


@pytest.mark.parametrize(
    ("members", "places", "price"),
    [
        (SPOT, ("FARGATE_SPOT",), "FARGATE_SPOT"),
        ({**SPOT, "on_demand_fallback": True}, ("FARGATE_SPOT", "FARGATE"), "FARGATE"),
        ({}, ("FARGATE",), "FARGATE"),
    ],
)
def test_the_dearest_place_that_it_may_run_on_is_reckoned(
    members: dict[str, Any], places: tuple[str, ...], price: str
) -> None:
    """A capacity provider, or the launch type that may take its place."""
    told = outlook(job({"retries": retries(), **members}), PRICES)
    assert told.stages[0].runs_on == places
    given = PRICES[price]
    assert told.at_most.cost == pytest.approx((0.25 * given.vcpu_hour + 0.5 * given.gb_hour) / 6, abs=1e-6)


def test_without_a_price_there_is_no_cost() -> None:
    """Not a wrong one either: what has no price is named."""
    told = outlook(job({}, {"launch_type": "EC2"}), PRICES)
    assert (told.first_try.cost, told.at_most.cost, told.unpriced) == (None, None, ("EC2",))
    fallback = outlook(job({**SPOT, "on_demand_fallback": True}), {"FARGATE_SPOT": PRICES["FARGATE_SPOT"]})
    assert (fallback.at_most.cost, fallback.unpriced) == (None, ("FARGATE",))


def test_a_jobs_own_timeout_bounds_it() -> None:
    """Time, use and cost: at most all of its time at the largest size, and a minute begun for each attempt."""
    stages = ({"retries": retries()}, {"retries": retries(), "memory": 2048})
    told = outlook(job(*stages, timeout_seconds=700), PRICES)
    assert told.at_most.seconds == told.first_try.seconds == 700
    assert told.at_most.gb_hours == pytest.approx(2 * 700 / 3600)
    assert told.at_most.vcpu_hours == pytest.approx(0.25 * 700 / 3600)
    assert told.at_most.cost == pytest.approx((0.25 * 0.4 + 2 * 0.1) * (700 + 2 * 60) / 3600, abs=1e-6)
    short = outlook(job(*stages, timeout_seconds=60), PRICES)
    assert short.at_most.cost == pytest.approx((0.25 * 0.4 + 2 * 0.1) * 180 / 3600, abs=1e-6)
    assert outlook(job(*stages, timeout_seconds=1200), PRICES).at_most.seconds == 1200


def test_an_outlook_in_full() -> None:
    """Each field is the catalogue's or the request's own."""
    budgets = retries(out_of_memory=2)
    may = {"task_definition": "one", "commands": [["run", "**"]], "environment": ["MODE"]}
    first = {"retries": budgets, "max_memory": 2048, **may, **SPOT}
    second = {"retries": retries(), "integration": "callback", "heartbeat_seconds": 30, "capacity_wait_seconds": 90}
    given = {"image": "image0", "name": "first", "environment": {"MODE": "fast"}, "command": ["run", "all"]}
    sent = {"job_id": "j", "tenant": "web", "timeout_seconds": 9000, "stages": [given, {"image": "image1"}]}
    told = outlook(job(first, second, **sent), PRICES)
    assert (told.job_id, told.tenant, told.job_type, told.timeout_seconds) == ("j", "web", None, 9000)
    assert told.stages == (
        StageOutlook(
            stage=1,
            name="first",
            image="image0",
            task_definition="one",
            container="main",
            integration="sync",
            runs_on=("FARGATE_SPOT",),
            command=("run", "all"),
            environment={"MODE": "fast"},
            cpu=256,
            memory=512,
            larger_memory=(1024, 2048),
            timeout_seconds=600,
            heartbeat_seconds=None,
            capacity_wait_seconds=0,
            retries=Retries.model_validate(budgets),
            attempts_at_most=3,
            longest_seconds=1800,
            waits_seconds=0,
        ),
        StageOutlook(
            stage=2,
            name="image1",
            image="image1",
            task_definition="{prefix}-a",
            container="main",
            integration="callback",
            runs_on=("FARGATE",),
            command=(),
            environment={},
            cpu=256,
            memory=512,
            larger_memory=(),
            timeout_seconds=600,
            heartbeat_seconds=30,
            capacity_wait_seconds=90,
            retries=Retries.model_validate(retries()),
            attempts_at_most=1,
            longest_seconds=690,
            waits_seconds=90,
        ),
    )
