"""The kept cases, each of which is decided as it was; and a decision that changes is seen in them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import pytest

from schemas.casefile import Replay
from service.core.admission import admission
from service.core.casefile.files import LOGS, Case, read_case
from service.core.casefile.replay import replay
from service.core.diagnosis import diagnosis
from service.core.diagnosis.table import ROWS
from service.core.planning import planning
from service.core.policy import owed
from service.core.telling import letter
from tests.casefiles.corpus import CASES

PARTS = {
    "pictures": {"admission": 1, "planning": 3, "diagnosis": 0, "policy": 5, "telling": 1},
    "swells": {"admission": 1, "planning": 4, "diagnosis": 3, "policy": 5, "telling": 1},
    "cancelled": {"admission": 1, "planning": 1, "diagnosis": 1, "policy": 4, "telling": 1},
    "redriven": {"admission": 1, "planning": 7, "diagnosis": 3, "policy": 6, "telling": 1},
    "malformed": {"admission": 1, "planning": 0, "diagnosis": 0, "policy": 2, "telling": 1},
}


def case(name: str) -> Case:
    """A kept case."""
    with CASES[name].open("rb") as file:
        return read_case(file)


def replayed(name: str) -> Replay:
    """What it comes to now."""
    return replay(case(name), "now")


def seen(found: Replay) -> dict[str, dict[str, tuple[object, object]]]:
    """What is decided otherwise, by its part and its field."""
    return {
        part.part: {item.where: (item.then, item.now) for item in part.differences}
        for part in found.parts
        if part.differences
    }


@pytest.mark.parametrize("name", CASES)
def test_all_is_decided_as_it_was(name: str) -> None:
    """Every decision of the case, none left out unseen. Where a change is meant: `python -m tests.casefiles`."""
    found = replayed(name)
    assert seen(found) == {}
    assert {part.part: part.decisions for part in found.parts} == PARTS[name]


def test_a_changed_row_of_the_diagnosis_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """In what the planner and the card say, and in what is done: without its remedy the stage is not tried bigger."""
    rows = tuple(
        row._replace(failure_class="greedy", remedy="none") if row.failure_class == "out_of_memory" else row
        for row in ROWS
    )
    monkeypatch.setattr(diagnosis, "ROWS", rows)
    found = seen(replayed("swells"))
    assert set(found) == {"planning", "diagnosis", "telling"}
    first, *_ = [where for where in found["diagnosis"] if where.endswith(".failure_class")]
    assert found["diagnosis"][first] == ("out_of_memory", "greedy")
    assert ("run", "fail") in found["diagnosis"].values()
    assert found["diagnosis"]["failure card.failure_class"] == ("out_of_memory", "greedy")


def test_a_changed_rule_of_the_planner_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that does not grow."""
    monkeypatch.setattr(planning, "bigger", lambda _stage, cpu, memory: (cpu, memory))
    found = seen(replayed("swells"))
    assert ("128", "64") in found["planning"].values() and ("128", "64") in found["diagnosis"].values()
    assert set(found) == {"planning", "diagnosis"}


def test_a_planner_that_fails_now_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises fails an execution, so it is a decision as well."""

    def broken(*_: object) -> object:
        raise KeyError("memory")

    monkeypatch.setattr(planning, "next_stage", broken)
    assert (None, "it fails: KeyError: 'memory'") in seen(replayed("pictures"))["planning"].values()


@pytest.mark.parametrize("name", CASES)
def test_a_changed_word_of_the_letter_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its line, and nowhere else."""
    openings = {status: text.replace("Your job", "The job").replace("not", "NOT") for status, text in _OPENINGS.items()}
    monkeypatch.setattr(letter, "_OPENINGS", openings)
    assert {part: list(found) for part, found in seen(replayed(name)).items()} == {
        "telling": ["notification.text, line 1"]
    }


_OPENINGS = dict(letter._OPENINGS)


def test_a_changed_admission_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a frozen stage, in a verdict, and in the reasons of a rejection."""
    monkeypatch.setattr(admission, "DEFAULT_HEARTBEAT_SECONDS", 61)
    assert seen(replayed("redriven")) == {
        "admission": {f"request.stages.{number}.heartbeat_seconds": (60, 61) for number in (0, 1)}
    }
    monkeypatch.setattr(admission, "_is_reserved", lambda name: name == "MODE")
    assert seen(replayed("redriven"))["admission"]["request"][0] == "admitted"
    monkeypatch.setitem(admission._REMEDIES, "extra_forbidden", "Begone.")
    [(where, told)] = seen(replayed("malformed"))["admission"].items()
    assert (where.rpartition(".")[2], told[1]) == ("remedy", "Begone.")


@pytest.mark.parametrize(
    ("rule", "case_name", "where"), [("_logs", "pictures", "log of"), ("_announcement", "malformed", "announcement")]
)
def test_a_changed_policy_is_seen(rule: str, case_name: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done is owed no more."""
    nothing: Callable[..., tuple[()]] = lambda *_: ()  # noqa: E731
    monkeypatch.setattr(owed, rule, nothing)
    found = seen(replayed(case_name))
    assert set(found) == {"policy"} and all(name.startswith(where) for name in found["policy"])


def test_what_is_masked_stands_nowhere_but_in_the_log_that_it_was_printed_to() -> None:
    """In none of the texts in which a job carries its environment."""
    with zipfile.ZipFile(CASES["redriven"]) as opened:
        holding = [name for name in opened.namelist() if b"fast and loose" in opened.read(name)]
    assert len(holding) == 1 and holding[0].startswith(LOGS)
