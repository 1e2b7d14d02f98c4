"""Why a job is where it is: what it waits for, since when, how long that takes, and what was unusual."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.tracking import Why
from service.core.record.facts import Fact, StageSpent, WaitsForCapacity
from service.core.tracking.why import Lately, why
from tests.support.builders import (
    JOB,
    NOW,
    announced,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

LATER = NOW + 100
WAIT = WaitsForCapacity(
    job_id=JOB,
    at=NOW + 40,
    wait_seconds=30,
    stage=1,
    attempt=1,
    since=NOW + 10,
    tries=3,
    failure_class="capacity",
    why="RESOURCE:MEMORY, password=hunter2",
)
NEW: dict[str, Any] = {"pull_started_at": None, "started_at": None}
SITUATIONS: dict[str, tuple[list[Fact], str | None, float | None]] = {
    "not started": ([requested()], "start", 100),
    "started, no task yet": ([requested(), execution("RUNNING")], "planner", 100),
    "no capacity": ([requested(), execution("RUNNING"), WAIT], "capacity", 90),
    "no host": ([requested(), execution("RUNNING"), running(last_status="PENDING", **NEW)], "host", 99),
    "pulling": ([requested(), execution("RUNNING"), running(started_at=None)], "image", 97),
    "running": ([requested(), execution("RUNNING"), running()], "container", 94),
    "between stages": ([requested(stages=2), execution("RUNNING"), task()], "planner", 50),
    "its log is archived": ([requested(), execution(attempts=(attempt(),)), task()], "archive", 40),
    "a task is open yet": ([requested(), execution(), running(containers=())], "archive", 40),
    "about to be told": ([requested(), execution(attempts=(attempt(),)), task(), receipt()], "announcement", 40),
    "told": ([requested(), execution(attempts=(attempt(),)), task(), receipt(), announced()], None, None),
    "redriven": (
        [requested(), execution("RUNNING", redrive_count=1, redriven_at=NOW + 80), task(), receipt(), announced()],
        "planner",
        20,
    ),
}


def asked(*facts: Fact, lately: Lately = ()) -> Why:
    """The answer, a hundred seconds after the request."""
    return why(record(*facts), LATER, lately)


@pytest.mark.parametrize(("facts", "waits_for", "seconds"), SITUATIONS.values(), ids=SITUATIONS)
def test_it_says_what_is_waited_for_and_since_when(
    facts: list[Fact], waits_for: str | None, seconds: float | None
) -> None:
    """Each row of the table."""
    answer = asked(*facts)
    assert (answer.waits_for, answer.waited_seconds) == (waits_for, seconds)
    assert answer.text


def test_a_wait_for_capacity_says_how_often_and_why() -> None:
    """Without the secrets that AWS quotes."""
    answer = asked(requested(), execution("RUNNING"), WAIT)
    assert (answer.tries, answer.failure_class, answer.stage, answer.attempt) == (3, "capacity", 1, 1)
    assert answer.text[0] == (
        "AWS takes no task of it on, for want of capacity, and has refused it 3 times "
        "(RESOURCE:MEMORY, password=[redacted]), for 1 min 30 s now: stage 1 (stage-1) of 1, attempt 1."
    )


def spent(**fields: Any) -> tuple[StageSpent, ...]:
    """What the one stage of a finished job took."""
    usual = {
        "image": "echo",
        "stage": 1,
        "passed": True,
        "queued": 2.0,
        "starting": 3.0,
        "running": 10.0,
        "memory": 512,
    }
    return (StageSpent.model_validate({**usual, **fields}),)


def test_it_says_how_long_such_a_stage_takes() -> None:
    """By those that passed: a failure says nothing of how long a success takes."""
    lately = [*(spent(running=float(n)) for n in range(1, 11)), spent(running=1000.0, passed=False)]
    usual = asked(requested(), execution("RUNNING"), running(), lately=lately).usual
    assert usual is not None
    assert (usual.jobs, usual.p50_seconds, usual.p90_seconds, usual.memory) == (10, 5.5, 9.0, 512)


@pytest.mark.parametrize("like", [{"image": "other"}, {"stage": 2}])
def test_another_stage_is_not_compared_with(like: dict[str, Any]) -> None:
    """Nor a handful of jobs."""
    others = [spent(**like)] * 20
    assert asked(requested(), execution("RUNNING"), running(), lately=[*others, *[spent()] * 4]).usual is None
    assert asked(requested(), execution("RUNNING"), running(), lately=[*others, *[spent()] * 5]).usual is not None


def test_it_says_where_the_time_went() -> None:
    """Part by part, and what lies between the tasks."""
    answer = asked(
        requested(submitted_at=NOW - 5),
        execution(attempts=(attempt(),)),
        task(),
        receipt(archived_at=NOW + 63),
        announced(),
    )
    found = answer.spent
    assert (found.starting_execution, found.queued, found.starting, found.running) == (5, 2, 3, 44)
    assert (found.between, found.archiving) == (11, 3)
    assert "44.0 s running" in answer.text[0]


UNUSUAL: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, float]]]] = {
    "as ever": ({}, {"running": 15.0}, []),
    "three times slower": ({}, {"running": 14.6}, [("running", 3.0)]),
    "less than three times": ({}, {"running": 14.8}, []),
    "three times next to nothing": ({"started_at": NOW + 7}, {"starting": 1.0, "running": 40.0}, []),
    "long without a host": (
        {"pull_started_at": NOW + 31, "started_at": NOW + 32},
        {"running": 15.0},
        [("queued", 15.0)],
    ),
    "more memory": ({"memory": "717"}, {"running": 15.0}, [("memory", 1.4)]),
    "a little more": ({"memory": "716"}, {"running": 15.0}, []),
}


@pytest.mark.parametrize(("now", "before", "found"), UNUSUAL.values(), ids=UNUSUAL)
def test_it_says_what_was_unusual(now: dict[str, Any], before: dict[str, Any], found: list[tuple[str, float]]) -> None:
    """Three times slower, or 40 % more memory, than the median of the last; and nothing of less than five seconds."""
    facts = (requested(), execution(attempts=(attempt(),)), task(**now), receipt(), announced())
    answer = asked(*facts, lately=[spent(**before)] * 5)
    assert [(item.what, item.times) for item in answer.unusual] == found
    assert len([line for line in answer.text if line.startswith("Unusual: stage 1 (stage-1) ")]) == len(found)


def test_a_rejected_request_says_every_reason() -> None:
    """And that nothing ran."""
    answer = asked(rejected(claimed_job_id="odd"))
    assert (answer.status, answer.job_id) == ("REJECTED", "odd")
    assert answer.text[1:] == ("job_id: it is odd. Choose another.",)


def test_it_names_the_logs_that_are_missing() -> None:
    """The job's and its sidecars'."""
    pair = task(containers=(container(), container("proxy")))
    answer = asked(requested(), execution(attempts=(attempt(),)), pair, receipt())
    assert answer.text[0].startswith("It ended, and its logs are archived: of proxy, for 40.0 s now")


@pytest.mark.parametrize(
    "fields",
    [{"last_status": "PENDING"}, {"pull_started_at": NOW + 2}, {"pull_started_at": NOW + 2, "started_at": NOW + 3}],
)
def test_it_says_of_which_attempt_of_which_stage_it_is(fields: dict[str, Any]) -> None:
    """Whatever it waits for."""
    usual = {"created_at": NOW + 1, "pull_started_at": None, "started_at": None, "stage": 2, "attempt": 3, "redrive": 1}
    answer = asked(requested(stages=2), execution("RUNNING", redrive_count=1), running(**{**usual, **fields}))
    assert (answer.stage, answer.attempt, answer.redrive) == (2, 3, 1)
