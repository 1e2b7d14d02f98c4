"""How the tests are shared out among the processes of `make test`: who stays together, and who begins."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped,unused-ignore]

# Half of the tests wait for other processes most of their time, so there are more of them at once than cores.
_PROCESSES_A_CORE = 2
_MOST_PROCESSES = 8
_SHARED_SYSTEM = "tests/e2e"
# Given one by one, tests of a millisecond would be waited for by the processes that are to do them.
_UNITS = "tests/unit"
# Modules whose tests share what is dear to make; of all others but the units', each test goes wherever there is room.
_TOGETHER = frozenset(
    {
        "tests/contracts/test_quotas.py",
        "tests/e2e/test_doctor.py",
        "tests/e2e/test_fifo_topic.py",
        "tests/e2e/test_image.py",
        "tests/e2e/test_lost_events.py",
        "tests/e2e/test_metrics.py",
        "tests/e2e/test_page.py",
        "tests/image/test_worker_at_work.py",
        "tests/integration/test_on_aws.py",
    }
)
# End-to-end tests that share nothing, each with a system of its own.
_ALONE = frozenset(
    {
        "tests/e2e/test_at_home.py",
        "tests/e2e/test_console.py",
        "tests/e2e/test_develop_your_image.py",
        "tests/e2e/test_local_command.py",
        "tests/e2e/test_planner_zip.py",
    }
)
# Of each, one at a time: those that mostly wait are mixed with those that only compute.
_FIRST_IN_TURNS = ("tests/chaos", _SHARED_SYSTEM, "tests/sim", "tests/mutants")
# Tests of seconds in rooms of milliseconds: begun at the end, one of them alone would be waited for.
_LONG = frozenset(
    {
        "tests/integration/test_openapi.py::test_every_answer_is_as_the_document_says",
        "tests/unit/test_refused_requests.py::test_odd_types_anywhere_are_judged",
        "tests/integration/test_api_zip.py::test_the_api_answers_from_its_zip_with_nothing_but_what_is_locked_for_it",
        "tests/unit/test_rehearsal.py::test_the_planners_own_limit_of_attempts_holds",
        "tests/unit/test_schemas.py::test_schema_and_model_judge_anything_alike",
        "tests/integration/test_linted.py::test_cfn_lint_finds_nothing",
    }
)
_THEN = ("tests/contracts", "tests/integration")


class Sharing(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
    """Gives each process one unit after the other, in the order of the collection.

    pytest-xdist's own groups are no help: 3.8.0 writes them into an attribute that pytest 9.2 reads no more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note that a process did a test, and forget each unit that is done.

        pytest-xdist keeps them, and counts all that a process ever did anew after each test of thousands.
        """
        nodeid = self.registered_collections[node][item_index]
        units, unit = self.assigned_work[node], unit_of(nodeid)
        units[unit][nodeid] = True
        if all(units[unit].values()):
            del units[unit]
        self._reschedule(node)


def processes() -> int:
    """How many processes a machine takes."""
    return min(_PROCESSES_A_CORE * (os.cpu_count() or 1), _MOST_PROCESSES)


def unit_of(nodeid: str) -> str:
    """What one process does as a whole: a test, or all tests that share what is dear to make."""
    module = nodeid.partition("::")[0]
    if module in _TOGETHER or (_room(nodeid) == _UNITS and nodeid.partition("[")[0] not in _LONG):
        return module
    if _room(nodeid) == _SHARED_SYSTEM and module not in _ALONE:
        return _SHARED_SYSTEM
    return nodeid


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """In the order in which to begin: what takes its time first, so that no process ends long after the others."""
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(unit_of(item.nodeid), []).append(item)
    places: Counter[str] = Counter()
    ranks: dict[str, tuple[int, int]] = {}
    for unit in units:
        ranks[unit] = _rank(unit, places[_room(unit)])
        places[_room(unit)] += 1
    return [item for unit in sorted(units, key=lambda unit: ranks[unit]) for item in units[unit]]


def _rank(unit: str, place: int) -> tuple[int, int]:
    room = _room(unit)
    if unit == _SHARED_SYSTEM:
        return 0, 0
    if room in _FIRST_IN_TURNS:
        return 1, place
    if unit.partition("[")[0] in _LONG:
        return 2, 0
    return 3 + (_THEN.index(room) if room in _THEN else len(_THEN)), 0


def _room(nodeid: str) -> str:
    return "/".join(nodeid.partition("::")[0].split("/")[:2])
