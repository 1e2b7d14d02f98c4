"""The judge can say no: each mistake that breaks a promise is caught within a few seeds."""

from __future__ import annotations

import pytest

from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.promises import MUTANTS
from tests.sim.simulation import simulate

_MOST_SEEDS = 1000
# Where to begin to look for what is rarely seen: it was seen there. Histories that change make it take longer, no more.
_SEEN_AT = {
    "takes throttled messages up at once": 432,
    "archives each try under one key": 321,
    "announces past its claim": 93,
    "counts throttles as attempts": 31,
    "takes a new task for a forgotten one": 680,
    "takes a sidecar's code for its own": 72,
    "passes who was stopped": 72,
    "lets a sidecar decide": 72,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_broken_promise_is_caught(mutant: Mutant) -> None:
    """A violation names the promise that the sabotage breaks; it may break others as well, and sooner."""
    first, named = _SEEN_AT.get(mutant.name, 0), set()
    with mutant.at_work():
        for result in map(simulate, range(first, first + _MOST_SEEDS)):
            named |= {violation.promise for violation in result.violations}
            if named & mutant.promises:
                return
    raise AssertionError(f"nobody noticed in {_MOST_SEEDS} seeds, but for promises {sorted(named)}")


def test_every_promise_has_its_saboteur() -> None:
    """None of the nine is only claimed."""
    assert set().union(*(mutant.promises for mutant in MUTANTS)) == set(range(1, 10))
