"""`jobferry rerun` and `jobferry case`, to the letter, over a deployment that answers by a table."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.casefile import CaseManifest, NotKnown
from schemas.notification import Problem
from schemas.tracking import Asked, RerunWish, TrackedJob
from service.core.casefile.collecting import Wanted
from service.operator import case, rerun, submit
from service.tracking.errors import RefusedError, UnknownJobError
from tests.support.builders import JOB

from .test_verbs import AT, OVER, Said, Shell, shell_of


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell that reaches a deployment."""
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.0)
    return shell_of(monkeypatch, capsys, rerun, case)


SENT = Asked.model_validate(
    {
        "verb": "rerun",
        "job_id": JOB,
        "tenant": "shop",
        "new_job_id": "new",
        "requested_by": "ann",
        "message_id": "m",
        "location": "/tenants/shop/jobs/new",
    }
)

CHANGES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "nothing": ((), {}),
    "memory": (("--memory", "1=512", "--memory", "a=b=1024MB", "--memory", "c=2mib"), {"1": 512, "a=b": 1024, "c": 2}),
    "cpu": (
        (
            "--cpu",
            "resize=256",
        ),
        {"resize": 256},
    ),
    "values": (
        (
            "--set",
            "a=1",
            "--set",
            "b=null",
            "--set",
            'c=["x"]',
            "--set",
            "d=plain text",
            "--set",
            "e=",
            "--set",
            "f===",
        ),
        {"a": 1, "b": None, "c": ["x"], "d": "plain text", "e": "", "f": "=="},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_rerun_asks_for_what_was_typed(shell: Shell, what: str) -> None:
    """In the tenant's name, under the key and the id that were given; the new id is the answer."""
    words, values = CHANGES[what]
    changes = {f"sizes.{name}.{what}" if what in ("memory", "cpu") else name: value for name, value in values.items()}
    named = ("--tenant", "shop", "--reason", "why", "--id", "new", "--idempotency-key", "k", "--catalog", "c")
    said = shell.type("rerun", JOB, "--stack", "s", *named, *words, rerun=SENT)
    assert said == Said(0, "new\n", "")
    wish = RerunWish(reason="why", new_job_id="new", changes=changes)
    assert shell.deployment.asked == [("rerun", "shop", JOB, wish, "k")]
    assert (shell.deployment.stack, shell.deployment.catalog) == ("s", "c")


def test_little_may_be_said_of_a_rerun(shell: Shell) -> None:
    """Of an answer that names no new job, its own is told; programs read the contract."""
    plain = SENT.model_copy(update={"new_job_id": None})
    assert shell.type("rerun", JOB, rerun=plain) == Said(0, f"{JOB}\n", "")
    assert shell.deployment.asked == [("rerun", None, JOB, RerunWish(), None)]
    assert (shell.deployment.stack, shell.deployment.catalog) == (None, None)
    told = shell.type("rerun", JOB, "--json", rerun=SENT)
    assert (Asked.model_validate_json(told.out), told.err) == (SENT, "")


SLIPS = {
    ("--memory", "512"): "--memory 512 cannot be read: give a stage and a number, such as resize=2048.",
    ("--memory", "=512"): "--memory =512 cannot be read: give a stage and a number, such as resize=2048.",
    ("--memory", "a=12345678"): "--memory a=12345678 cannot be read: give a stage and a number, such as resize=2048.",
    ("--cpu", "a=512M"): "--cpu a=512M cannot be read: give a stage and a number, such as resize=2048.",
    ("--set", "user"): "--set user cannot be read: give a field and its value, such as parameters.size=small.",
    ("--set", "=user"): "--set =user cannot be read: give a field and its value, such as parameters.size=small.",
}


@pytest.mark.parametrize(("words", "why"), SLIPS.items())
def test_a_change_that_cannot_be_read_is_a_sentence(shell: Shell, words: tuple[str, ...], why: str) -> None:
    """Status 2, and nobody is asked."""
    assert shell.type("rerun", JOB, *words) == Said(2, "", f"{why}\n")
    assert shell.deployment.asked == []


def test_a_rerun_of_nothing_or_under_an_odd_id_is_a_sentence(shell: Shell) -> None:
    """Of which field it is."""
    assert shell.type("rerun") == Said(2, "", "Name a job, or many by --all.\n")
    odd = shell.type("rerun", JOB, "--id", "a b")
    assert (odd.status, odd.out) == (2, "")
    assert odd.err.startswith("new_job_id cannot be: ") and odd.err.endswith(".\n")
    assert shell.deployment.asked == []
    assert shell.type("rerun", "no", rerun=UnknownJobError()) == Said(1, "", f"{UnknownJobError()}\n")


def test_a_rerun_that_is_refused_says_every_reason(shell: Shell) -> None:
    """Status 3; for programs as JSON."""
    problem = Problem(field="sizes.a", message="no such stage", remedy="Name one.")
    refused = RefusedError((problem,))
    assert shell.type("rerun", JOB, rerun=refused) == Said(3, "", "sizes.a: no such stage. Name one.\n")
    told = shell.type("rerun", JOB, "--json", rerun=refused)
    assert (told.status, json.loads(told.out)["problems"]) == (3, [problem.model_dump()])


def test_who_waits_for_a_rerun_waits_for_the_new_job(shell: Shell) -> None:
    """Of the tenant that the answer names."""
    said = shell.type("rerun", JOB, "--wait", rerun=SENT, job=OVER)
    assert (said.status, said.err) == (1, "new is to be made, as ann.\n")
    assert said.out.startswith(f"{JOB}: FAILED after")
    assert shell.deployment.asked[1:] == [("job", "shop", "new")]
    told = shell.type("rerun", JOB, "--wait", "--json", rerun=SENT, job=OVER)
    assert TrackedJob.model_validate_json(told.out) == OVER


MANIFEST = CaseManifest(
    made_at=AT,
    made_by="jobferry",
    job_id=JOB,
    message_id=None,
    tenant="web",
    status="FAILED",
    kind="job",
    values="masked",
    logs="tail",
    not_known=(NotKnown(what="the history", why="it is\x1b gone"), NotKnown(what="the request", why="it was not kept")),
)
BESIDE = "Not in it: the history: it is  gone.\nNot in it: the request: it was not kept.\n"


@dataclass
class Case:
    """A case in two pieces; its manifest is told before the last."""

    manifest: CaseManifest = MANIFEST
    fails: Exception | None = None

    async def chunks(self, tell: Callable[[CaseManifest], None]) -> AsyncIterator[bytes]:
        """The file, piece by piece."""
        yield b"PK-1"
        tell(self.manifest)
        if self.fails is not None:
            raise self.fails
        yield b"PK-2"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), Wanted("tail", "masked")),
        (("--logs", "whole", "--with-values"), Wanted("whole", "shown")),
        (("--logs", "none"), Wanted("none", "masked")),
    ],
)
def test_a_case_is_written_into_a_file_of_its_own(
    shell: Shell, tmp_path: Path, words: tuple[str, ...], wanted: Wanted
) -> None:
    """Which only its owner may read; what it does not tell is said beside its name."""
    shell.monkeypatch.chdir(tmp_path)
    said = shell.type("case", "a/b:c", "--tenant", "web", "--stack", "s", *words, of=Case())
    [file] = tmp_path.iterdir()
    assert said == Said(0, f"{file.name}\n", BESIDE)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"PK-1PK-2", 0o600)
    assert file.name.startswith("case-a") and file.name.endswith(".zip") and ":" not in file.name
    assert (shell.deployment.asked, shell.deployment.stack) == ([("of", "web", "a/b:c", wanted)], "s")
    again = shell.type("case", "a/b:c", of=Case())
    assert again == Said(2, "", f"{file.name} is there already: name another file by -o.\n")
    assert file.read_bytes() == b"PK-1PK-2"


def test_a_case_goes_where_it_is_sent(shell: Shell, tmp_path: Path) -> None:
    """Told by its manifest where a program asks; half a case is none."""
    there = tmp_path / "there.zip"
    told = shell.type("case", JOB, "-o", str(there), "--json", of=Case())
    assert (CaseManifest.model_validate_json(told.out), told.err) == (MANIFEST, BESIDE)
    assert there.read_bytes() == b"PK-1PK-2"
    nowhere = tmp_path / "no" / "where.zip"
    assert shell.type("case", JOB, "-o", str(nowhere), of=Case()) == Said(
        2, "", f"{nowhere} cannot be written: No such file or directory.\n"
    )
    half = tmp_path / "half.zip"
    assert shell.type("case", JOB, "-o", str(half), of=Case(fails=UnknownJobError())).status == 1
    assert not half.exists()


def test_a_case_goes_to_standard_output(shell: Shell) -> None:
    """And nothing else does, so that a manifest cannot be asked for beside it."""

    class Out(io.StringIO):
        buffer = io.BytesIO()

    out = Out()
    shell.monkeypatch.setattr(sys, "stdout", out)
    assert shell.type("case", JOB, "-o", "-", of=Case()).err == BESIDE
    assert (out.buffer.getvalue(), out.getvalue()) == (b"PK-1PK-2", "")
    both = "The case goes to standard output already: leave --json out, or name a file by -o.\n"
    assert shell.type("case", JOB, "-o", "-", "--json", of=Case()).err == both
    assert shell.deployment.asked == []
