"""A burst waits: whatever an account's quotas are, all jobs succeed, and nearly as soon as the quotas allow."""

from __future__ import annotations

import pytest

from tests.sim.burst import Burst, rate_of_run_task, run_burst, vcpus
from tests.sim.mutants import BURST_MUTANTS, Mutant

CROWD = Burst(600, rate_of_run_task(20))
BURSTS = {
    "RunTask's bucket": CROWD,
    "four workers that know nothing of each other": Burst(1200, rate_of_run_task(20), workers=4),
    "a quota of vCPUs": Burst(100, vcpus(3), runs_seconds=120),
    "nothing is heard of any task": Burst(600, rate_of_run_task(20), task_events_lost=1.0),
}


@pytest.mark.parametrize("burst", BURSTS.values(), ids=BURSTS)
def test_a_burst_waits_and_none_fails(burst: Burst) -> None:
    """In the queue, for the most part: what waits in Step Functions costs history."""
    assert run_burst(burst).complaints == ()


@pytest.mark.parametrize("mutant", BURST_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_burst_shows_what_is_wrong(mutant: Mutant) -> None:
    """Each mistake makes jobs fail, wastes what the account allows, or fills Step Functions with those that wait."""
    with mutant.at_work():
        assert run_burst(CROWD).complaints != ()


def test_where_there_is_never_capacity_a_job_fails_when_its_time_to_wait_is_over() -> None:
    """With a card that says what it waited for, since when and how often; long before its history is full."""
    outcome = run_burst(Burst(20, vcpus(0), job=(("capacity_wait_seconds", 3600),)))
    assert outcome.statuses == {"FAILED": 20}
    for card in outcome.failures:
        assert (card["failure_class"], card["stage"], card["retryable"]) == ("quota_used_up", 1, True)
        assert card["evidence"].startswith("waited for capacity since 2023-11-14T22:13:2"), card["evidence"]
        assert "You've reached the limit on the number of vCPUs" in card["evidence"]
    assert max(outcome.events) < 3000
    assert min(outcome.refusals) > 30


def test_an_account_that_takes_all_is_not_slowed() -> None:
    """A hundred jobs start at once; of more, each that was taken on lets two through."""
    outcome = run_burst(Burst(400, rate_of_run_task(10_000, 10_000), workers=1))
    assert outcome.refused == 0
    assert outcome.launched_within < 12
