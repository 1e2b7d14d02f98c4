"""The jobs of the demo: what is sent, and what must come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.notification import JobNotification, LogReceipt, Status

INPUT_KEY = "input/uploads/example.jpg"
RENDITIONS = 6


@dataclass(frozen=True)
class Check:
    """Something that must hold, and whether it does."""

    what: str
    held: bool


Logs = Sequence[tuple[LogReceipt, str]]
"""Each log receipt of a notification, with the text that its link gave."""


@dataclass(frozen=True)
class DemoJob:
    """A request, and what to expect of it."""

    title: str
    body: str
    expected: Status
    checks: Callable[[JobNotification, Logs], Iterator[Check]]
    job_id: str | None = None


def demo_jobs() -> tuple[DemoJob, ...]:
    """One job of each kind."""
    return (_article(), _pictures(), _failing(), _reporting(), _malformed())


def _article() -> DemoJob:
    request = {
        "job_id": "article",
        "input_file": INPUT_KEY,
        "user": "ifgeek",
        "stages": [{"image": "image_1", "command": ["echo", "hello", "world"]}],
    }
    return DemoJob("The article's own request", json.dumps(request), "SUCCEEDED", _check_article, "article")


def _check_article(told: JobNotification, logs: Logs) -> Iterator[Check]:
    yield Check("the log says hello world", [text for _, text in logs] == ["hello world\n"])
    yield Check("exit code 0", _exit_codes(told) == [0])


def _pictures() -> DemoJob:
    request = {"job_id": "pictures", "job_type": "thumbnails", "input_file": INPUT_KEY, "parameters": {"width": 240}}
    return DemoJob("Thumbnails, contact sheet", json.dumps(request), "SUCCEEDED", _check_pictures, "pictures")


def _check_pictures(told: JobNotification, logs: Logs) -> Iterator[Check]:
    yield Check("both stages passed", _exit_codes(told) == [0, 0])
    yield Check("stage 1 wrote six thumbnails", "".join(text for _, text in logs[:1]).count("wrote ") == RENDITIONS)
    yield Check("stage 2 read them all", f"laying out {RENDITIONS} pictures" in "".join(text for _, text in logs[1:]))


def _failing() -> DemoJob:
    stages = [
        {"image": "image_1", "command": ["echo", "the first stage is fine"]},
        {"image": "image_1", "command": ["sh", "-c", "echo reading the tide table; echo no such tide >&2; exit 1"]},
    ]
    return DemoJob(
        "A second stage that exits 1",
        json.dumps({"job_id": "failing", "stages": stages}),
        "FAILED",
        _check_failing,
        "failing",
    )


def _check_failing(told: JobNotification, _: Logs) -> Iterator[Check]:
    card = told.failure
    yield Check("the card names stage 2", card is not None and card.stage == 2)
    yield Check("the card names exit code 1", card is not None and card.exit_code == 1)
    yield Check("the card shows the last lines", card is not None and "no such tide" in card.log_tail)


def _reporting() -> DemoJob:
    stages = [{"image": "reporter", "command": ["report", "--seconds", "1"]}]
    body = json.dumps({"job_id": "reporting", "user": "ifgeek", "stages": stages})
    return DemoJob("A container that reports back", body, "SUCCEEDED", _check_reporting, "reporting")


def _check_reporting(told: JobNotification, logs: Logs) -> Iterator[Check]:
    text = "".join(text for _, text in logs)
    yield Check("it sent heartbeats", "heartbeat sent" in text)
    yield Check("it reported by itself", "reported " in text)
    yield Check("exit code 0", _exit_codes(told) == [0])


def _malformed() -> DemoJob:
    body = json.dumps({"stages": [{"image": "image_9", "command": "echo"}], "urgent": True})
    return DemoJob("A malformed request", body, "REJECTED", _check_malformed)


def _check_malformed(told: JobNotification, _: Logs) -> Iterator[Check]:
    problems = told.rejection.problems if told.rejection else ()
    fields = {problem.field for problem in problems}
    yield Check("every reason is given", fields == {"stages.0.image", "stages.0.command", "urgent"})
    yield Check("each with a remedy", all(problem.remedy for problem in problems))


def _exit_codes(told: JobNotification) -> list[int | None]:
    return [stage.attempts[-1].exit_code for stage in told.stages if stage.attempts]
