"""What a viewer is shown of a job, field by field and letter by letter: tracking_in_full.yaml is for reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from service.core.record.facts import Announced, StageSpent, WaitsForCapacity
from service.core.record.record import Record, merge
from service.core.tracking.events import events_of
from service.core.tracking.job import track
from service.core.tracking.steps import steps_of
from service.core.tracking.why import Lately, why
from service.operator.show import lines_of as shown
from tests.support.builders import JOB, NOW, announced, execution, record, requested, running, task, task_arn
from tests.support.tables import read_table
from tests.unit.test_messages_in_full import (
    PRICES,
    a_rejection,
    asked,
    job_that_failed,
    job_that_succeeded,
    stage_one,
)

IN_FULL: dict[str, Any] = read_table(Path(__file__).with_name("tracking_in_full.yaml"))
WAIT = WaitsForCapacity(
    job_id=JOB,
    at=NOW + 430,
    wait_seconds=30,
    stage=2,
    attempt=1,
    since=NOW + 410,
    tries=2,
    failure_class="capacity",
    why="Capacity is\nunavailable, password=hunter2.",
)


def told(job: Record, **fields: Any) -> Record:
    """The record after its outcome was told."""
    done = announced(job.redrive_count).model_copy(update={"at": NOW + 520, **fields})
    return merge(job, Announced.model_validate(done.model_dump()))


def under_way() -> Record:
    """The first stage failed once and is tried again; where the job runs is known, and no log of the second try."""
    again = running(
        "t1-2",
        attempt=2,
        cpu="512",
        memory="4096",
        created_at=NOW + 201,
        pull_started_at=NOW + 203,
        started_at=NOW + 206,
    )
    return record(asked(), execution("RUNNING", started_at=NOW + 0.5), *stage_one(1, "t1", 137), again)


def waiting() -> Record:
    """The first stage passed, and for the second there is no capacity."""
    passed = (*stage_one(1, "t1", 137), *stage_one(2, "t1-2", 0))
    return record(asked(), execution("RUNNING", started_at=NOW + 0.5), *passed, WAIT)


def redriven() -> Record:
    """It failed, was told of, and was stopped by a person in its second redrive, of which no task was seen."""
    stopped = execution("ABORTED", redrive_count=2, redriven_at=NOW + 600, stopped_at=NOW + 700)
    return record(requested(), announced().model_copy(update={"status": "TIMED_OUT"}), stopped)


def lately() -> Lately:
    """What six jobs before took: less time, and less memory."""
    like = {"image": "pictures", "stage": 1, "passed": True, "queued": 2.0, "starting": 1.0, "memory": 1024}
    return [(StageSpent.model_validate({**like, "running": 10.0 + number}),) for number in range(6)]


def history() -> list[dict[str, Any]]:
    """A plan, then a task that is made and refuses to end well, then a redrive of it."""
    plan = json.dumps({"lambda_result": {"next_stage": {"stage": 1, "attempt": 1}}})
    made = json.dumps({"Tasks": [{"TaskArn": task_arn()}]})
    return [
        seen("ExecutionStarted", 0, "executionStarted", input="{}"),
        seen("TaskStateEntered", 0.5, "stateEntered", name="plan", input='{"job": "a"}'),
        seen("TaskScheduled", 0.6, "taskScheduled", resourceType="lambda"),
        seen("TaskStateExited", 1, "stateExited", name="plan", output=plan),
        seen("TaskStateEntered", 1, "stateEntered", name="run", input=plan),
        seen("TaskScheduled", 1.25, "taskScheduled", resourceType="ecs"),
        seen("TaskSubmitted", 2, "taskSubmitted", resourceType="ecs", output=made),
        seen("TaskFailed", 50, "taskFailed", error="States.TaskFailed", cause="password=hunter2"),
        seen("ExecutionFailed", 51, "executionFailed", error="StageFailed", cause="stage 1 failed"),
        seen("ExecutionRedriven", 100, "executionRedriven", redriveCount=2),
        seen("TaskScheduled", 100.25, "taskScheduled", resourceType="ecs"),
        seen("TaskTimedOut", 160, "taskTimedOut", error="States.Timeout"),
        seen("TaskStateExited", 161, "stateExited", name="run", output="no JSON"),
        seen("WaitStateEntered", 161, "stateEntered", name="wait", input="{}"),
    ]


def seen(kind: str, after: float, of: str, /, **details: Any) -> dict[str, Any]:
    """One event of a history, its details under the name of Step Functions'."""
    return {"type": kind, "timestamp": NOW + after, f"{of}EventDetails": details}


VIEWS: dict[str, Callable[[], Any]] = {
    "job under way": lambda: track(under_way(), PRICES),
    "job that failed": lambda: track(told(job_that_failed()), PRICES),
    "rejected request": lambda: track(a_rejection()),
    "events of a job that succeeded": lambda: events_of(told(job_that_succeeded())),
    "events of a job that was redriven": lambda: events_of(redriven()),
    "events of a job that waits": lambda: events_of(waiting())[-1:],
    "events of a rejected request": lambda: events_of(a_rejection()),
    "why a job is under way": lambda: why(under_way(), NOW + 260, lately()),
    "why a job waits": lambda: why(waiting(), NOW + 500, lately()),
    "where the time of a job went": lambda: why(told(job_that_succeeded()), NOW + 900, lately()),
    "why a request was rejected": lambda: why(a_rejection(), NOW + 1, ()),
    "a job under way as a person reads it": lambda: lines(under_way()),
    "a job that failed as a person reads it": lambda: lines(told(job_that_failed())),
    "a rejected request as a person reads it": lambda: lines(a_rejection()),
    "steps": lambda: steps_of(record(requested(), task()), history())[0],
}


def lines(of: Record) -> list[str]:
    """What `jobferry show` prints."""
    job = track(of)
    assert job is not None
    return list(shown(job))


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_in_full(name: str) -> None:
    """Each field is the record's own; what has no value is left out of the file."""
    assert read(VIEWS[name]()) == IN_FULL[name]


def read(view: Any) -> Any:
    """A view as a client reads it."""
    if isinstance(view, BaseModel):
        return _given(json.loads(view.model_dump_json()))
    return view if isinstance(view, str) else [read(item) for item in view]


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _given(item) for name, item in value.items() if item not in (None, [], {})}
    return [_given(item) for item in value] if isinstance(value, list) else value
