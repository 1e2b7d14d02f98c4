"""The tool itself: what a seed draws, which tests are run first, and what is noticed."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.campaign import Fate, Program, judge, rate
from tests.mutants.coverage import Coverage, Kept, moved
from tests.mutants.equivalent import Note, Noted
from tests.mutants.imports import Imports
from tests.mutants.mutation import Mutation
from tests.mutants.mutators import mutations_of
from tests.mutants.tree import CHECKOUT, Answer, Tree, side_by_side
from tests.mutants.warm import UNABLE, _in_memory

PROGRAM = b"""LIMIT = 10


def left(taken: int) -> int:
    while taken > LIMIT:
        taken -= 1
    return LIMIT - taken


def unused() -> int:
    return 5
"""
TESTS = """from service.slots import left


def test_left() -> None:
    assert left(4) == 6


def test_none_left() -> None:
    assert left(12) == 0
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A program of a few lines, and its tests."""
    files = {"service/slots.py": PROGRAM.decode(), "checks/test_slots.py": TESTS, "pyproject.toml": "[tool.pytest]"}
    for path in ("service/__init__.py", "workers/__init__.py", "schemas/__init__.py", "tests/__init__.py"):
        files[path] = ""
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copytree(CHECKOUT / "tests/mutants", tmp_path / "tests/mutants", ignore=shutil.ignore_patterns("test_*"))
    made = Tree(tmp_path, ["checks"])
    yield made
    made.stop()


def mutation(new_line: str) -> Mutation:
    """The mutation of the program that makes this line."""
    return next(
        item
        for item in mutations_of("service/slots.py", PROGRAM)
        if f"+ {new_line}" in item.changed_code(PROGRAM).splitlines()
    )


def coverage(**tests: Any) -> Coverage:
    """What tests run, by file."""
    ran = {f"tests/{name}.py": {f"tests/{name}.py::{test}": what for test, what in items.items()}
           for name, items in tests.items()}  # fmt: skip
    return Coverage(ran, Imports(CHECKOUT, []))


KILLERS = {"checks/test_slots.py::test_left": 0.1, "checks/test_slots.py::test_none_left": 0.1}


@pytest.mark.parametrize(
    ("new_line", "killers", "fate"),
    [
        ("return LIMIT + taken", KILLERS, Fate.KILLED),
        ("LIMIT = 11", KILLERS, Fate.KILLED),
        ("while taken >= LIMIT:", KILLERS, Fate.KILLED),
        ("while True:", KILLERS, Fate.TIMED_OUT),
        ("while False:", dict(list(KILLERS.items())[:1]), Fate.SURVIVED),
        ("return 6", {}, Fate.NOT_RUN),
    ],
)
def test_what_becomes_of_a_mutant(tree: Tree, new_line: str, killers: dict[str, float], fate: Fate) -> None:
    """A test fails, or hangs; or none notices, because none looks or none runs it. Then all is as it was."""
    changed = _endless() if new_line == "while True:" else mutation(new_line)
    assert judge(changed, tree, killers, hangs_after=1).fate == fate
    assert (tree.root / "service/slots.py").read_bytes() == PROGRAM
    assert rate([judge(changed, tree, {})]) == 0


def _endless() -> Mutation:
    at = PROGRAM.index(b"taken > LIMIT")
    return Mutation("service/slots.py", 5, at, at + len(b"taken > LIMIT"), "True", "condition", 5, 5, False)


def test_a_tree_that_is_not_the_changed_one_is_not_judged(tree: Tree) -> None:
    """Else every mutant would survive, where the installed program is another copy."""
    shutil.rmtree(tree.root / "service")
    answer = tree.pytest(["--killers", "none.json"], 60)
    assert answer.code == 4
    assert "service is not the one of" in answer.said


def test_the_lines_that_each_test_runs_are_noted(tree: Tree) -> None:
    """Of the program alone, in every function that a test enters."""
    answer = tree.pytest(["--lines-to", "lines.json", "checks"], 60)
    assert answer.code == 0, answer.said
    ran = {
        test.rpartition(":")[2]: what["lines"]
        for test, what in json.loads((tree.root / "lines.json").read_text()).items()
    }
    assert ran == {"test_left": {"service/slots.py": [4, 5, 7]}, "test_none_left": {"service/slots.py": [4, 5, 6, 7]}}


def test_what_a_file_of_tests_runs_while_it_is_collected_all_its_tests_run(tree: Tree) -> None:
    """The rows of a table are often made there, and a mistake in one is seen by the test that reads it."""
    table = "import pytest\n\nfrom service.slots import left\n\n\n" + (
        "@pytest.mark.parametrize('slots', [left(4)])\ndef test_slots(slots: int) -> None:\n    assert slots == 6\n"
    )
    (tree.root / "checks/test_slots.py").write_text(table)
    answer = tree.pytest(["--lines-to", "lines.json", "checks"], 60)
    assert answer.code == 0, answer.said
    ran = json.loads((tree.root / "lines.json").read_text())
    assert [what["lines"] for what in ran.values()] == [{"service/slots.py": [4, 5, 7]}]
    test = "checks/test_slots.py::test_slots[6]"
    assert judge(mutation("return LIMIT + taken"), tree, {test: 0.1}).fate == Fate.KILLED


@pytest.mark.parametrize(
    ("new_line", "expected"), [("return LIMIT + taken", (1, False)), ("LIMIT = 11", (UNABLE, False))]
)
def test_a_function_is_changed_in_memory(tree: Tree, new_line: str, expected: tuple[int, bool]) -> None:
    """The file stays as it is, and the next mutant meets the function as it was; what no function holds is left."""
    assert _swapped(tree, "return LIMIT + taken").code == 1
    answer = _swapped(tree, new_line)
    assert (answer.code, answer.early) == expected
    assert (tree.root / "service/slots.py").read_bytes() == PROGRAM
    assert _swapped(tree, "return 6").code == 0


def _swapped(tree: Tree, new_line: str) -> Answer:
    return tree.swapped(mutation(new_line), KILLERS, 20, 60)


def test_a_line_has_moved_only_where_its_neighbours_have() -> None:
    """What a test ran is still true of such lines alone, so that only the other tests are run again."""
    before = "a\nb\nc\nd\ne\nf\n"
    assert moved(before, before) == {line: line for line in range(1, 7)}
    assert moved(before, "new\n" + before) == {2: 3, 3: 4, 4: 5, 5: 6, 6: 7}
    assert moved(before, before.replace("c", "x")) == {1: 1, 5: 5, 6: 6}
    assert moved(before, "") == {}


def test_only_what_ran_a_changed_line_is_noted_anew() -> None:
    """And a whole file of tests, where itself or what it stands on has changed."""
    ran = {"t.py::far": {"lines": {"service/a.py": [1, 5]}}, "t.py::near": {"lines": {"service/a.py": [3]}}}
    noted = {"program": {"service/a.py": "a\nb\nc\nd\ne\n"}, "keys": {"t.py": "k"}, "tests": {"t.py": ran}}
    kept = Kept(noted, {"service/a.py": "a\nb\nnew\nd\ne\nf\ng\n"})
    assert kept.stale({"t.py": "k"}) == {"t.py": ["t.py::far", "t.py::near"]}
    kept = Kept(
        noted | {"tests": {"t.py": {"t.py::far": {"lines": {"service/a.py": [1]}}}}}, {"service/a.py": "a\nb\n"}
    )
    assert kept.stale({"t.py": "k"}) == {}
    assert kept.stale({"t.py": "another"}) == {"t.py": ["t.py"]}
    kept.note("t.py", "another", {"t.py::new": {"lines": {}}})
    assert kept.stale({"t.py": "another"}) == {}
    assert list(kept.tests["t.py"]) == ["t.py::new"]


def test_the_same_seed_draws_the_same_sample() -> None:
    """From the same program; another seed draws another."""
    program = Program({"service/slots.py": PROGRAM * 20})
    lines = program.lines([], Noted([]))
    assert program.sample(lines, 20, 1) == program.sample(lines, 20, 1)
    assert program.sample(lines, 20, 1) != program.sample(lines, 20, 2)
    assert len({item.where for item in program.sample(lines, 20, 3)}) == 20
    assert all(item.is_python(PROGRAM * 20) for item in program.every(lines))


def test_a_place_is_a_folder_a_file_or_a_line() -> None:
    """So that one survivor can be tried again."""
    program = Program({"service/slots.py": PROGRAM, "service/core/other.py": PROGRAM})
    assert _places(program, "service/core") == _places(program, "service/core/other.py")
    assert _places(program, "service/slots.py:7", "service/core/other.py:1") == [
        "service/core/other.py:1",
        "service/slots.py:7",
    ]
    assert len(_places(program)) == 2 * len(_places(program, "service/slots.py"))


def _places(program: Program, *only: str) -> list[str]:
    return [line[0].where for line in program.lines(only, Noted([]))]


def test_tests_that_run_the_line_are_chosen_nearest_and_quickest_first() -> None:
    """A line at import is noticed by whoever imports its module."""
    near, far = {"seconds": 5.0, "lines": {"a.py": [3]}}, {"seconds": 1.0, "lines": {"a.py": [3]}}
    elsewhere = {"seconds": 0.1, "lines": {"a.py": [9], "b.py": [3]}}
    known = coverage(far={"one": far}, near={"two": near, "three": elsewhere})
    object.__setattr__(known, "imports", _Distances({"a.py": 0, "tests/near.py": 1, "tests/far.py": 2}))
    in_function = Mutation("a.py", 3, 0, 1, "", "", 2, 3, at_import=False)
    assert known.killers(in_function) == {"tests/near.py::two": 5.0, "tests/far.py::one": 1.0}
    at_import = Mutation("a.py", 1, 0, 1, "", "", 1, 1, at_import=True)
    assert list(known.killers(in_function, at_most_seconds=4)) == ["tests/near.py::two"]
    assert list(known.killers(at_import)) == ["tests/near.py::two", "tests/near.py::three", "tests/far.py::one"]
    own = coverage(near={"two": near}, test_a={"own": far})
    object.__setattr__(own, "imports", _Distances({"a.py": 0, "tests/near.py": 1, "tests/test_a.py": 2}))
    assert list(own.killers(at_import)) == ["tests/test_a.py::own", "tests/near.py::two"]


class _Distances(Imports):
    def __init__(self, known: dict[str, int]) -> None:
        self._known = known

    def distances(self, path: str) -> dict[str, int]:
        return self._known


def test_the_distance_of_a_test_is_counted_in_imports(tmp_path: Path) -> None:
    """Absolute, relative, of a module or of a name in it."""
    files = {
        "p/__init__.py": "",
        "p/a.py": "",
        "p/b.py": "from .a import x",
        "p/c.py": "import p.b",
        "p/d.py": "from p import a",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert Imports(tmp_path, list(files)).distances("p/a.py") == {"p/a.py": 0, "p/b.py": 1, "p/d.py": 1, "p/c.py": 2}


def test_every_noted_mutation_exists() -> None:
    """A note whose code has gone is to go too, or it hides another mutation one day."""
    program, noted = Program.of_checkout(), Noted.read()
    changes = {(note.file, note.change.strip()) for note in noted.notes}
    lines = program.lines({file for file, _ in changes}, Noted([]))
    known = [item for line in lines for item in line if _change(program, item) in changes]
    there = {_change(program, item) for item in program.every([known])}
    assert [note for note in noted.notes if (note.file, note.change.strip()) not in there] == []


def _change(program: Program, item: Mutation) -> tuple[str, str]:
    return item.path, item.changed_code(program.contents[item.path])


def test_a_noted_mutation_is_left_out_wherever_its_line_has_moved() -> None:
    """And no other one of the same line."""
    noted = Noted([Note(file="service/slots.py", change="- LIMIT = 10\n+ LIMIT = 11\n", why="an example")])
    moved = b"\n\n" + PROGRAM
    left = [
        item.changed_code(moved) for item in mutations_of("service/slots.py", moved) if not noted.knows(item, moved)
    ]
    assert len(left) == len(mutations_of("service/slots.py", moved)) - 1
    assert "- LIMIT = 10\n+ LIMIT = 11" not in left


def test_what_is_left_is_stopped(tree: Tree) -> None:
    """Who has seen enough waits for nobody."""
    (tree.root / "checks/test_slots.py").write_text("import time\n\n\ndef test_slow():\n    time.sleep(600)\n")
    results = side_by_side([tree, tree], _quick_or_endless, ["quick", "endless"])
    assert next(results) == "quick"
    results.close()  # type: ignore[attr-defined]  # a generator
    assert tree.pytest(["--co", "checks"], 60).code == 0


def _quick_or_endless(tree: Tree, what: str) -> str:
    if what == "endless":
        tree.pytest(["checks"], 600)
    return what


def test_functions_are_found_where_the_collector_does_not_look() -> None:
    """The tests' own conftest freezes what was collected; each mutant would else be made in its file, which is slow."""
    gc.freeze()
    try:
        assert rate in _in_memory()[rate.__code__]
    finally:
        gc.unfreeze()
