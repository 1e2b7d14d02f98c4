"""How the tests are shared out among the processes of `make test`: who stays together, and who begins."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest

# Half of the tests wait for other processes most of their time, so there are more of them at once than cores.
_PROCESSES_A_CORE = 2
_MOST_PROCESSES = 8
# Of each, one test at a time: those that mostly wait are mixed with those that only compute.
_FIRST_IN_TURNS = ("tests/chaos", "tests/e2e", "tests/sim")
_THEN = ("tests/contracts", "tests/integration")


def processes() -> int:
    """How many processes a machine takes."""
    return min(_PROCESSES_A_CORE * (os.cpu_count() or 1), _MOST_PROCESSES)


def keep_together(item: pytest.Item) -> None:
    """Let all tests that share a fixture of their package or module run in one process, so that it is made once."""
    group = _shared_by(item)
    if group:
        item.add_marker(pytest.mark.xdist_group(group))


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """In the order in which to begin: what takes its time first, so that no process ends long after the others."""
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(_unit(item), []).append(item)
    places: Counter[str] = Counter()
    ranked: list[tuple[tuple[int, int], list[pytest.Item]]] = []
    for unit in units.values():
        room = _room(unit[0])
        ranked.append((_rank(unit[0], room, places[room]), unit))
        places[room] += 1
    return [item for _, unit in sorted(ranked, key=lambda pair: pair[0]) for item in unit]


def _rank(first: pytest.Item, room: str, place: int) -> tuple[int, int]:
    if "package" in _scopes(first).values():
        return 0, 0  # What a whole package shares is the longest of all.
    if room in _FIRST_IN_TURNS:
        return 1, place
    return 2 + (_THEN.index(room) if room in _THEN else len(_THEN)), 0


def _room(item: pytest.Item) -> str:
    return "/".join(PurePosixPath(item.nodeid.partition("::")[0]).parts[:2])


def _unit(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else item.nodeid


def _shared_by(item: pytest.Item) -> str:
    scopes = _scopes(item)
    if "package" in scopes.values():
        return _room(item)
    shared = sorted(name for name, scope in scopes.items() if scope == "module")
    return f"{item.nodeid.partition('::')[0]} {' '.join(shared)}" if shared else ""


def _scopes(item: pytest.Item) -> dict[str, str]:
    return dict(_scopes_of(item))


def _scopes_of(item: Any) -> Iterator[tuple[str, str]]:
    """The fixtures of a test with their scopes; pytest has no public name for where it keeps them."""
    for name, definitions in item._fixtureinfo.name2fixturedefs.items() if hasattr(item, "_fixtureinfo") else ():
        yield name, definitions[-1].scope
