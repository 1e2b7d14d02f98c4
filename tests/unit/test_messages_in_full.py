"""Whole messages as subscribers get them, field by field and letter by letter: messages_in_full.yaml is for reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.notification import Link
from schemas.plan import Attempt
from schemas.price import Price
from schemas.trace import Trace
from service.core.policy.steps import Step, untold
from service.core.record.facts import Requested, StageBrief
from service.core.record.record import Record
from service.core.telling.compose import Links, compose, linked_objects
from service.core.telling.letter import subject
from service.core.telling.progress import compose_progress
from service.core.telling.progress_text import subject_of_progress
from tests.support.builders import (
    NOW,
    TRACE_HEADER,
    TRACEPARENT,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    task,
)
from tests.support.tables import read_table

IN_FULL: dict[str, dict[str, Any]] = read_table(Path(__file__).with_name("messages_in_full.yaml"))
PRICES = {"FARGATE": Price(vcpu_hour=0.04048, gb_hour=0.004445)}
TRACE = Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)


def asked() -> Requested:
    """A request of two stages in which everything is given that may be."""
    resize = StageBrief(name="resize", image="pictures", container="main", integration="sync", timeout_seconds=900)
    report = StageBrief(
        name="report",
        image="report",
        container="main",
        integration="callback",
        timeout_seconds=600,
        heartbeat_seconds=30,
    )
    given = {
        "job_type": "thumbnails",
        "user": "ifgeek",
        "input_file": "in/a.jpg",
        "labels": {"team": "web"},
        "progress": True,
        "trace": TRACE,
        "stages": (resize, report),
    }
    return requested().model_copy(update=given)


def stage_one(number: int, task_id: str, exit_code: int, **fields: Any) -> tuple[Any, ...]:
    """A task of the first stage, with a sidecar that has a log of its own, and its two receipts."""
    at = NOW + 100 * number
    ended = task(
        task_id,
        attempt=number,
        cpu="512",
        memory="2048",
        launch_type="FARGATE",
        created_at=at + 1,
        pull_started_at=at + 3.25,
        started_at=at + 6,
        stopped_at=at + 50,
        containers=(container(exit_code=exit_code, reason="it said so"), container("proxy", 143)),
        **fields,
    )
    own = receipt(
        task_id,
        first_at=at + 7,
        last_at=at + 49.5,
        archived_at=at + 55,
        tail=("one", "two password=hunter2") if exit_code else (),
    )
    lossy = receipt(
        task_id, "proxy", status="possibly_lossy", why="its mode is non-blocking", lines=1, bytes=4, archived_at=at + 53
    )
    return ended, own, lossy


def tried_again() -> Attempt:
    """The first attempt, which the planner has tried again."""
    return attempt(1, 1, passed=False, exit_code=137, error="States.TaskFailed", failure_class="out_of_memory")


def job_that_succeeded() -> Record:
    """The first stage at its second attempt, and the second stage, whose container said nothing."""
    second = task(
        "t2",
        stage=2,
        cpu="1024",
        memory="2048",
        capacity_provider="FARGATE_SPOT",
        created_at=NOW + 301,
        pull_started_at=NOW + 303,
        started_at=NOW + 305,
        stopped_at=NOW + 400,
    )
    silent = receipt(
        "t2", status="absent", why="the container wrote nothing", lines=0, bytes=0, s3_bucket=None, s3_key=None
    )
    attempts = (tried_again(), attempt(1, 2), attempt(2, 1))
    ended = execution(attempts=attempts, observed_via="sweep", started_at=NOW + 0.5, stopped_at=NOW + 500)
    return record(asked(), ended, *stage_one(1, "t1", 137), *stage_one(2, "t1-2", 0), second, silent)


def job_that_failed() -> Record:
    """Redriven; the only attempt of the first stage exited with 3, and the second stage was not run."""
    told = attempt(
        1, 1, passed=False, exit_code=3, error="States.TaskFailed", failure_class="application_error", redrive=1
    )
    ended = execution("FAILED", attempts=(told,), error="StageFailed", cause="stage 1 failed", redrive_count=1)
    return record(asked(), ended, *stage_one(1, "t1", 3, redrive=1))


def a_rejection() -> Record:
    """With a job id that is nobody else's, and two reasons."""
    problems = [
        {"field": "job_id", "message": "it is odd", "remedy": "Choose another."},
        {"field": "", "message": "no stages", "remedy": "Give some."},
    ]
    claimed = {"claimed_job_id": "a b", "claimed_tenant": "web", "claimed_job_type": "thumbnails"}
    return record(rejected(problems=problems, trace=TRACE, **claimed))


def links_of(of: Record) -> Links:
    """A link to all that is linked to."""
    expires = "2023-11-21T22:13:20Z"
    return Links({at: Link(url=f"https://{'/'.join(at)}?signed", expires_at=expires) for at in linked_objects(of)})


NOTIFIED = {"succeeded": job_that_succeeded, "failed": job_that_failed, "rejected": a_rejection}


@pytest.mark.parametrize("name", NOTIFIED)
def test_a_notification_in_full(name: str) -> None:
    """Each field is the record's own, and the letter tells all of it."""
    of = NOTIFIED[name]()
    told = compose(of, links_of(of), PRICES)
    assert read(told, subject(told)) == IN_FULL[name]


def steps() -> dict[str, tuple[Record, Step]]:
    """The steps of a job in its second stage, by their names."""
    running = record(
        asked(), execution("RUNNING", started_at=NOW + 0.5), *stage_one(1, "t1", 137), *stage_one(2, "t1-2", 0)
    )
    return {step.name: (running, step) for step in untold(running)}


@pytest.mark.parametrize("name", ["0:STARTED", "RETRYING:1:1", "STAGE_FINISHED:1:2"])
def test_a_step_in_full(name: str) -> None:
    """As the notification, of what is known by then."""
    told = compose_progress(*steps()[name])
    assert read(told, subject_of_progress(told)) == IN_FULL[name]


def read(told: BaseModel, subject_line: str) -> dict[str, Any]:
    """A message as a subscriber reads it, with its subject."""
    read: dict[str, Any] = json.loads(told.model_dump_json())
    return {"subject": subject_line, **read}
