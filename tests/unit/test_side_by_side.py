"""How the tests are shared out: what is dear to make is made once, and names that are listed are there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support import side_by_side
from tests.support.dockerfile import ROOT


class Node:
    """A process that is given tests, by their numbers."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, numbers: list[int]) -> None:
        """Do these."""
        self.given += numbers

    def shutdown(self) -> None:
        """Do no more than was given."""
        self.shutting_down = True


LONG = "tests/unit/test_schemas.py::test_schema_and_model_judge_anything_alike"


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/e2e/test_jobs.py::test_a", "tests/e2e"),
        ("tests/e2e/test_new.py::test_a[x@y]", "tests/e2e"),
        ("tests/e2e/test_doctor.py::test_a[one]", "tests/e2e/test_doctor.py"),
        ("tests/e2e/test_local_command.py::test_a", "tests/e2e/test_local_command.py::test_a"),
        ("tests/integration/test_dlq.py::test_a[x]", "tests/integration/test_dlq.py::test_a[x]"),
        ("tests/unit/test_owed.py::test_a[x]", "tests/unit/test_owed.py"),
        (f"{LONG}[x]", f"{LONG}[x]"),
    ],
)
def test_what_is_dear_to_make_is_made_in_one_process(nodeid: str, unit: str) -> None:
    """The shared system of the end-to-end tests, and what a module makes for its tests."""
    assert side_by_side.unit_of(nodeid) == unit


def test_what_is_done_is_forgotten_and_more_is_given() -> None:
    """Whoever asks how much a process has left counts no test that it did."""
    tests = [f"tests/contracts/test_a.py::test_{number}" for number in range(20)]
    one = SimpleNamespace(option=SimpleNamespace(loadscopereorder=False), getvalue=lambda _: ["popen"])
    sharing, node = side_by_side.Sharing(one), Node()
    sharing.add_node(node)
    sharing.add_node_collection(node, tests)
    sharing.schedule()
    for done in range(len(tests)):
        assert node.given == list(range(min(done + 2, len(tests))))
        assert len(sharing.assigned_work[node]) <= 2
        sharing.mark_test_complete(node, done)
    assert sharing.tests_finished and not sharing.has_pending


def test_every_module_that_is_listed_is_there() -> None:
    """A renamed one would quietly be made several times."""
    assert all((ROOT / module).is_file() for module in side_by_side._TOGETHER | side_by_side._ALONE)


def test_every_long_test_that_is_listed_is_there() -> None:
    """A renamed one would quietly begin among the last."""
    for test in side_by_side._LONG:
        module, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / module).read_text(encoding="utf-8"), test
