"""Which tests run which lines: noted once, kept under build/, and noted anew only where tests or lines changed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.mutants.imports import Imports
from tests.mutants.mutation import Mutation
from tests.mutants.plugin import ROOTS
from tests.mutants.tree import CHECKOUT, TestsFailError, Tree, files_of, side_by_side

KEPT = CHECKOUT / "build" / "mutants" / "lines.json"
PROGRAM = tuple(f"{root}/" for root in ROOTS)
_QUICK_SECONDS = 0.1
_AT_MOST_SECONDS = 1800.0
# Files of tests that one run of pytest collects: many enough to start it seldom, few enough to share them out.
_TOGETHER = 8


@dataclass(frozen=True)
class Coverage:
    """The lines that each test runs: {file of tests: {test: {"seconds": ..., "lines": {file: [...]}}}}."""

    tests: dict[str, dict[str, Any]]
    imports: Imports

    def killers(self, mutation: Mutation, at_most_seconds: float = math.inf) -> dict[str, float]:
        """The tests that may notice a mutation, and their seconds: the module's own first, the nearest, the quickest.

        What is too far away to be run in so many seconds is left out: a mistake should be noticed near by.
        """
        distances = self.imports.distances(mutation.path)
        chosen = {}
        for file, tests in self.tests.items():
            able = {test: ran["seconds"] for test, ran in tests.items() if _may_notice(mutation, ran["lines"])}
            if able and (file in distances or not mutation.at_import):
                chosen[file] = able

        def rank(file: str) -> tuple[bool, int, float]:
            return not _is_named_after(file, mutation.path), distances.get(file, 99), sum(chosen[file].values())

        ranked = sorted(chosen, key=rank)
        found = {test: seconds for file in ranked for test, seconds in chosen[file].items()}
        if not mutation.at_import:  # Then no file of tests has to be collected anew, and the quick ones may go first.
            found = dict(sorted(found.items(), key=lambda test: test[1] > _QUICK_SECONDS))
        until = zip(found, accumulate(found.values()), strict=True)
        return {test: found[test] for test, total in until if total - found[test] <= at_most_seconds}


def _is_named_after(file: str, path: str) -> bool:
    return Path(file).stem == f"test_{Path(path).stem}"


def _may_notice(mutation: Mutation, lines: dict[str, list[int]]) -> bool:
    if mutation.at_import:
        return True
    return any(mutation.first <= line <= mutation.last for line in lines.get(mutation.path, ()))


def collect(trees: Sequence[Tree], places: Sequence[str], say: Callable[[str], None]) -> Coverage:
    """What the tests of these places run."""
    files = files_of()
    imports = Imports(CHECKOUT, [path for path in files if path.endswith(".py")])
    wanted = [path for path in files if path.startswith(tuple(places)) and Path(path).name.startswith("test_")]
    keys = {path: _digest(_tests_own(imports, path)) for path in wanted}
    kept = Kept.read()
    stale = kept.stale(keys)
    if stale:
        say(f"Noting which lines each test runs, in {len(stale)} files of tests ...")
        groups = [list(stale)[first : first + _TOGETHER] for first in range(0, len(stale), _TOGETHER)]
        for group, ran in side_by_side(trees, partial(_collected, stale), groups):
            for path in group:
                kept.note(path, keys[path], {test: what for test, what in ran.items() if _file(test) == path})
            kept.write()
    return Coverage({path: kept.tests[path] for path in wanted}, imports)


def _tests_own(imports: Imports, path: str) -> list[str]:
    """A file of tests and what it runs on, apart from the program."""
    reached = [other for other in imports.reached(path) if not other.startswith(PROGRAM)]
    above = [(parent / "conftest.py").as_posix() for parent in Path(path).parents]
    return sorted({path, *reached, *(file for file in above if (CHECKOUT / file).exists())})


def _collected(
    stale: Mapping[str, Sequence[str]], tree: Tree, paths: Sequence[str]
) -> tuple[Sequence[str], dict[str, Any]]:
    to = tree.root / "lines.json"
    to.unlink(missing_ok=True)
    tests = [test for path in paths for test in stale[path]]
    answer = tree.pytest(["--lines-to", str(to), *tests], _AT_MOST_SECONDS)
    if answer.code not in (0, 5):  # 5: there is no test in them
        raise TestsFailError(answer.said[-3000:])
    return paths, json.loads(to.read_text())


def _file(test: str) -> str:
    return test.partition("::")[0]


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + (CHECKOUT / path).read_bytes() + b"\0")
    return digest.hexdigest()


class Kept:
    """What was noted of the program as it was, moved to where its lines are now."""

    def __init__(self, kept: dict[str, Any], program: dict[str, str]) -> None:
        self._program = program
        self._keys: dict[str, str] = kept.get("keys", {})
        self.tests: dict[str, dict[str, Any]] = kept.get("tests", {})
        then: dict[str, str] = kept.get("program", {})
        moves = {path: moved(text, program.get(path, "")) for path, text in then.items() if text != program.get(path)}
        for tests in self.tests.values():
            for ran in tests.values():
                ran["lines"] = _moved(ran["lines"], moves)

    @classmethod
    def read(cls) -> Kept:
        """What an earlier run noted."""
        program = {path: (CHECKOUT / path).read_text() for path in files_of() if path.startswith(PROGRAM)}
        return cls(json.loads(KEPT.read_text()) if KEPT.exists() else {}, program)

    def stale(self, keys: Mapping[str, str]) -> dict[str, list[str]]:
        """By file of tests, what is to run again: tests that ran a line which is another now, or the whole file."""
        found = {}
        for path, key in keys.items():
            if self._keys.get(path) != key:
                found[path] = [path]
            elif tests := [test for test, ran in self.tests[path].items() if ran["lines"] is None]:
                found[path] = tests
        return found

    def note(self, path: str, key: str, ran: dict[str, Any]) -> None:
        """The tests of a file that ran just now: all, or those that were stale."""
        earlier = self.tests[path] if self._keys.get(path) == key else {}
        self.tests[path] = earlier | ran
        self._keys[path] = key

    def write(self) -> None:
        """Keep it for the next run."""
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps({"program": self._program, "keys": self._keys, "tests": self.tests}))


def _moved(lines: dict[str, list[int]] | None, moves: Mapping[str, Mapping[int, int]]) -> dict[str, list[int]] | None:
    """Where these lines are now; None where one of them has changed, or has a new neighbour."""
    if lines is None or any(line not in moves[path] for path in moves.keys() & lines for line in lines[path]):
        return None
    return {path: [moves[path][line] for line in ran] if path in moves else ran for path, ran in lines.items()}


def moved(before: str, after: str) -> dict[int, int]:
    """From where to where each line has moved that is as it was, and so are its neighbours."""
    old, new = before.splitlines(), after.splitlines()
    found: dict[int, int] = {}
    for at, to, size in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        begins = 0 if at == to == 0 else 1
        ends = size if at + size == len(old) and to + size == len(new) else size - 1
        found |= {at + line + 1: to + line + 1 for line in range(begins, ends)}
    return found
