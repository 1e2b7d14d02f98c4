"""What the operator's verbs ask for and print, each over a deployment that answers by a table."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from schemas.notification import Problem
from schemas.tracking import (
    Asked,
    EventsSeen,
    JobEvent,
    JobPage,
    ListedJob,
    LogLines,
    StagePlan,
    Submitted,
    TrackedJob,
    Validated,
    Why,
)
from service.core.tracking.job import track
from service.core.tracking.listing import JobFilter
from service.operator import cli, jobs, logs, steer, submit, why
from service.tracking.errors import CatalogUnknownError, NotNowError, RefusedError, UnknownJobError, UnknownLogError
from service.tracking.logs import LogPlace
from tests.support.builders import (
    JOB,
    announced,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

AT = "2023-11-14T22:13:20.000Z"


@dataclass
class Deployment:
    """Answers each question by its table, the answers of a list one by one; what is asked is noted."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    stack: str | None = None
    catalog: str | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def answer(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            told = self.answers[name]
            if isinstance(told, list):
                told = told.pop(0) if len(told) > 1 else told[0]
            if isinstance(told, Exception):
                raise told
            return told

        return answer


@dataclass(frozen=True)
class Said:
    """A verb's status, and what it printed."""

    status: int
    out: str
    err: str


@dataclass
class Shell:
    """Types verbs."""

    deployment: Deployment
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def type(self, *words: str, given: str = "", **answers: Any) -> Said:
        """One verb, and what it says."""
        self.deployment.answers = answers
        self.deployment.asked.clear()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        return Said(cli.main(words), *self.capsys.readouterr())


def shell_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *modules: ModuleType) -> Shell:
    """A shell whose verbs, in these modules, reach a deployment."""
    made = Deployment()

    class Reach:
        def __init__(self, stack: str | None) -> None:
            made.stack = stack

        def tracking(self, catalog: str | None = None) -> Any:
            made.catalog = catalog
            return SimpleNamespace(tracker=made, submission=made, steering=made, cases=made)

    for module in modules:
        monkeypatch.setattr(module, "Reach", Reach)
    return Shell(made, capsys, monkeypatch)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell that reaches a deployment; nobody waits between two looks, and each is a second after the last."""
    shell = shell_of(monkeypatch, capsys, jobs, logs, steer, submit, why)
    for module in (logs, submit):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    seconds = iter(range(1000))
    monkeypatch.setattr(submit, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    return shell


def tracked(*facts: Any) -> TrackedJob:
    """A job of these facts."""
    job = track(record(*facts))
    assert job is not None
    return job


def listed(**fields: Any) -> ListedJob:
    """A job in a list."""
    usual = {"id": JOB, "job_id": JOB, "tenant": "web", "status": "OPEN", "submitted_at": AT, "labels": {}}
    nothing = dict.fromkeys(("job_type", "user", "ended_at", "duration_seconds", "failure_class"))
    return ListedJob.model_validate({**usual, **nothing, **fields})


def page(*found: ListedJob, cursor: str | None = None) -> JobPage:
    """A page of a list."""
    return JobPage(jobs=found, cursor=cursor, searched_back_to=None)


def test_jobs_are_asked_for_by_what_was_typed(shell: Shell) -> None:
    """By the filters of the API."""
    shell.type("jobs", jobs=page())
    assert shell.deployment.asked == [("jobs", "default", JobFilter(), 50, None)]
    ours = ["--tenant", "web", "--status", "failed", "--type", "t", "--user", "u"]
    words = [*ours, "--failure-class", "lost", "--label", "team=we=b", "--id", "42"]
    spans = ["--since", "2023-11-14T22:13:20Z", "--until", "2023-11-14T22:13:21+00:00"]
    shell.type("jobs", "--stack", "s", *words, *spans, "--limit", "200", "--cursor", "c", jobs=page())
    wanted = JobFilter(
        status="FAILED",
        job_type="t",
        user="u",
        label="team",
        label_value="we=b",
        failure_class="lost",
        since=1_700_000_000.0,
        until=1_700_000_001.0,
        text="42",
    )
    assert shell.deployment.asked == [("jobs", "web", wanted, 200, "c")]
    assert shell.deployment.stack == "s"
    for label, value in (("team", None), ("team=", "")):
        shell.type("jobs", "--label", label, jobs=page())
        assert shell.deployment.asked[0][2] == JobFilter(label="team", label_value=value)


def test_a_list_is_lines_of_fields_and_says_how_to_go_on(shell: Shell) -> None:
    """Or the contract itself, for programs."""
    over = listed(status="FAILED", job_type="t", user="u", duration_seconds=62.54, failure_class="lost")
    both = page(listed(), over, cursor="c1")
    assert shell.type("jobs", jobs=both) == Said(
        0,
        f"{JOB}\tOPEN\t\t\t{AT}\t\t\n{JOB}\tFAILED\tt\tu\t{AT}\t62.5\tlost\n",
        "There is more: --cursor c1\n",
    )
    none = "The tenant default has no job that matches; --all-tenants looks at every tenant's.\n"
    assert shell.type("jobs", jobs=page()) == Said(0, "", none)
    told = shell.type("jobs", "--json", jobs=both)
    assert (JobPage.model_validate_json(told.out), told.err) == (both, "")


def test_why_says_its_sentences(shell: Shell) -> None:
    """Under the job's name; of a request without one, under what was asked for."""
    answer = Why(job_id=JOB, status="RUNNING", as_of=AT, text=("It runs.", "It is late."))
    assert shell.type("why", JOB, "--tenant", "web", "--stack", "s", why=answer) == Said(
        0, f"{JOB}: RUNNING\n  It runs.\n  It is late.\n", ""
    )
    assert (shell.deployment.asked, shell.deployment.stack) == ([("why", "web", JOB)], "s")
    unnamed = answer.model_copy(update={"job_id": None})
    assert shell.type("why", "m-1", why=unnamed).out.startswith("m-1: RUNNING\n")
    assert shell.deployment.asked == [("why", None, "m-1")]
    assert Why.model_validate_json(shell.type("why", JOB, "--json", why=answer).out) == answer


@pytest.mark.parametrize(("verb", "words"), [("cancel", "is to be cancelled"), ("redrive", "is to be redriven")])
def test_a_wish_is_told_in_whose_name_it_was_sent(shell: Shell, verb: str, words: str) -> None:
    """Or as the contract."""
    sent = Asked.model_validate(
        {"verb": verb, "job_id": JOB, "tenant": "web", "requested_by": "ann", "message_id": "m", "location": "/x"}
    )
    said = shell.type(verb, JOB, "--tenant", "web", "--reason", "it was wrong", "--stack", "s", ask=sent)
    assert said == Said(0, f"{JOB} {words}, as ann.\n", "")
    assert (shell.deployment.asked, shell.deployment.stack) == ([("ask", verb, "web", JOB, "it was wrong")], "s")
    assert Asked.model_validate_json(shell.type(verb, JOB, "--json", ask=sent).out) == sent
    assert shell.deployment.asked == [("ask", verb, None, JOB, None)]
    assert shell.type(verb, JOB, ask=NotNowError("It is over already.")) == Said(1, "", "It is over already.\n")


def lines(*told: str, first: int = 1, more: bool = False, complete: bool = False, **fields: Any) -> LogLines:
    """Lines of a log."""
    place = {"job_id": JOB, "stage": 1, "attempt": 1, "redrive": 0, "container": "main"}
    given = {"first_line": first, "lines": told, "more": more, "complete": complete, "status": "running"}
    return LogLines.model_validate({**place, **given, **fields})


RUNS = tracked(requested(), execution("RUNNING"), running())
HERE = LogPlace(1, 1, "main", 0)


def looked(first: int) -> tuple[Any, ...]:
    """A look at the log from this line on."""
    return ("log", "web", JOB, HERE, first, 5000)


def test_a_log_is_printed_as_far_as_it_is_written(shell: Shell) -> None:
    """Page by page; what is not there yet is waited for only where that is asked for."""
    found = [lines("a", "b", more=True), lines("c", first=3)]
    assert shell.type("logs", JOB, "--tenant", "web", "--stack", "s", job=RUNS, log=found) == Said(0, "a\nb\nc\n", "")
    assert shell.deployment.asked == [("job", "web", JOB), looked(1), looked(3)]
    assert shell.deployment.stack == "s"
    followed = [lines("a"), lines(first=2), lines("b", first=2, complete=True)]
    assert shell.type("logs", JOB, "--tenant", "web", "-f", job=RUNS, log=followed).out == "a\nb\n"
    assert shell.deployment.asked[1:] == [looked(1), looked(2), looked(2)]
    as_json = shell.type("logs", JOB, "--json", job=RUNS, log=lines("a", complete=True))
    assert LogLines.model_validate_json(as_json.out) == lines("a", complete=True)


def test_a_log_without_lines_says_why(shell: Shell) -> None:
    """Beside the output, in a text that steers no terminal."""
    nothing = lines(why="it\x1b wrote nothing", container="proxy")
    assert shell.type("logs", JOB, job=RUNS, log=nothing) == Said(0, "", "proxy: it  wrote nothing.\n")
    assert shell.type("logs", JOB, job=RUNS, log=lines("a", why="it is cut")).err == ""
    assert shell.type("logs", JOB, job=RUNS, log=[lines(why="x", more=True), lines("a", first=1)]).err == ""


def test_a_terminal_is_steered_by_no_log(shell: Shell) -> None:
    """A tab is blanks; a file takes all as it is."""
    told = lines("a\x1b[2J\tb", complete=True)
    assert shell.type("logs", JOB, job=RUNS, log=told).out == "a\x1b[2J\tb\n"
    shell.monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert shell.type("logs", JOB, job=RUNS, log=told).out == "a [2J        b\n"


SENT = Submitted(job_id="j-1", tenant="web", location="/tenants/web/jobs/j-1")
BODY = json.dumps({"tenant": "web", "stages": []})


def test_a_request_is_sent_in_its_tenants_name(shell: Shell, tmp_path: Path) -> None:
    """Which it says itself, unless the command does; from standard input, or a file."""
    assert shell.type("submit", given=BODY, submit=SENT) == Said(0, "j-1\n", "")
    assert shell.deployment.asked == [("submit", "web", BODY, None)]
    assert (shell.deployment.stack, shell.deployment.catalog) == (None, None)
    file = tmp_path / "request.json"
    file.write_text('{"user": "größe"}', encoding="utf-8")
    words = ["--stack", "s", "--catalog", "c", "--idempotency-key", "k", "--json"]
    said = shell.type("submit", "-f", str(file), *words, submit=SENT)
    assert Submitted.model_validate_json(said.out) == SENT
    assert shell.deployment.asked == [("submit", "default", '{"user": "größe"}', "k")]
    assert (shell.deployment.stack, shell.deployment.catalog) == ("s", "c")
    shell.type("submit", "--tenant", "shop", given=BODY, submit=SENT)
    assert shell.deployment.asked == [("submit", "shop", BODY, None)]


def test_a_file_that_cannot_be_read_is_named(shell: Shell, tmp_path: Path) -> None:
    """Nobody is asked; status 2."""
    odd = tmp_path / "odd.json"
    odd.write_bytes(b"\xff")
    for file in (str(odd), str(tmp_path / "none")):
        said = shell.type("submit", "-f", file, submit=SENT)
        assert (said.status, said.out, shell.deployment.asked) == (2, "", [])
        assert said.err.startswith(f"The request {file} cannot be read: ")


def test_a_request_that_cannot_be_judged_here_is_said_to_be_so(shell: Shell) -> None:
    """With what would help, and status 2."""
    said = shell.type("submit", "--validate-only", given=BODY, validate=CatalogUnknownError())
    assert said.status == 2 and said.err.endswith("judge a request by it. Name it by --catalog.\n")


@pytest.mark.parametrize(("stages", "words"), [(0, "with 0 stages"), (1, "with 1 stage"), (2, "with 2 stages")])
def test_a_request_that_would_be_admitted_is_said_to_be(shell: Shell, stages: int, words: str) -> None:
    """And is not sent."""
    plan = StagePlan(stage=1, name="n", image="i", command=(), cpu=256, memory=512, timeout_seconds=60)
    valid = Validated(tenant="web", stages=(plan,) * stages)
    said = shell.type("submit", "--validate-only", given=BODY, validate=valid)
    assert said == Said(0, f"It would be admitted, {words}.\n", "")
    assert shell.deployment.asked == [("validate", "web", BODY)]
    told = shell.type("submit", "--validate-only", "--json", given=BODY, validate=valid)
    assert Validated.model_validate_json(told.out) == valid


def test_every_reason_of_a_refusal_is_told(shell: Shell) -> None:
    """With its field where it has one, status 3; for programs as JSON."""
    problems = (
        Problem(field="stages.0", message="no\x1b such", remedy="Choose."),
        Problem(field="", message="odd", remedy="Mend it."),
    )
    refused = RefusedError(problems)
    said = shell.type("submit", given=BODY, submit=refused)
    assert said == Said(3, "", "stages.0: no  such. Choose.\nodd. Mend it.\n")
    told = shell.type("submit", "--json", "--validate-only", given=BODY, validate=refused)
    assert (told.status, told.err) == (3, "")
    assert json.loads(told.out) == {
        "detail": "The request would not be admitted.",
        "problems": [problem.model_dump() for problem in problems],
    }


OVER = tracked(
    requested(stages=2),
    execution("FAILED", attempts=(attempt(), attempt(2, passed=False))),
    task(),
    receipt(),
    task("t2", stage=2, containers=(container(exit_code=3),)),
    receipt("t2"),
    announced(),
)


def event(name: str, at: str | None = AT) -> JobEvent:
    """Something that happened."""
    return JobEvent(name=name, at=at, kind="STARTED", text=f"It was {name}\x1b.")


def test_who_waits_is_told_the_end_and_has_its_status(shell: Shell) -> None:
    """The request may lie in the queue for a while; what ends the wait is that the outcome was told."""
    said = shell.type("submit", "--wait", given=BODY, submit=SENT, job=[UnknownJobError(), RUNS, OVER])
    assert (said.status, said.err) == (1, "j-1 was sent.\n")
    assert said.out.startswith(f"{JOB}: FAILED after 60.0 s\n")
    assert shell.deployment.asked[1:] == [("job", "web", "j-1")] * 3
    told = shell.type("submit", "--wait", "--json", given=BODY, submit=SENT, job=OVER)
    assert (TrackedJob.model_validate_json(told.out), told.status) == (OVER, 1)
    rejection = tracked(rejected(claimed_job_id="j-1"), announced(of=rejected().record_key))
    assert shell.type("submit", "--wait", given=BODY, submit=SENT, job=rejection).status == 3


@pytest.mark.parametrize(("timeout", "looks"), [("0", 1), ("2", 3), ("1m", 61)])
def test_who_waits_no_longer_is_told_so(shell: Shell, timeout: str, looks: int) -> None:
    """Status 4; each look here is a second after the one before."""
    said = shell.type("submit", "--wait", "--timeout", timeout, given=BODY, submit=SENT, job=RUNS)
    seconds = 60 if timeout == "1m" else int(timeout)
    assert said == Said(4, "", f"j-1 was sent.\nj-1 is not over after {seconds} s; it goes on.\n")
    assert len(shell.deployment.asked) == 1 + looks


def test_who_follows_sees_each_event_and_each_line_once(shell: Shell) -> None:
    """The logs of all attempts, as far as they are there; events beside them."""
    first, second = event("made"), event("run", at=None)
    seen = [(EventsSeen(job=RUNS, events=(first,)), "c"), (EventsSeen(job=OVER, events=(first, second)), "c")]
    told = [lines("a", why="x"), lines("b", first=2), UnknownLogError("none")]
    said = shell.type("submit", "--follow", given=BODY, submit=SENT, job=[RUNS, OVER], since=seen, log=told)
    assert said.status == 1
    assert said.out.startswith(f"a\nb\n{JOB}: FAILED")
    assert said.err == f"j-1 was sent.\n{AT}  It was made .\n  It was run .\n"
    place = LogPlace(2, 1, "main", 0)
    assert [asked for asked in shell.deployment.asked if asked[0] != "job"] == [
        ("submit", "web", BODY, None),
        ("since", "web", "j-1", None),
        ("log", "web", "j-1", HERE, 1, 5000),
        ("since", "web", "j-1", None),
        ("log", "web", "j-1", HERE, 2, 5000),
        ("log", "web", "j-1", place, 1, 5000),
    ]
