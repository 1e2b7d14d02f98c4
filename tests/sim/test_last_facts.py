"""Who hears the last fact of a job announces it, in whatever order two workers hear and write."""

from __future__ import annotations

import pytest

from tests.sim.last_facts import last_facts
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.promises import LAST_FACT_MUTANTS

_SEEDS = 1000


def test_somebody_is_answered_with_all_of_it() -> None:
    """Without a sweeper: once announced, each log archived once, and nothing lost of what was settled."""
    wrong = {seed: complaints for seed in range(_SEEDS) if (complaints := last_facts(seed))}
    assert wrong == {}


@pytest.mark.parametrize("mutant", LAST_FACT_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_is_noticed(mutant: Mutant) -> None:
    """Each of them is of the kind that a sweep would hide."""
    with mutant.at_work():
        assert any(last_facts(seed) for seed in range(_SEEDS))
