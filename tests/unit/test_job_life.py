"""What `jobferry local` shows of a job: lines that a person reads, from the lines that the worker logs."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from deploy.local.job_life import JobLife, colour_of, of_container, of_worker, shown

AT = "2026-01-02T03:04:05.000000Z"
TASK = {"job_id": "job", "tenant": "web", "stage": 2, "attempt": 1, "task_id": "t", "stop_code": None, "seconds": None}

LINES: dict[str, tuple[dict[str, Any], str]] = {
    "admitted": (
        {"event": "job_admitted", "tenant": "web", "job_type": None, "stages": ["a", "b", "c", "d"], "seconds": 0.1},
        "admitted   for web: a, b, c and 1 more",
    ),
    "rejected": (
        {"event": "job_rejected", "tenant": None, "problems": [": no JSON", "stages.0: no image"], "seconds": 0.1},
        "rejected   no JSON; stages.0: no image",
    ),
    "started": ({"event": "job_started", "seconds": 0.2}, "started"),
    "running": (
        {"event": "task_changed", **TASK, "status": "RUNNING", "exit_codes": {}},
        "task       stage 2: RUNNING",
    ),
    "stopped": (
        {
            "event": "task_changed",
            **TASK,
            "status": "STOPPED",
            "exit_codes": {"main": 3},
            "seconds": 1.25,
            "attempt": 2,
        },
        "task       stage 2, attempt 2: STOPPED, main exit 3 after 1.2 s",
    ),
    "stopped by a person": (
        {
            "event": "task_changed",
            **TASK,
            "status": "STOPPED",
            "stop_code": "UserInitiated",
            "exit_codes": {"main": None},
        },
        "task       stage 2: STOPPED (UserInitiated), main exit unknown",
    ),
    "archived": (
        {"event": "log_archived", "container": "main", "status": "complete", "why": None, "lines": 1, "bytes": 6},
        "archived   log of main: 1 line, 6 bytes",
    ),
    "no log": (
        {"event": "log_archived", "container": "main", "status": "absent", "why": "none came", "lines": 0, "bytes": 0},
        "archived   log of main is absent: none came",
    ),
    "announced": (
        {"event": "job_announced", "status": "FAILED", "notification_id": "job:0:FAILED", "seconds": 3.26},
        "announced  FAILED after 3.3 s",
    ),
    "what has no words of its own": (
        {"event": "poll_failed", "queue": "requests", "level": "warning"},
        "warning    poll_failed queue=requests",
    ),
    "a crash": (
        {"event": "loop_failed", "level": "error", "exception": "Traceback ...\nKeyError: 'x'"},
        "error      loop_failed KeyError: 'x'",
    ),
}


def logged(event: dict[str, Any]) -> str:
    """A line of the worker's log."""
    return json.dumps({"level": "info", "timestamp": AT, "job_id": "job", **event})


@pytest.mark.parametrize(("event", "expected"), LINES.values(), ids=LINES)
def test_a_line_of_the_log_becomes_one_for_a_person(event: dict[str, Any], expected: str) -> None:
    """When, whose, what, and what there is to know."""
    line = of_worker(logged(event))
    assert line is not None
    assert re.fullmatch(rf"\d\d:\d\d:\d\d  job               {re.escape(expected)}", shown(line).plain)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "event_ignored", "why": "it is none of ours"},
        {"event": "execution_changed", "status": "RUNNING", "redrive_count": 0, "seconds": None},
    ],
)
def test_what_tells_a_person_nothing_is_left_out(event: dict[str, Any]) -> None:
    """It is in the worker's log."""
    assert of_worker(logged(event)) is None


def test_what_is_no_event_is_shown_as_it_is() -> None:
    """Python's own last words, and the sentences about settings."""
    line = of_worker("JOBFERRY_TOPIC_ARN is missing.")
    assert line is not None
    assert shown(line).plain.strip() == "JOBFERRY_TOPIC_ARN is missing."


def test_a_container_cannot_move_the_cursor() -> None:
    """Whatever it prints."""
    line = of_container({"at": 0, "job_id": "job", "container": "main", "message": "\x1b[2Jgone\r\a"})
    assert "\x1b" not in shown(line).plain
    assert shown(line).plain.endswith("|           [2Jgone")


def test_a_job_has_its_colour_on_a_terminal_and_none_elsewhere() -> None:
    """The same in all its lines, its containers' too."""
    output = json.dumps({"at": 0, "job_id": "job", "container": "main", "message": "hello"}).encode()
    for terminal in (True, False):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=terminal, color_system="standard" if terminal else "auto")
        life = JobLife(console)
        life.worker([logged({"event": "job_started", "seconds": 0.2}).encode() + b"\n"])
        life.containers([output])
        first, second = screen.getvalue().splitlines()
        assert ("\x1b[" in first, "\x1b[" in second) == (terminal, terminal)
        assert "started" in first and "hello" in second
    assert len({colour_of(f"job-{number}") for number in range(50)}) > 4


def test_a_long_id_is_whole_where_the_job_is_admitted() -> None:
    """Elsewhere there is no room for it."""
    job_id = "4f2a90ab-0000-4000-8000-000000000000"
    event = {"event": "job_admitted", "job_id": job_id, "tenant": "web", "stages": ["a"], "seconds": 0.1}
    line = of_worker(logged(event))
    assert line is not None
    assert shown(line).plain.count(job_id) == 1
