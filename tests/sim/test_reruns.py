"""Jobs made again, among all else that goes wrong: each once, of the right job, and mistakes with them are seen."""

from __future__ import annotations

import pytest

from tests.sim.again import PREFIX
from tests.sim.mutants import RERUN_MUTANTS, Mutant
from tests.sim.simulation import World, history, simulate, undisturbed

_MOST_SEEDS = 300
_SEEDS = 12


def test_jobs_are_made_again_in_some_histories() -> None:
    """And no promise is broken by that."""
    made = 0
    for seed in range(_SEEDS):
        with undisturbed():
            world = World(seed, 4, trace=False)
            assert history(world).violations == []
            made += sum(name.startswith(PREFIX) for name in world.states.executions)
            del world  # It is to be collected while nobody is disturbed.
    assert made > 0


@pytest.mark.parametrize("mutant", RERUN_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_a_rerun_is_seen(mutant: Mutant) -> None:
    """The violation names the promise that it breaks."""
    with mutant.at_work():
        found = next((result for result in map(simulate, range(_MOST_SEEDS)) if result.violations), None)
    assert found is not None, f"nobody noticed in {_MOST_SEEDS} seeds"
    assert found.violations[0].promise in mutant.promises, str(found.violations[0])
