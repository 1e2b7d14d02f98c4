"""Mistakes with many silent jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.core.record.keys import RecordKey
from tests.sim.mutants.mutant import mutant
from workers import roll_call, sweeper


def _takes_up_nobody(self: sweeper.Sweeper, due: Iterable[RecordKey]) -> list[RecordKey]:
    picked = _picked_in_truth(self, due)
    return picked if len(picked) < self._most_of_a_sweep else []


_picked_in_truth = sweeper.Sweeper._picked


async def _calls_nobody(self: roll_call.RollCall) -> int:
    return 0


async def _finds_all_that_is_due(self: roll_call.RollCall, due: Mapping[RecordKey, float]) -> Any:
    yield {key.id: 0 for key in due}, list(due)


SILENCE_MUTANTS = (
    mutant("asks after each by itself", (4,), (roll_call.RollCall, "look", _calls_nobody)),
    mutant("takes up nobody while there is a list", (4,), (sweeper.Sweeper, "_picked", _takes_up_nobody)),
    mutant("puts off whatever is due", (4,), (roll_call.RollCall, "_named", _finds_all_that_is_due)),
    mutant("takes tasks of what runs for running", (4,), (roll_call, "news_of", lambda job, arns, told: ())),
)
