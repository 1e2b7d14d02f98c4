"""Jobs made again, among all else that goes wrong: each once, of the right job, and mistakes with them are seen."""

from __future__ import annotations

import pytest

from tests.sim.again import PREFIX
from tests.sim.catching import look_into, must_be_seen
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.wishes import RERUN_MUTANTS
from tests.sim.simulation import World

_MOST_SEEDS = 300
_SEEDS = 12


def test_jobs_are_made_again_in_some_histories() -> None:
    """And no promise is broken by that."""
    made: list[str] = []

    def look(world: World) -> None:
        made.extend(name for name in world.states.executions if name.startswith(PREFIX))

    assert not [found for seed in range(_SEEDS) for found in look_into(seed, look).violations]
    assert made


@pytest.mark.parametrize("mutant", RERUN_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_a_rerun_is_seen(mutant: Mutant) -> None:
    """The violation names the promise that it breaks."""
    must_be_seen(mutant, 0, _MOST_SEEDS)
