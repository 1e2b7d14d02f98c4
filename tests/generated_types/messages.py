"""What programs with generated types write and read: the messages of a release to come, and what to make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.job import JobRequest, StageRequest
from schemas.notification import JobNotification
from schemas.progress import JobProgress
from service.core.policy.steps import untold
from service.core.record.record import Record
from service.core.telling.compose import Links, compose
from service.core.telling.progress import compose_progress
from tests.support.builders import JOB, NOW, attempt, container, execution, receipt, record, rejected, requested, task

CLASS_OF_TOMORROW = "class_of_tomorrow"
_ENDED = round(NOW * 1000) + 60_000


def messages() -> str:
    """An outcome of every kind, and each kind of progress."""
    return json.dumps([_of_tomorrow(json.loads(item.model_dump_json())) for item in _messages()])


def _messages() -> Iterator[JobNotification | JobProgress]:
    for job in (_passed(), _failed(), record(requested(), execution("ABORTED")), record(rejected())):
        yield compose(job, Links())
    retried = _retried()
    for step in untold(retried):
        yield compose_progress(retried, step)


def _passed() -> Record:
    return record(requested(labels={"album": "summer"}), execution(attempts=(attempt(),)), task(), receipt())


def _failed() -> Record:
    return record(requested(), execution("FAILED", attempts=(attempt(passed=False),)), task())


def _retried() -> Record:
    failed = task("t1", stage=1, attempt=1, containers=(container(exit_code=1),))
    again = task("t2", stage=1, attempt=2, containers=(container(exit_code=0),))
    return record(requested(progress=True, stages=2), execution("RUNNING"), failed, again)


def _of_tomorrow(message: dict[str, Any]) -> dict[str, Any]:
    """The message with what a later release may add: a field, and a class of failure."""
    message["field_of_tomorrow"] = {"of": "tomorrow"}
    if message["failure"] and message["status"] == "FAILED":
        message["failure"]["failure_class"] = CLASS_OF_TOMORROW
    return message


# By hand, as a person reads the messages: job, status, why, when it ended or how far it is; then of an outcome its
# attempts, lines of log, problems and labels.
EXPECTED = f"""\
{JOB} SUCCEEDED - {_ENDED} 1 2 0 summer
{JOB} FAILED {CLASS_OF_TOMORROW} {_ENDED} 1 0 0 -
{JOB} ABORTED cancelled {_ENDED} 0 0 0 -
- REJECTED - - 0 0 1 -
{JOB} STARTED - -
{JOB} RETRYING failed 1.1
{JOB} STAGE_FINISHED - 1.2
"""

REQUESTS = (
    JobRequest(
        input_file="input/uploads/example.jpg",
        user="ifgeek",
        stages=(StageRequest(image="echo", command=("echo", "hello", "world"), environment={"MODE": "fast"}),),
    ),
    JobRequest(
        job_id="greet-42",
        job_type="greet",
        tenant="web",
        parameters={"who": "world", "loud": True, "times": 3, "pause": 0.5},
        timeout_seconds=3600,
        labels={"album": "summer"},
        progress=True,
    ),
)
"""What the producers write, each in its language."""
