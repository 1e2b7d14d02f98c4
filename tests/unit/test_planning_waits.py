"""Waiting for capacity: no failure of a job, within a budget of time and of history, and no two jobs in step."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from itertools import count, pairwise
from statistics import mean
from typing import Any

import pytest

from schemas.catalog import DEFAULT_CAPACITY_WAIT_SECONDS
from schemas.job import ONE_YEAR_SECONDS
from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED
from service.core.planning import planning
from service.core.planning.planning import MOST_ATTEMPTS
from service.core.planning.waiting import MOST_REFUSALS, drawn, wait_seconds
from tests.support.machine import EXIT_1, LOST, OUT_OF_MEMORY, THROTTLED, Ends, Machine, brief, failed, ok, stage

ARN = "arn:aws:states:eu-central-1:123456789012:execution:jobferry:thumbs-42"
REFUSALS = {
    "RunTask's rate": THROTTLED,
    "the vCPU quota": Ends(
        error="ECS.AmazonECSException",
        cause="You've reached the limit on the number of vCPUs you can run concurrently",
    ),
    "no Spot": Ends(
        error="AmazonECS.Unknown",
        cause='{"Failures":[{"Reason":"Capacity is unavailable at this time. Please try again later"}],"Tasks":[]}',
    ),
    "no room": Ends(error="AmazonECS.Unknown", cause='{"Failures":[{"Reason":"RESOURCE:MEMORY"}],"Tasks":[]}'),
    "no host": Ends(error="ECS.InvalidParameterException", cause="No Container Instances were found in your cluster."),
    "failures without a reason": Ends(error="AmazonECS.Unknown", cause='{"Failures":[],"Tasks":[]}'),
}
NO_CAPACITY_AFTER_ALL = failed(
    ("main", None), stop_code="TaskFailedToStart", stopped_reason="Capacity is unavailable at this time."
)
NEVER = stage(retries={"transient": 0, "out_of_memory": 0}, capacity_wait_seconds=600)


def evidence(end: Any) -> str:
    """What the outcome of a failure shows."""
    return str(json.loads(end.outcome.cause)["evidence"])


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_uses_up_no_attempt(refusal: Ends) -> None:
    """Far more of them than any retries: the one attempt that was made has passed."""
    machine = Machine([stage(retries={"transient": 0})])
    end = machine.run(*[refusal] * 30, ok())
    assert (end.decision, brief(end)) == ("succeed", [(1, 1, True, 0)])
    assert {item.attempt for item in machine.ran} == {1}
    assert end.outcome is not None
    assert end.outcome.refusals == 30


def test_refusals_leave_the_retries_to_what_they_are_for() -> None:
    """In whatever order; and what was learnt of the memory stays."""
    once = stage(max_memory=2048, retries={"transient": 1, "out_of_memory": 1})
    machine = Machine([once])
    script = (THROTTLED, LOST, THROTTLED, OUT_OF_MEMORY, THROTTLED, THROTTLED)
    assert machine.run(*script, ok()).decision == "succeed"
    assert [item.memory for item in machine.ran[-3:]] == ["1024"] * 3
    assert Machine([once]).run(*script, LOST).decision == "fail"


def test_a_task_that_was_stopped_for_want_of_capacity_is_an_attempt_and_no_retry() -> None:
    """Its task and its log are told of by its number; no budget but time pays for it."""
    machine = Machine([NEVER])
    end = machine.run(NO_CAPACITY_AFTER_ALL, NO_CAPACITY_AFTER_ALL, THROTTLED, ok())
    assert brief(end) == [(1, 1, False, None), (1, 2, False, None), (1, 3, True, 0)]
    assert [item.attempt for item in machine.ran] == [1, 2, 3, 3]
    assert machine.ran[-1].waiting is not None
    assert machine.ran[-1].waiting.tries == 3


def test_the_plan_of_a_wait_says_since_when_for_what_and_how_often() -> None:
    """The state machine's history holds it while the job waits."""
    machine = Machine([stage()])
    machine.run(THROTTLED, THROTTLED, ok())
    waits = [item.waiting for item in machine.ran]
    assert waits[0] is None
    assert [(item.tries, item.failure_class) for item in waits[1:] if item] == [(1, "throttled"), (2, "throttled")]
    assert {item.since for item in waits[1:] if item} == {"2023-11-14T22:13:21.000Z"}
    assert all("Rate exceeded" in item.why for item in waits[1:] if item)


def test_a_wait_is_over_with_the_attempt_that_was_taken_on() -> None:
    """The next one has a budget of its own."""
    machine = Machine([stage(), stage()])
    machine.run(THROTTLED, LOST, THROTTLED, ok(), THROTTLED, ok())
    tries = [item.waiting.tries if item.waiting else 0 for item in machine.ran]
    assert tries == [0, 1, 0, 1, 0, 1]


def used_up(machine: Machine, refusal: Ends = THROTTLED) -> Any:
    """The end of a job that is refused for ever."""
    fresh = replace(machine)
    for tries in count(1):
        machine.ran, machine.waited, machine.now = [], [], fresh.now
        with suppress(IndexError):  # The script was too short.
            return machine.run(*[refusal] * tries)
    raise AssertionError("for ever and a day")


def test_a_budget_that_is_over_fails_the_job_and_says_what_it_waited_for() -> None:
    """What, since when, how often."""
    machine = Machine([NEVER])
    end = used_up(machine)
    assert end.outcome.error == STAGE_FAILED
    tries = len(machine.ran)
    assert evidence(end).startswith(f"waited for capacity since 2023-11-14T22:13:21.000Z, tried {tries} times;")
    assert "Rate exceeded" in evidence(end)
    assert [(item.failure_class, item.attempt) for item in end.outcome.attempts] == [("throttled", 1)]
    assert 590 < sum(machine.waited) + tries <= 605, "neither given up early, nor waited longer"


def test_a_budget_of_nothing_waits_for_nothing() -> None:
    """Whoever wants to know at once."""
    end = Machine([stage(capacity_wait_seconds=0)]).run(THROTTLED)
    assert (end.decision, brief(end)) == ("fail", [(1, 1, False, None)])
    assert "tried once" in evidence(end)


def test_the_jobs_own_time_ends_the_wait() -> None:
    """The last try is made within it, and the end says what was waited for."""
    machine = Machine([stage()], timeout_seconds=60)
    end = used_up(machine)
    assert end.outcome.error == JOB_TIMED_OUT
    assert evidence(end).startswith("the job's timeout of 60 seconds is over; waited for capacity since")
    assert 55 <= sum(machine.waited) + len(machine.ran) <= 60


def test_a_redriven_job_has_its_whole_budget() -> None:
    """Somebody thinks that there is capacity now, or soon."""
    machine = Machine([NEVER])
    ended = used_up(machine)
    end = machine.redrive(ended, *[THROTTLED] * 10, ok())
    assert (end.decision, [item.passed for item in end.outcome.attempts] if end.outcome else []) == (
        "succeed",
        [False, True],
    )
    assert end.outcome is not None
    assert end.outcome.refusals >= ended.outcome.refusals + 10


# How long a turn is.


def wait(tries: int, refusals: int, left: float, arn: str, *, account_wide: bool = True) -> int:
    """So many seconds, where there are any."""
    return wait_seconds(tries, refusals, left, arn, account_wide=account_wide) or 0


def limit(tries: int) -> float:
    """The longest that was drawn for a try, of many executions."""
    return max(wait(tries, tries, 14_400, f"{ARN}-{number}") for number in range(500))


def test_the_limit_grows_up_to_two_minutes() -> None:
    """A throttle is over in a moment, a missing capacity in minutes."""
    limits = [limit(tries) for tries in range(1, 20)]
    assert limits[0] == 4
    assert limits == sorted(limits)
    assert limits[-4:] == [120, 120, 120, 120]


def test_what_one_image_lacks_is_asked_for_less_often() -> None:
    """Hosts and Spot take minutes to come, and each try in vain is one of RunTask's that others would have had."""
    waits = [wait(1, 0, 14_400, f"{ARN}-{number}", account_wide=False) for number in range(500)]
    assert max(waits) == 30
    assert mean(waits) > 3 * limit(1)


def test_a_wait_is_anything_up_to_its_limit() -> None:
    """Full jitter: the thousand that were refused in one moment come back evenly."""
    waits = [wait(16, 16, 14_400, f"{ARN}-{number}") for number in range(1000)]
    assert min(waits) < 5
    assert 55 < mean(waits) < 66
    assert max(sum(wait in range(start, start + 12) for wait in waits) for start in range(1, 120, 12)) < 150


def test_the_same_turn_of_the_same_execution_waits_equally_long() -> None:
    """A step that Lambda runs twice decides the same; the next turn draws anew."""
    assert len({wait(5, 5, 14_400, ARN) for _ in range(3)}) == 1
    turns = [drawn(ARN, number) for number in range(20)]
    assert all(0 <= turn < 1 for turn in turns)
    assert all(one != other for one, other in pairwise(turns))


BUDGETS = (600, DEFAULT_CAPACITY_WAIT_SECONDS, 86_400, 14 * 86_400, ONE_YEAR_SECONDS)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("before", [0, MOST_REFUSALS // 2, MOST_REFUSALS - 30])
@pytest.mark.parametrize("account_wide", [True, False])
def test_the_turns_last_as_long_as_the_time(budget: int, before: int, *, account_wide: bool) -> None:
    """However long the budget, and however many turns other stages have used up: the wait grows until both fit."""
    waited, refusals = 0, before
    for tries in count(1):
        seconds = wait_seconds(tries, refusals, budget - waited, ARN, account_wide=account_wide)
        if seconds is None:
            break
        waited, refusals = waited + seconds, refusals + 1
    assert refusals <= MOST_REFUSALS
    assert waited > 0.9 * budget


def test_attempts_and_refusals_together_stay_within_what_is_carried() -> None:
    """See the history's arithmetic in test_state_machine."""
    assert (MOST_ATTEMPTS, MOST_REFUSALS) == (600, 380)


def test_a_bug_after_a_wait_is_a_bug() -> None:
    """Waiting makes no other failure worth a retry."""
    end = Machine([stage()]).run(THROTTLED, EXIT_1)
    assert (end.decision, brief(end)) == ("fail", [(1, 1, False, 1)])


def test_each_stage_waits_as_long_as_its_own_image_may() -> None:
    """The second not at all."""
    machine = Machine([NEVER, replace_wait(0)])
    end = machine.run(THROTTLED, ok(), THROTTLED)
    assert (end.decision, brief(end)) == ("fail", [(1, 1, True, 0), (2, 1, False, None)])


def replace_wait(seconds: int) -> Any:
    """A stage that may wait for so long."""
    return stage(retries={"transient": 0}, capacity_wait_seconds=seconds)


def test_a_task_that_only_waited_is_told_from_one_that_failed() -> None:
    """By its attempt, for whoever reads what was tried."""
    end = Machine([NEVER]).run(NO_CAPACITY_AFTER_ALL, THROTTLED, ok())
    assert end.outcome is not None
    assert [item.waited for item in end.outcome.attempts] == [True, None]


@pytest.mark.parametrize(("second", "decision"), [(57, "succeed"), (58, "succeed"), (59, "fail")])
def test_a_wait_leaves_the_job_a_second_to_run(second: int, decision: str) -> None:
    """Of its time; with less left there is nothing to wait for."""
    machine = Machine([stage()], timeout_seconds=60)
    refused = replace(THROTTLED, takes=second)
    end = machine.run(refused, replace(ok(), takes=0)) if decision == "succeed" else machine.run(refused)
    assert end.decision == decision
    assert sum(machine.waited) <= max(0, 59 - second)


@pytest.mark.parametrize("last", [LOST, THROTTLED], ids=["a failure", "a refusal"])
def test_a_job_has_no_more_attempts_than_its_history_holds(last: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many its stages' retries come to."""
    monkeypatch.setattr(planning, "MOST_ATTEMPTS", 3)
    patient = stage(retries={"transient": 20})
    assert Machine([patient]).run(LOST, LOST, last).decision == "fail"
    assert Machine([patient]).run(LOST, last, ok()).decision == "succeed"
