"""The jobs of the demo: what is sent, what is done to them, and what must come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.notification import FailureCard, JobNotification, LogReceipt, Status

INPUT_KEY = "input/uploads/example.jpg"
RENDITIONS = 6
# Longer than the demo lasts: what sleeps so long is ended from outside.
_LONG = "sleep 60"


@dataclass(frozen=True)
class Check:
    """Something that must hold, and whether it does."""

    what: str
    held: bool


Logs = Sequence[tuple[LogReceipt, str]]
"""Each log receipt of a notification, with the text that its link gave."""


@dataclass(frozen=True)
class DemoJob:
    """A request, and what to expect of it. `cancelled`: an operator stops its execution once its container runs."""

    title: str
    body: str
    expected: Status
    checks: Callable[[JobNotification, Logs], Iterator[Check]]
    job_id: str | None = None
    cancelled: bool = False


def demo_jobs() -> tuple[DemoJob, ...]:
    """Three that go well, and one of each kind of ending that can be caused on this machine."""
    return (*_that_go_well(), *_that_fail(), *_that_are_ended(), _malformed())


def _that_go_well() -> Iterator[DemoJob]:
    article: dict[str, Any] = {"input_file": INPUT_KEY, "user": "ifgeek"}
    echo = {"image": "image_1", "command": ["echo", "hello", "world"]}
    yield _job("article", "The article's request", "SUCCEEDED", _check_article, [echo], **article)
    thumbnails: dict[str, Any] = {"job_type": "thumbnails", "input_file": INPUT_KEY, "parameters": {"width": 240}}
    yield _job("pictures", "Thumbnails and a sheet", "SUCCEEDED", _check_pictures, **thumbnails)
    report = {"image": "reporter", "command": ["report", "--seconds", "1"]}
    yield _job("reporting", "A stage reports back", "SUCCEEDED", _check_reporting, [report], user="ifgeek")


def _that_fail() -> Iterator[DemoJob]:
    fine = {"image": "image_1", "command": ["echo", "the first stage is fine"]}
    exits = _shell("echo reading the tide table; echo no such tide >&2; exit 1")
    yield _job("exits", "Exit code 1 in stage 2", "FAILED", _check_exits, [fine, exits])
    crash = _shell("echo casting off; kill -SEGV $$")
    yield _job("crashes", "Ended by a signal", "FAILED", _check_crashes, [crash])
    # `tail` must hold what has no end of line, until its memory is up.
    greed = _shell("echo loading the whole ocean; head -c 400000000 /dev/zero | tail", image="limited")
    yield _job("swells", "Out of memory", "FAILED", _check_swells, [greed])
    yield _job("nowhere", "No such image", "FAILED", _check_nowhere, [{"image": "nowhere"}])


def _that_are_ended() -> Iterator[DemoJob]:
    slow = _shell(f"echo waiting for the tide; {_LONG}", timeout_seconds=2)
    yield _job("slow", "Stage past its timeout", "FAILED", _check_slow, [slow])
    overdue = _shell(f"echo waiting for the tide; {_LONG}")
    yield _job("overdue", "Job past its timeout", "TIMED_OUT", _check_overdue, [overdue], timeout_seconds=2)
    silent = _shell(f"echo saying nothing; {_LONG}", image="silent")
    yield _job("silent", "Heartbeat lost", "FAILED", _check_silent, [silent])
    stopped = _shell(f"echo under way; {_LONG}")
    yield _job("cancelled", "Cancelled by a person", "ABORTED", _check_cancelled, [stopped], cancelled=True)


def _malformed() -> DemoJob:
    body = json.dumps({"stages": [{"image": "image_9", "command": "echo"}], "urgent": True})
    return DemoJob("Malformed request", body, "REJECTED", _check_malformed)


def _job(
    job_id: str,
    title: str,
    expected: Status,
    checks: Callable[[JobNotification, Logs], Iterator[Check]],
    stages: Sequence[dict[str, Any]] = (),
    *,
    cancelled: bool = False,
    **members: Any,
) -> DemoJob:
    body = {"job_id": job_id, **({"stages": stages} if stages else {}), **members}
    return DemoJob(title, json.dumps(body), expected, checks, job_id, cancelled)


def _shell(script: str, image: str = "image_1", **members: Any) -> dict[str, Any]:
    return {"image": image, "command": ["sh", "-c", script], **members}


def _check_article(notification: JobNotification, logs: Logs) -> Iterator[Check]:
    yield Check("the log says hello world", [text for _, text in logs] == ["hello world\n"])
    yield Check("exit code 0", _exit_codes(notification) == [0])


def _check_pictures(notification: JobNotification, logs: Logs) -> Iterator[Check]:
    yield Check("both stages passed", _exit_codes(notification) == [0, 0])
    yield Check("stage 1 wrote six thumbnails", "".join(text for _, text in logs[:1]).count("wrote ") == RENDITIONS)
    yield Check("stage 2 read them all", f"laying out {RENDITIONS} pictures" in "".join(text for _, text in logs[1:]))


def _check_reporting(notification: JobNotification, logs: Logs) -> Iterator[Check]:
    text = "".join(text for _, text in logs)
    yield Check("it sent heartbeats", "heartbeat sent" in text)
    yield Check("it reported by itself", "reported " in text)
    yield Check("exit code 0", _exit_codes(notification) == [0])


def _check_exits(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(
        notification, "application_exit", lambda card: (card.stage, card.exit_code) == (2, 1), "stage 2, code 1"
    )
    yield Check(
        "the card shows the last words", _last_words(notification) == ("reading the tide table", "no such tide")
    )


def _check_crashes(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "application_exit", lambda card: card.exit_code == 139, "exit code 139")
    yield Check(
        "the evidence names SIGSEGV", notification.failure is not None and "SIGSEGV" in notification.failure.evidence
    )


def _check_swells(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "out_of_memory", lambda card: card.exit_code == 137, "exit code 137")
    sizes = [attempt.memory for attempt in notification.stages[0].attempts]
    yield Check("it was tried again with twice the memory", sizes == [64, 128])


def _check_nowhere(notification: JobNotification, logs: Logs) -> Iterator[Check]:
    yield from _card(notification, "image_missing", lambda card: card.exit_code is None, "no exit code")
    yield Check(
        "the action names the image",
        notification.failure is not None and "nothing:1" in notification.failure.next_action,
    )
    whys = [receipt.why or "" for receipt, _ in logs]
    yield Check("the receipt says why there is no log", all("never started" in why for why in whys) and bool(whys))


def _check_slow(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "stage_timeout", lambda card: "2 s" in card.evidence, "2 s")
    yield Check("it was ended long before its own end", _ran(notification) < 30)


def _check_overdue(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "job_timeout", lambda card: "2 seconds" in card.evidence, "2 seconds")
    yield Check("it was ended long before its own end", _ran(notification) < 30)


def _check_silent(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "heartbeat", lambda card: "heartbeat" in card.evidence, "the heartbeat")
    reasons = [attempt.stopped_reason or "" for attempt in notification.stages[0].attempts]
    yield Check("Jobferry stopped the container", all(reason.startswith("Jobferry") for reason in reasons))


def _check_cancelled(notification: JobNotification, _: Logs) -> Iterator[Check]:
    yield from _card(notification, "cancelled", lambda card: CHANGE_OF_MIND in card.evidence, "the operator's words")
    yield Check("its container was ended", _exit_codes(notification) in ([137], [143]))


CHANGE_OF_MIND = "the operator changed their mind"


def _check_malformed(notification: JobNotification, _: Logs) -> Iterator[Check]:
    problems = notification.rejection.problems if notification.rejection else ()
    fields = {problem.field for problem in problems}
    yield Check("every reason is given", fields == {"stages.0.image", "stages.0.command", "urgent"})
    yield Check("each with a remedy", all(problem.remedy for problem in problems))


def _card(
    notification: JobNotification, failure_class: str, shows: Callable[[FailureCard], bool], what: str
) -> Iterator[Check]:
    card = notification.failure
    yield Check(f"the card says {failure_class}", card is not None and card.failure_class == failure_class)
    yield Check(f"the card shows {what}", card is not None and shows(card))


def _last_words(notification: JobNotification) -> tuple[str, ...]:
    return notification.failure.log_tail if notification.failure else ()


def _ran(notification: JobNotification) -> float:
    """How long the last container ran; endless where nobody knows, so that no check passes on it."""
    attempts = [attempt for stage in notification.stages for attempt in stage.attempts]
    running = attempts[-1].durations.running if attempts else None
    return float("inf") if running is None else running


def _exit_codes(notification: JobNotification) -> list[int | None]:
    return [stage.attempts[-1].exit_code for stage in notification.stages if stage.attempts]
