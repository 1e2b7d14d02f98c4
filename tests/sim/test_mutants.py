"""The judge can say no: each mistake that breaks a promise is caught within a few seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from tests.sim.circumstances import Circumstances
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.promises import MUTANTS
from tests.sim.simulation import Result, simulate

_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Climate:
    """Histories that show a mistake soon: from this seed on, of so many jobs, with more of what it takes."""

    first: int = 0
    jobs: int = 4
    rates: Mapping[str, float] = field(default_factory=dict)

    def history(self, seed: int) -> Result:
        """One of them; all but the rates is drawn as ever."""
        drawn = Circumstances.draw(Random(f"{seed}:plan"), Random(f"{seed}:people"))
        given = replace(drawn, rates=replace(drawn.rates, **self.rates))
        return simulate(seed, self.jobs, circumstances=given)


_TASKS_FAIL = Climate(9, 8, {"task_fails": 0.9, "task_event_lost": 0.0})
_NEW_TASKS_ARE_UNKNOWN = Climate(
    2,
    8,
    {
        "stale_describe": 1.0,
        "task_event_lost": 0.8,
        "execution_event_lost": 0.2,
        "aborted": 0.9,
        "redriven": 0.9,
        "task_fails": 0.0,
        "event_late": 0.0,
    },
)
# Where what the first seeds do not show was seen. Histories that change make it take longer, no more.
_SHOWN_IN = {
    "does not renew a lease": Climate(12),
    "announces past its claim": Climate(93),
    "archives each try under one key": Climate(624),
    "does not wait for late lines": Climate(45),
    "takes small logs before they are quiet": Climate(45),
    "keeps what comes twice": Climate(27),
    "takes throttled messages up at once": Climate(502),
    "counts throttles as attempts": Climate(31),
    "waits for capacity for ever": Climate(30),
    "keeps what it took on SIGTERM": Climate(26),
    "leaves without deleting": Climate(32),
    "takes a sidecar's code for its own": _TASKS_FAIL,
    "takes no code for success": Climate(18),
    "passes who was stopped": _TASKS_FAIL,
    "lets a sidecar decide": _TASKS_FAIL,
    "takes a new task for a forgotten one": _NEW_TASKS_ARE_UNKNOWN,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_broken_promise_is_caught(mutant: Mutant) -> None:
    """A violation names the promise that the sabotage breaks; it may break others as well, and sooner."""
    climate, named = _SHOWN_IN.get(mutant.name, Climate()), set()
    with mutant.at_work():
        for result in map(climate.history, range(climate.first, climate.first + _MOST_SEEDS)):
            named |= {violation.promise for violation in result.violations}
            if named & mutant.promises:
                return
    raise AssertionError(f"nobody noticed in {_MOST_SEEDS} seeds, but for promises {sorted(named)}")


@pytest.mark.parametrize("climate", [_TASKS_FAIL, _NEW_TASKS_ARE_UNKNOWN], ids=["tasks fail", "new tasks are unknown"])
def test_without_a_mistake_no_promise_is_broken_there(climate: Climate) -> None:
    """Or what is caught there would be something else."""
    assert [result.violations for result in map(climate.history, range(4))] == [[]] * 4


def test_every_promise_has_its_saboteur() -> None:
    """None of the nine is only claimed."""
    assert set().union(*(mutant.promises for mutant in MUTANTS)) == set(range(1, 10))
