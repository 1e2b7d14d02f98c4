"""A burst waits: whatever an account's quotas are, all jobs succeed, and nearly as soon as the quotas allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.burst import Burst, rate_of_run_task, run_burst, vcpus
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.promises import BURST_MUTANTS, HOLDS_NOTHING_BACK

# Half a minute of what the account takes, as 600 jobs at AWS's 20 a second are, for a quarter of the work.
CROWD = Burst(150, rate_of_run_task(5, 5), workers=1)
BURSTS = {
    "RunTask's bucket": CROWD,
    "four workers that know nothing of each other": replace(CROWD, workers=4),
    "a quota of vCPUs": Burst(48, vcpus(2), runs_seconds=60),
    "nothing is heard of any task": replace(CROWD, task_events_lost=1.0),
}


@pytest.mark.parametrize("burst", BURSTS.values(), ids=BURSTS)
def test_a_burst_waits_and_none_fails(burst: Burst) -> None:
    """In the queue, for the most part: what waits in Step Functions costs history."""
    assert run_burst(burst).complaints == ()


FEW = Burst(100, rate_of_run_task(20), workers=1)
BESIDE_THE_STUCK = replace(FEW, stuck=150)


def test_jobs_whose_image_has_no_host_slow_no_others_down() -> None:
    """They stand before them in the queue. A few are started and go on asking; the rest waits in the queue."""
    beside = run_burst(BESIDE_THE_STUCK)
    assert beside.statuses == {"SUCCEEDED": 100}
    assert beside.dead_letters == 0
    assert beside.stuck_started < 120
    assert beside.launched_within < 1.5 * run_burst(FEW).launched_within


def test_when_hosts_come_all_that_waited_for_them_run() -> None:
    """The first ones soon, since some always ask; those in the queue when the time is over that they are held back."""
    outcome = run_burst(replace(BESIDE_THE_STUCK, jobs=10, stuck=80, hosts_after=600))
    assert outcome.statuses == {"SUCCEEDED": 90}
    assert outcome.dead_letters == 0
    assert outcome.stuck_launched[0] < 600 + 60
    assert outcome.stuck_launched[-1] < 600 + 700


def test_a_crowd_without_a_host_that_is_not_held_back_is_noticed() -> None:
    """All of it would ask RunTask again and again, of which there are twenty calls a second for everybody."""
    with HOLDS_NOTHING_BACK.at_work():
        assert run_burst(BESIDE_THE_STUCK).stuck_started == 150


@pytest.mark.parametrize("mutant", BURST_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_burst_shows_what_is_wrong(mutant: Mutant) -> None:
    """Each mistake makes jobs fail, wastes what the account allows, or fills Step Functions with those that wait."""
    with mutant.at_work():
        assert run_burst(CROWD).complaints != ()


def test_where_there_is_never_capacity_a_job_fails_when_its_time_to_wait_is_over() -> None:
    """With a card that says what it waited for, since when and how often; long before its history is full."""
    outcome = run_burst(Burst(10, vcpus(0), job=(("capacity_wait_seconds", 3600),)))
    assert outcome.statuses == {"FAILED": 10}
    for card in outcome.failures:
        assert (card["failure_class"], card["stage"], card["retryable"]) == ("quota_used_up", 1, True)
        assert card["evidence"].startswith("waited for capacity since 2023-11-14T22:13:2"), card["evidence"]
        assert "You've reached the limit on the number of vCPUs" in card["evidence"]
    assert max(outcome.events) < 3000
    assert min(outcome.refusals) > 30


def test_an_account_that_takes_all_is_not_slowed() -> None:
    """A hundred jobs start at once; of more, each that was taken on lets two through."""
    outcome = run_burst(Burst(200, rate_of_run_task(10_000, 10_000), workers=1))
    assert outcome.refused == 0
    assert outcome.launched_within < 12
