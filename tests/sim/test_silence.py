"""Very many silent jobs: each is asked after soon, whatever lists say, and none of it is believed too much."""

from __future__ import annotations

import pytest

from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.silence import SILENCE_MUTANTS
from tests.sim.silence import Silence, run_silence


@pytest.mark.parametrize("seed", [1, 2])
def test_silent_jobs_are_asked_after_by_lists(seed: int) -> None:
    """Whatever ended is told of in time, though one in five lists is late and a worker dies."""
    outcome = run_silence(Silence(), seed)
    assert outcome.complaints == ()


def test_what_a_list_names_for_ever_is_asked_after_by_itself() -> None:
    """Before long: the sweeper goes on at its pace, whatever the list says."""
    outcome = run_silence(Silence(run_on=150, named_for_ever=3, seconds=4500), seed=3)
    assert outcome.complaints == ()


def test_workers_share_the_work() -> None:
    """Neither asks much more than the other, one by one or by the list."""
    outcome = run_silence(Silence(kill_at=float("inf"), seconds=3000), seed=4)
    assert outcome.complaints == ()
    one, other = (outcome.calls_by[name] for name in ("worker0", "worker1"))
    for operation in ("states.DescribeExecution", "dynamodb.BatchGetItem"):
        assert 1 / 2 < one[operation] / other[operation] < 2, (operation, one, other)


@pytest.mark.parametrize("mutant", SILENCE_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_silent_jobs_is_caught(mutant: Mutant) -> None:
    """Jobs are asked after late, or never, or an end is not told of in time."""
    with mutant.at_work():
        assert run_silence(Silence()).complaints != ()
