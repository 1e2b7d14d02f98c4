"""Which tests run which lines: collected once, kept under build/, and anew only for files of tests that changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.imports import Imports
from tests.mutants.mutation import Mutation
from tests.mutants.tree import CHECKOUT, Tree, files_of, side_by_side

KEPT = CHECKOUT / "build" / "mutants" / "lines.json"
_AT_MOST_SECONDS = 1800.0
# Files of tests that one run of pytest collects: many enough to start it seldom, few enough to share them out.
_TOGETHER = 8


class TestsFailError(Exception):
    """These tests fail without any mutant: mend them first."""


@dataclass(frozen=True)
class Coverage:
    """The lines that each test runs: {file of tests: {test: {"seconds": ..., "lines": {file: [...]}}}}."""

    tests: dict[str, dict[str, Any]]
    imports: Imports

    def killers(self, mutation: Mutation) -> dict[str, float]:
        """The tests that may notice a mutation, nearest and quickest files first, and the seconds that each takes."""
        distances = self.imports.distances(mutation.path)
        chosen = {}
        for file, tests in self.tests.items():
            able = {test: ran["seconds"] for test, ran in tests.items() if _may_notice(mutation, ran["lines"])}
            if able and (file in distances or not mutation.at_import):
                chosen[file] = able
        ranked = sorted(chosen, key=lambda file: (distances.get(file, 99), sum(chosen[file].values())))
        return {test: seconds for file in ranked for test, seconds in chosen[file].items()}


def _may_notice(mutation: Mutation, lines: dict[str, list[int]]) -> bool:
    if mutation.at_import:
        return True
    return any(mutation.first <= line <= mutation.last for line in lines.get(mutation.path, ()))


def collect(trees: Sequence[Tree], places: Sequence[str], say: Callable[[str], None]) -> Coverage:
    """What the tests of these places run."""
    files = files_of()
    imports = Imports(CHECKOUT, [path for path in files if path.endswith(".py")])
    wanted = [path for path in files if path.startswith(tuple(places)) and Path(path).name.startswith("test_")]
    rest = _digest(path for path in files if not Path(path).name.startswith("test_") and path.endswith(".py"))
    keys = {path: _digest([path]) + rest for path in wanted}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    stale = [path for path in wanted if kept.get(path, {}).get("key") != keys[path]]
    if stale:
        say(f"Noting which lines each test runs, in {len(stale)} files of tests ...")
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        groups = [stale[first : first + _TOGETHER] for first in range(0, len(stale), _TOGETHER)]
        for group, tests in side_by_side(trees, _collected, groups):
            for path in group:
                own = {test: ran for test, ran in tests.items() if test.partition("::")[0] == path}
                kept[path] = {"key": keys[path], "tests": own}
            KEPT.write_text(json.dumps(kept))
    return Coverage({path: kept[path]["tests"] for path in wanted}, imports)


def _collected(tree: Tree, paths: list[str]) -> tuple[list[str], dict[str, Any]]:
    to = tree.root / "lines.json"
    to.unlink(missing_ok=True)
    code, said = tree.pytest(["--lines-to", str(to), *paths], _AT_MOST_SECONDS)
    if code not in (0, 5):  # 5: there is no test in them
        raise TestsFailError(said[-3000:])
    return paths, json.loads(to.read_text())


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + (CHECKOUT / path).read_bytes() + b"\0")
    return digest.hexdigest()
