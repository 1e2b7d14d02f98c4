"""One wish for many jobs, among all else that goes wrong: nobody is left out, and mistakes with it are seen."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.sim.catching import look_into, must_be_seen
from tests.sim.many_judge import BULK_KEY
from tests.sim.mutants.many import BULK_MUTANTS, LATE_MUTANTS
from tests.sim.mutants.mutant import Mutant
from tests.sim.simulation import World
from tests.sim.truth import fact_in

_MOST_SEEDS = 1000
_SEEDS = 60
# Where to begin to look for what is rarely seen: it was seen there. Histories that change make it take longer, no more.
_SEEN_AT: dict[str, int] = {}


def test_bulks_of_each_kind_come_to_their_end() -> None:
    """In several pages, by several workers, some stopped, some asked for by a copy; no promise is broken by that."""
    seen: Counter[str] = Counter()

    def look(world: World) -> None:
        bulk, progress = world.judge.many, fact_in(world.table.item(BULK_KEY), "bulk_progress") or {}
        done = progress.get("done", 0)
        seen[f"done by a {bulk.verb}"] += done
        seen["several pages"] += bulk.pages > 2
        seen["several workers"] += len(bulk.workers) > 1
        seen["stopped"] += progress.get("stopped", False)
        seen["replayed"] += world.letters.replayed

    assert not [found for seed in range(_SEEDS) for found in look_into(seed, look).violations]
    named = ("done by a cancel", "done by a redrive", "done by a rerun", "several pages", "several workers")
    assert not [name for name in (*named, "stopped", "replayed") if not seen[name]], dict(seen)


@pytest.mark.parametrize("mutant", (*BULK_MUTANTS, *LATE_MUTANTS), ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_a_bulk_is_seen(mutant: Mutant) -> None:
    """The violation names the promise that it breaks."""
    must_be_seen(mutant, _SEEN_AT.get(mutant.name, 0), _MOST_SEEDS)
