"""What tests of mistakes have in common: the first history that shows one."""

from __future__ import annotations

from collections.abc import Callable

from tests.sim.mutants.mutant import Mutant
from tests.sim.simulation import Result, World, history, simulate, undisturbed


def must_be_seen(mutant: Mutant, first: int, at_most: int) -> None:
    """Fails where no history of so many shows a mistake, or the first that does names another promise."""
    with mutant.at_work():
        found = next((result for result in map(simulate, range(first, first + at_most)) if result.violations), None)
    assert found is not None, f"nobody noticed in {at_most} seeds"
    assert found.violations[0].promise in mutant.promises, f"seed {found.seed}: {found.violations[0]}"


def look_into(seed: int, look: Callable[[World], None]) -> Result:
    """What a history came to, after a look at its world."""
    with undisturbed(page_jobs=1 + seed % 3):
        return _looked_into(World(seed, 4, trace=False), look)


def _looked_into(world: World, look: Callable[[World], None]) -> Result:
    """Nobody holds on to the world, so that it is collected while nobody is disturbed."""
    result = history(world)
    look(world)
    return result
