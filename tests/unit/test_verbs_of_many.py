"""What the verbs over many jobs ask for and print, to the letter, over a deployment that answers by a table."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.bulk import BulkFilter, BulkRefusal, BulkSent, BulkWish, TrackedBulk
from schemas.operator import NothingMatches
from service.operator import many
from service.tracking.errors import UnknownBulkError

from .test_verbs import AT, Said, Shell, shell_of

OPEN = BulkFilter(status="OPEN", type="thumbs")
SENT = BulkSent(
    verb="cancel", bulk_id="b-1", tenant="web", requested_by="ann", message_id="m", location="/tenants/web/bulk/b-1"
)
WORDS = ("cancel", "--tenant", "web", "--all", "status:running", "type:thumbs")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell that reaches a deployment; nobody waits between two looks, and each is a second after the last."""
    seconds = iter(range(1000))
    monkeypatch.setattr(many, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(many, "time", SimpleNamespace(monotonic=lambda: float(next(seconds)), time=lambda: 1e9))
    return shell_of(monkeypatch, capsys, many)


def bulk(**fields: Any) -> TrackedBulk:
    """A bulk as it is tracked."""
    usual = {"bulk_id": "b-1", "tenant": "web", "verb": "cancel", "status": "FINISHED", "jobs": OPEN, "asked_at": AT}
    nobody = dict.fromkeys(
        ("requested_by", "sent_by", "reason", "searched_back_to", "progressed_at", "finished_at", "stopped_by")
    )
    return TrackedBulk.model_validate({**usual, **nobody, "matched": 0, "done": 0, "refused": 0, **fields})


MANY = bulk(
    status="STOPPED",
    requested_by="ann",
    reason="all wrong",
    matched=12_000,
    done=10_999,
    refused=1001,
    refusals=(BulkRefusal(why="It is\x1b over.", jobs=1000), BulkRefusal(why="for other reasons", jobs=1)),
    stopped_by="bob",
)
SHOWN = (
    f"b-1: cancel STOPPED, asked for by ann at {AT}: all wrong\n"
    "  12,000 matched, 10,999 done, 1,001 refused\n"
    "  1,000: It is  over.\n"
    "  1: for other reasons\n"
    "  stopped by bob\n"
)
NOTHING_YET = f"b-1: cancel FINISHED, asked for by somebody at {AT}\n  0 matched, 0 done, 0 refused\n"


@pytest.mark.parametrize(
    ("count", "question"),
    [
        (1, "1 job of the tenant web matches status:open type:thumbs. Cancel it? [y/N] "),
        (2, "2 jobs of the tenant web match status:open type:thumbs. Cancel them? [y/N] "),
    ],
)
def test_it_is_asked_first_and_said_how_to_look(shell: Shell, count: int, question: str) -> None:
    """Whoever says no has asked for nothing; the answer is the bulk's id, and the rest is beside it."""
    said = shell.type(*WORDS, "--stack", "s", given="y\n", matching=count, many=SENT)
    hint = "How far it has come: jobferry bulk b-1 --tenant web --stack s\n"
    assert said == Said(0, "b-1\n", question + hint)
    wish = BulkWish(verb="cancel", jobs=OPEN)
    assert shell.deployment.asked == [("matching", "web", "cancel", OPEN), ("many", "web", wish, None)]
    assert shell.deployment.stack == "s"
    refused = shell.type(*WORDS, given="n\n", matching=count)
    assert refused == Said(2, "", question + "Nothing was asked for.\n")
    assert shell.deployment.asked == [("matching", "web", "cancel", OPEN)]


def test_who_is_sure_is_asked_nothing(shell: Shell) -> None:
    """The contract goes out alone."""
    said = shell.type(*WORDS, "--yes", "--json", "--reason", "all wrong", matching=3, many=SENT)
    assert (BulkSent.model_validate_json(said.out), said.status, said.err) == (SENT, 0, "")
    assert shell.deployment.asked[1] == ("many", "web", BulkWish(verb="cancel", jobs=OPEN, reason="all wrong"), None)


def test_where_nothing_matches_that_is_said(shell: Shell) -> None:
    """Status 0, and nothing is asked for; a program reads what was looked for."""
    beside = "No job matches: nothing is asked for.\n"
    assert shell.type(*WORDS, matching=0) == Said(0, "", beside)
    told = shell.type(*WORDS, "--json", matching=0)
    assert NothingMatches.model_validate_json(told.out) == NothingMatches(verb="cancel", tenant="web", jobs=OPEN)
    assert (told.status, told.err) == (0, beside)


@pytest.mark.parametrize("words", [("--wait",), ("--timeout", "9"), ("--wait", "--timeout", "9")])
def test_a_rerun_of_many_is_waited_for_to_its_end(shell: Shell, words: tuple[str, ...]) -> None:
    """By whoever says so, or for how long; its changes and its key go with it."""
    typed = ("rerun", "--all", "type:thumbs", "tenant:shop", "--yes", "--memory", "echo=1024", *words)
    looks = [UnknownBulkError(), bulk(status="RUNNING"), MANY]
    said = shell.type(*typed, "--idempotency-key", "k", matching=3, many=SENT, bulk=looks)
    assert said == Said(1, SHOWN, "b-1 was asked for, as ann.\n")
    wish = BulkWish(verb="rerun", jobs=BulkFilter(type="thumbs"), changes={"sizes.echo.memory": 1024})
    assert shell.deployment.asked == [
        ("matching", "shop", "rerun", wish.jobs),
        ("many", "shop", wish, "k"),
        *[("bulk", "shop", "b-1")] * 3,
    ]


def test_a_bulk_is_shown_as_it_is(shell: Shell) -> None:
    """Whatever others wrote of it steers no terminal; of nobody it is said that somebody asked."""
    assert shell.type("bulk", "b-1", "--stack", "s", bulk=MANY) == Said(0, SHOWN, "")
    assert (shell.deployment.asked, shell.deployment.stack) == ([("bulk", "default", "b-1")], "s")
    assert shell.type("bulk", "b-1", "--tenant", "web", bulk=bulk()) == Said(0, NOTHING_YET, "")
    assert shell.deployment.asked == [("bulk", "web", "b-1")]
    told = shell.type("bulk", "b-1", "--json", bulk=MANY)
    assert (TrackedBulk.model_validate_json(told.out), told.status) == (MANY, 0)
    assert shell.type("bulk", "b-1", bulk=UnknownBulkError()) == Said(1, "", f"{UnknownBulkError()}\n")


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (bulk(), 0),
        (bulk(refused=1), 1),
        (bulk(status="STOPPED"), 1),
        (bulk(matched=9, done=9), 0),
    ],
)
def test_who_waits_sees_the_end_and_has_its_status(shell: Shell, seen: TrackedBulk, status: int) -> None:
    """1 where some were refused, or where it was stopped."""
    said = shell.type("bulk", "b-1", "--wait", bulk=[bulk(status="RUNNING"), seen])
    assert (said.status, said.err) == (status, "")
    assert said.out.startswith(f"b-1: cancel {seen.status}, asked for by somebody at {AT}\n  {seen.matched} matched")
    assert shell.deployment.asked == [("bulk", "default", "b-1")] * 2
    told = shell.type("bulk", "b-1", "--wait", "--json", bulk=seen)
    assert TrackedBulk.model_validate_json(told.out) == seen


@pytest.mark.parametrize(("timeout", "looks"), [("0", 1), ("2", 3), ("1m", 61)])
def test_who_waits_no_longer_is_told_so(shell: Shell, timeout: str, looks: int) -> None:
    """Status 4; each look here is a second after the one before."""
    said = shell.type("bulk", "b-1", "--wait", "--timeout", timeout, bulk=bulk(status="RUNNING"))
    seconds = {"1m": 60}.get(timeout) or int(timeout)
    assert said == Said(4, "", f"b-1 is not over after {seconds} s; it goes on.\n")
    assert len(shell.deployment.asked) == looks


def test_what_nobody_hears_of_for_a_minute_is_no_bulk(shell: Shell) -> None:
    """Its message lies in a queue for a second or two, unless no worker runs; one that was heard of may take longer."""
    said = shell.type("bulk", "b-1", "--wait", bulk=UnknownBulkError())
    assert said == Said(1, "", f"{UnknownBulkError()}\n")
    assert len(shell.deployment.asked) == 61
    runs = [bulk(status="RUNNING")] * 70
    assert shell.type("bulk", "b-1", "--wait", bulk=[*runs, bulk()]).status == 0


def test_a_bulk_is_stopped_in_the_callers_name(shell: Shell) -> None:
    """Or the contract says so."""
    said = shell.type("bulk", "b-1", "--tenant", "web", "--stop", "--reason", "enough", stop_many=SENT)
    assert said == Said(0, "b-1 is to be stopped, as ann.\n", "")
    assert shell.deployment.asked == [("stop_many", "web", "b-1", "enough")]
    told = shell.type("bulk", "b-1", "--stop", "--json", stop_many=SENT)
    assert BulkSent.model_validate_json(told.out) == SENT
    assert shell.deployment.asked == [("stop_many", "default", "b-1", None)]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("cancel", "a", "--all", "status:open"), "Name one job, or many by --all: not both."),
        (("rerun", "--all", "type:a", "--id", "n"), "--id is not for --all: each new job has an id of its own."),
        (("rerun", "--all", "type:a", "--follow"), "--follow is not for --all: follow one of the new jobs by its id."),
        (
            ("rerun", "--all", "type:a", "--catalog", "c"),
            "--catalog is not for --all: the worker judges each new job.",
        ),
        (
            ("cancel", "--tenant", "web", "--all", "tenant:shop", "type:a"),
            "Name the tenant by --tenant, or in the filter of --all: not both.",
        ),
    ],
)
def test_a_slip_is_a_sentence_and_nobody_is_asked(shell: Shell, words: tuple[str, ...], why: str) -> None:
    """Status 2."""
    assert shell.type(*words) == Said(2, "", f"{why}\n")
    assert shell.deployment.asked == []


def test_a_question_is_no_part_of_the_answer(shell: Shell) -> None:
    """It is put to whoever sits there."""
    shell.monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert shell.type(*WORDS, given="yes\n", matching=2, many=SENT).out == "b-1\n"
