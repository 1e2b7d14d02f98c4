"""One cancel for many jobs, among all else that goes wrong: nobody is left out, and mistakes with it are seen."""

from __future__ import annotations

import pytest

from tests.sim.many import BULK_KEY
from tests.sim.mutants import BULK_MUTANTS, Mutant
from tests.sim.simulation import World, history, simulate, undisturbed
from tests.sim.truth import fact_in

_MOST_SEEDS = 1000
_SEEDS = 20


def test_bulks_come_to_their_end_in_some_histories() -> None:
    """Having done something, and no promise is broken by that."""
    done = 0
    for seed in range(_SEEDS):
        with undisturbed():
            world = World(seed, 4, trace=False)
            assert history(world).violations == []
            done += (fact_in(world.table.item(BULK_KEY), "bulk_progress") or {}).get("done", 0)
            del world  # It is to be collected while nobody is disturbed.
    assert done > 0


@pytest.mark.parametrize("mutant", BULK_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_a_bulk_is_seen(mutant: Mutant) -> None:
    """The violation names the promise that it breaks."""
    with mutant.at_work():
        found = next((result for result in map(simulate, range(_MOST_SEEDS)) if result.violations), None)
    assert found is not None, f"nobody noticed in {_MOST_SEEDS} seeds"
    assert found.violations[0].promise in mutant.promises, str(found.violations[0])
