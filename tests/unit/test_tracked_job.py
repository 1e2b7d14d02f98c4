"""How a job, its stages and its attempts stand, by what was heard of them."""

from __future__ import annotations

import pytest

from schemas.notification import Problem
from service.core.record.facts import Fact, WaitsForCapacity
from service.core.record.record import Record
from service.core.record.wishes import Redriven
from service.core.tracking.job import track, tracked_status
from tests.support.builders import (
    JOB,
    KEY,
    NOW,
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

WAIT = WaitsForCapacity(
    job_id=JOB, at=NOW + 60, wait_seconds=30, stage=2, attempt=1, since=NOW, tries=1, failure_class="capacity", why="no"
)
ASKED = requested(stages=2)
RUNS = execution("RUNNING")
FAILED = task(containers=(container(exit_code=1),))
SECOND = execution("RUNNING", attempts=(attempt(passed=False),))

STANDS: dict[str, tuple[tuple[Fact, ...], str, list[str], list[str]]] = {
    # What was heard: the job's status, its stages', and its first stage's attempts'.
    "requested": ((ASKED,), "QUEUED", ["NOT_RUN", "NOT_RUN"], []),
    "started": ((ASKED, RUNS), "QUEUED", ["NOT_RUN", "NOT_RUN"], []),
    "a task runs": ((ASKED, RUNS, running()), "RUNNING", ["RUNNING", "NOT_RUN"], ["RUNNING"]),
    "a task passed": ((ASKED, RUNS, task()), "RUNNING", ["PASSED", "NOT_RUN"], ["PASSED"]),
    "a task failed, and may be tried again": ((ASKED, RUNS, FAILED), "RUNNING", ["RUNNING", "NOT_RUN"], ["FAILED"]),
    "the planner says that it failed": ((ASKED, SECOND, running()), "RUNNING", ["RUNNING", "NOT_RUN"], ["FAILED"]),
    "a container that reports back has ended": (
        (requested(integration="callback"), RUNS, FAILED),
        "RUNNING",
        ["RUNNING"],
        ["RUNNING"],
    ),
    "the first stage waits": (
        (ASKED, RUNS, WAIT.model_copy(update={"stage": 1})),
        "WAITING",
        ["WAITING", "NOT_RUN"],
        [],
    ),
    "the second stage waits": ((ASKED, RUNS, task(), WAIT), "WAITING", ["PASSED", "WAITING"], ["PASSED"]),
    "it ended, and its task is not heard to stop": (
        (ASKED, execution("ABORTED"), running()),
        "SETTLING",
        ["FAILED", "NOT_RUN"],
        ["FAILED"],
    ),
    "it ended and was told of": (
        (ASKED, execution("ABORTED"), running(), announced()),
        "ABORTED",
        ["FAILED", "NOT_RUN"],
        ["FAILED"],
    ),
    "it succeeded": (
        (requested(), execution(attempts=(attempt(),)), task(), receipt(), announced()),
        "SUCCEEDED",
        ["PASSED"],
        ["PASSED"],
    ),
}


@pytest.mark.parametrize(("facts", "status", "stages", "attempts"), STANDS.values(), ids=STANDS)
def test_how_a_job_stands(facts: tuple[Fact, ...], status: str, stages: list[str], attempts: list[str]) -> None:
    """What failed may be tried again for as long as the job is not over."""
    job = track(record(*facts))
    assert job is not None
    assert (job.status, tracked_status(record(*facts))) == (status, status)
    assert [stage.status for stage in job.stages] == stages
    assert [item.status for item in job.stages[0].attempts] == attempts
    assert job.stages_passed == stages.count("PASSED")
    assert job.settled is (status in {"SUCCEEDED", "ABORTED"})
    assert (job.failure is not None) is (status in {"SETTLING", "ABORTED"})
    assert [stage.output_s3_prefix is not None for stage in job.stages] == [name == "PASSED" for name in stages]


def test_a_rejected_request_has_no_id_that_is_another_jobs() -> None:
    """And is settled once its outcome was told."""
    refused = rejected(claimed_job_id="odd")
    taken = refused.model_copy(update={"job_id_is_taken": True})
    shown = [track(record(fact, *more)) for fact, more in ((refused, ()), (taken, (announced(of=taken.record_key),)))]
    assert [(job.status, job.job_id, job.settled) for job in shown if job] == [
        ("REJECTED", "odd", False),
        ("REJECTED", None, True),
    ]
    assert tracked_status(record(refused)) == "REJECTED"


def test_a_rejection_is_shown_without_the_secrets_that_it_quotes() -> None:
    """A problem may repeat what the request said."""
    problem = Problem(field="user", message="it is 'password=hunter2'", remedy="Choose another.")
    job = track(record(rejected(problems=(problem,))))
    assert job is not None and job.rejection is not None
    assert "hunter2" not in job.rejection.problems[0].message


def test_nothing_is_shown_where_nobody_asked() -> None:
    """A record of a task alone is of no job yet."""
    assert track(record(task())) is None
    assert track(Record(KEY)) is None


def test_who_steered_a_job_is_shown_with_it() -> None:
    """As the notification tells it."""
    redriven = Redriven.model_validate(
        {"job_id": JOB, "tenant": "web", "asked_at": NOW + 70, "asked_by": "ann", "reason": "again", "redrive_count": 1}
    )
    job = track(record(requested(), execution("RUNNING", redrive_count=1, redriven_at=NOW + 71), redriven))
    assert job is not None
    assert [(item.verb, item.by, item.reason) for item in job.steered] == [("redrive", "ann", "again")]
