"""How far a job has come, by its record, and what subscribers that asked for it are told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.export import EXPORTS
from schemas.notification import JobNotification
from schemas.progress import JobProgress
from service.core.policy.steps import untold
from service.core.record.facts import Fact, ProgressTold, TaskChanged, WaitsForCapacity
from service.core.record.hearing import forgotten_task
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling.progress import compose_progress
from service.core.telling.progress_text import subject_of_progress
from service.core.telling.size_limit import LONGEST_MESSAGE_BYTES
from tests.support.builders import (
    JOB,
    NOW,
    announced,
    attempt,
    container,
    execution,
    execution_arn,
    merge_all,
    record,
    requested,
    running,
    task,
    task_arn,
)
from tests.unit.test_record import FACTS

ASKED = requested(stages=2, progress=True)
CALLBACK = requested(stages=2, integration="callback", progress=True)
RUNS = execution("RUNNING")
STARTED = "0:STARTED"
FIRST, SECOND = "STAGE_FINISHED:1:1", "STAGE_FINISHED:2:1"
RETRY = "RETRYING:1:1"


def of(stage: int, number: int = 1, redrive: int = 0, *, exit_code: int | None = 0, **fields: object) -> TaskChanged:
    """The stopped task of an attempt."""
    own = (container(exit_code=exit_code),)
    return task(named(stage, number, redrive), redrive=redrive, stage=stage, attempt=number, containers=own, **fields)


def at_work(stage: int, number: int = 1, redrive: int = 0) -> TaskChanged:
    """The running task of an attempt."""
    return running(named(stage, number, redrive), redrive=redrive, stage=stage, attempt=number)


def named(stage: int, number: int, redrive: int) -> str:
    """A name for the task of an attempt."""
    first = number == 1 and not redrive
    return f"t{stage}" if first else f"t{stage}-{number}-{redrive}"


def told(step: str) -> ProgressTold:
    """That subscribers were told of a step."""
    return ProgressTold(job_id=JOB, step=step, at=NOW)


FAILED = of(1, exit_code=1)
WAITS = WaitsForCapacity(
    job_id=JOB,
    at=NOW - 60,
    wait_seconds=30,
    stage=1,
    attempt=1,
    since=NOW - 600,
    tries=7,
    failure_class="capacity",
    why="ECS.AmazonECSException: You've reached the limit, password=hunter2",
)

STEPS: dict[str, tuple[tuple[Fact, ...], list[str]]] = {
    "nobody asked": ((requested(stages=2), RUNS, FAILED, of(1, 2), of(2)), []),
    "requested": ((ASKED,), []),
    "a task was heard of, and not yet the execution": ((ASKED, of(1)), []),
    "started, by Step Functions' answer": ((ASKED, execution("STARTED")), [STARTED]),
    "started, by its event": ((ASKED, RUNS), [STARTED]),
    "ended before anything was heard": ((ASKED, execution("ABORTED")), [STARTED]),
    "about to be redriven": ((ASKED, execution("PENDING_REDRIVE", redrive_count=1)), []),
    "redriven": ((ASKED, execution("RUNNING", redrive_count=1), told(STARTED)), ["1:STARTED"]),
    "what was told": ((ASKED, RUNS, of(1), told(STARTED), told(FIRST)), []),
    # It waits for capacity.
    "waits": ((ASKED, RUNS, WAITS), [STARTED, "WAITING:1:1"]),
    "waits, told": ((ASKED, RUNS, WAITS, told("WAITING:1:1")), [STARTED]),
    "waited, and a task runs": ((ASKED, RUNS, WAITS, at_work(1)), [STARTED]),
    # A stage finished.
    "a task runs": ((ASKED, RUNS, at_work(1)), [STARTED]),
    "a task exited with 0": ((ASKED, RUNS, of(1)), [STARTED, FIRST]),
    "a task exited with 0, and a sidecar did not": (
        (ASKED, RUNS, task(containers=(container("sidecar", 137), container()))),
        [STARTED, FIRST],
    ),
    "a sidecar exited with 0": ((ASKED, RUNS, task(containers=(container("sidecar"),))), [STARTED]),
    "a task exited with 1": ((ASKED, RUNS, FAILED), [STARTED]),
    "no exit code": ((ASKED, RUNS, of(1, exit_code=None)), [STARTED]),
    "an exit code before the task is over": ((ASKED, RUNS, of(1, last_status="DEPROVISIONING")), [STARTED]),
    "0, but out of memory": (
        (ASKED, RUNS, task(containers=(container(reason="OutOfMemoryError: killed"),))),
        [STARTED],
    ),
    "0, but somebody stopped it": ((ASKED, RUNS, of(1, stop_code="UserInitiated")), [STARTED]),
    "0, and the planner says no": (
        (ASKED, execution("FAILED", attempts=(attempt(passed=False, exit_code=None),)), of(1)),
        [STARTED],
    ),
    "both stages, in their order": ((ASKED, RUNS, of(2), of(1)), [STARTED, FIRST, SECOND]),
    "the second stage, and of the first nothing is known": ((ASKED, RUNS, of(2)), [STARTED, SECOND]),
    "only the outcome tells of them": (
        (ASKED, execution(attempts=(attempt(), attempt(2)))),
        [STARTED, FIRST, SECOND],
    ),
    "ECS has forgotten a task that the outcome names": (
        (ASKED, execution(attempts=(attempt(), attempt(2))), forgotten_task(JOB, task_arn(), NOW)),
        [STARTED, FIRST, SECOND],
    ),
    # A container that has to report back.
    "it exited with 0, and has it reported?": ((CALLBACK, RUNS, of(1)), [STARTED]),
    "it has, since the next stage runs": ((CALLBACK, RUNS, of(1), at_work(2)), [STARTED, FIRST]),
    "the next stage runs, and it tidies up": ((CALLBACK, RUNS, at_work(1), at_work(2)), [STARTED]),
    "the outcome says that it has": (
        (CALLBACK, execution(attempts=(attempt(task_arn=None, exit_code=None),)), of(1)),
        [STARTED, FIRST],
    ),
    # Another attempt.
    "another attempt runs": ((ASKED, RUNS, FAILED, at_work(1, 2)), [STARTED, RETRY]),
    "another attempt passed": ((ASKED, RUNS, FAILED, of(1, 2)), [STARTED, RETRY, "STAGE_FINISHED:1:2"]),
    "another attempt runs, and how the first ended is not heard of yet": (
        (ASKED, RUNS, at_work(1), at_work(1, 2)),
        [STARTED],
    ),
    "RunTask refused the first": ((ASKED, RUNS, at_work(1, 2)), [STARTED, RETRY]),
    "and the second": ((ASKED, RUNS, FAILED, at_work(1, 3)), [STARTED, RETRY, "RETRYING:1:2"]),
    "a callback's task that nobody waits for": ((CALLBACK, RUNS, at_work(1), at_work(1, 2)), [STARTED, RETRY]),
    "only the outcome tells of it": (
        (ASKED, execution("FAILED", attempts=(attempt(passed=False), attempt(1, 2, passed=False)))),
        [STARTED, RETRY],
    ),
    "a redrive goes on with another attempt": (
        (ASKED, execution("RUNNING", redrive_count=1), FAILED, at_work(1, 2, redrive=1)),
        ["1:STARTED"],
    ),
    "a redrive runs the same attempt again": (
        (ASKED, execution("RUNNING", redrive_count=1), FAILED, of(1, 1, redrive=1), told("1:STARTED")),
        ["1:STAGE_FINISHED:1:1"],
    ),
    "a redrive tries again": (
        (
            ASKED,
            execution("RUNNING", redrive_count=1),
            FAILED,
            of(1, 1, redrive=1, exit_code=1),
            at_work(1, 2, redrive=1),
            told("1:STARTED"),
        ),
        ["1:RETRYING:1:1"],
    ),
    "a redrive passes a stage that had passed": (
        (ASKED, execution("RUNNING", redrive_count=1), of(1), of(1, 1, redrive=1), told("1:STARTED"), told(FIRST)),
        ["1:STAGE_FINISHED:1:1"],
    ),
}


@pytest.mark.parametrize(("facts", "expected"), STEPS.values(), ids=STEPS)
def test_what_is_to_be_told(facts: tuple[Fact, ...], expected: list[str]) -> None:
    """Facts and nothing else: no step is guessed, none is told twice, each in its place."""
    assert [step.name for step in untold(record(*facts))] == expected


def messages(*facts: Fact) -> dict[str, JobProgress]:
    """What subscribers are told of a job, by status; the last of each."""
    job = record(*facts)
    return {step.status: compose_progress(job, step) for step in untold(job)}


def test_a_start() -> None:
    """Who, what, when and where to look."""
    asked = requested(stages=2, progress=True, user="ifgeek", job_type="thumbnails", labels={"team": "pictures"})
    started = messages(asked, RUNS)["STARTED"]
    assert (started.id, started.job_id, started.redrive_count) == (f"{JOB}:0:STARTED", JOB, 0)
    assert (started.tenant, started.user, started.job_type) == ("web", "ifgeek", "thumbnails")
    assert started.labels == {"team": "pictures"}
    assert (started.execution_arn, started.started_at) == (execution_arn(), "2023-11-14T22:13:20.000Z")
    assert (started.stages_count, started.stage, started.failure) == (2, None, None)
    assert started.execution_console_url is not None
    assert subject_of_progress(started) == f"{JOB}: started"
    assert started.text.startswith(f'Your job "{JOB}" has started. It has 2 stages.\n')
    assert started.text.endswith(f"Notification {JOB}:0:STARTED\n")


def test_a_redrive_is_a_start_of_its_own() -> None:
    """Under an id of its own."""
    again = messages(ASKED, execution("RUNNING", redrive_count=2))["STARTED"]
    assert (again.id, again.redrive_count) == (f"{JOB}:2:STARTED", 2)
    assert subject_of_progress(again) == f"{JOB}: started again"
    assert "has started again (redrive 2)" in again.text


def test_a_stage_that_finished() -> None:
    """Which one, by which task, when."""
    finished = messages(ASKED, RUNS, of(1))["STAGE_FINISHED"]
    assert finished.id == f"{JOB}:STAGE_FINISHED:1:1"
    stage = finished.stage
    assert stage is not None and finished.failure is None
    assert (stage.stage, stage.name, stage.image, stage.attempt) == (1, "stage-1", "echo", 1)
    assert (stage.task_arn, stage.exit_code) == (task_arn(), 0)
    assert (stage.started_at, stage.stopped_at) == ("2023-11-14T22:13:26.000Z", "2023-11-14T22:14:10.000Z")
    assert subject_of_progress(finished) == f"{JOB}: stage 1 of 2 finished"
    assert "Stage 1 (stage-1, image echo), attempt 1: exit code 0" in finished.text


def test_a_retry_tells_of_the_attempt_that_failed_and_why() -> None:
    """As the failure card of an outcome does."""
    retry = messages(ASKED, RUNS, FAILED, at_work(1, 2))["RETRYING"]
    assert retry.id == f"{JOB}:RETRYING:1:1"
    assert retry.stage is not None and retry.failure is not None
    assert (retry.stage.attempt, retry.stage.task_arn, retry.stage.exit_code) == (1, task_arn(), 1)
    assert (retry.failure.failure_class, retry.failure.confidence) == ("application_exit", "certain")
    assert retry.failure.evidence == "exit code 1: the program failed"
    assert subject_of_progress(retry) == f"{JOB}: stage 1 of 2 is tried again (application_exit)"
    assert retry.text.splitlines()[:5] == [
        f'In your job "{JOB}", stage 1 of 2 is tried again.',
        "",
        "Stage 1 (stage-1, image echo), attempt 1: exit code 1",
        "  Why: the program failed. This is certain.",
        "  Evidence: exit code 1: the program failed",
    ]


def test_a_guess_is_called_one() -> None:
    """As in the letter of an outcome."""
    retry = messages(ASKED, RUNS, of(1, exit_code=None), at_work(1, 2))["RETRYING"]
    assert "This is a guess." in retry.text


SPOT = of(1, exit_code=143, stop_code="SpotInterruption", stopped_reason="Your Spot Task was interrupted.")
CLOCK = of(1, exit_code=143, stop_code="UserInitiated", stopped_reason="Task stopped by AWS Step Functions")
REFUSED = attempt(passed=False, task_arn=None, exit_code=None, error="ECS.AmazonECSException")

REASONS: dict[str, tuple[tuple[Fact, ...], str | None]] = {
    "Spot": ((ASKED, RUNS, SPOT, at_work(1, 2)), "spot_interruption"),
    "the state's clock, since nobody goes on after a person": ((ASKED, RUNS, CLOCK, at_work(1, 2)), "stage_timeout"),
    "a person or the clock: somebody redrove it": (
        (ASKED, execution("RUNNING", redrive_count=1), CLOCK, at_work(1, 2)),
        None,
    ),
    "nothing is known of its task": ((ASKED, RUNS, at_work(1, 2)), None),
    "a callback that goes on": ((CALLBACK, RUNS, at_work(1), at_work(1, 2)), None),
    "RunTask refused it, as the outcome says": (
        (ASKED, execution("FAILED", attempts=(REFUSED, attempt(1, 2, passed=False)))),
        "capacity",
    ),
}


@pytest.mark.parametrize(("facts", "expected"), REASONS.values(), ids=REASONS)
def test_why_a_stage_is_tried_again(facts: tuple[Fact, ...], expected: str | None) -> None:
    """As far as it is known; a guess is worse than nothing."""
    failure = messages(*facts)["RETRYING"].failure
    assert (failure.failure_class if failure else None) == expected


def test_no_secret_leaves_by_this_way() -> None:
    """AWS quotes signed URLs in its reasons."""
    reason = "CannotPullContainerError: https://x.s3.amazonaws.com/layer?X-Amz-Signature=abcdef0123456789"
    retry = messages(ASKED, RUNS, of(1, exit_code=None, stopped_reason=reason), at_work(1, 2))["RETRYING"]
    assert "abcdef0123456789" not in retry.model_dump_json()


def test_a_pattern_of_ones_own_hides_as_it_does_in_an_outcome() -> None:
    """In the evidence, and in the text that is made of it."""
    job = record(ASKED, RUNS, of(1, exit_code=None, stopped_reason="customer 4711 is unknown"), at_work(1, 2))
    [_, step] = untold(job)
    retry = compose_progress(job, step, Redaction.of(("customer [0-9]+",)))
    assert "4711" in compose_progress(job, step).model_dump_json()
    assert "4711" not in retry.model_dump_json()


def test_a_late_redrive_does_not_change_the_id_of_a_step() -> None:
    """One replica tells of it before the redrive is heard of, another one after."""
    before = messages(ASKED, execution("FAILED"), FAILED, at_work(1, 2))["RETRYING"]
    after = messages(ASKED, execution("RUNNING", redrive_count=1), FAILED, at_work(1, 2))["RETRYING"]
    assert before.id == after.id


ASKING = st.lists(FACTS, max_size=10).map(
    lambda facts: merge_all(Record.of_job(JOB), [requested(stages=3, progress=True), *facts])
)
SCHEMA = Draft202012Validator(next(item for item in EXPORTS if item.model is JobProgress).schema())


@settings(max_examples=300, deadline=None)
@given(ASKING)
def test_whatever_is_known_can_be_told(job: Record) -> None:
    """Each step has one message by the schema, small enough for SNS, under an id that no outcome has."""
    composed = [compose_progress(job, step) for step in untold(job)]
    assert len({item.id for item in composed}) == len(composed)
    for item in composed:
        assert list(SCHEMA.iter_errors(json.loads(item.model_dump_json()))) == []
        assert len(subject_of_progress(item)) < 100 and subject_of_progress(item).isascii()
        assert len(item.model_dump_json()) < LONGEST_MESSAGE_BYTES / 4
        assert (item.stage is None) == (item.status == "STARTED")


@settings(max_examples=200, deadline=None)
@given(ASKING)
def test_what_was_told_is_not_told_again(job: Record) -> None:
    """Once all is noted, nothing is left."""
    assert untold(merge_all(job, [told(step.name) for step in untold(job)])) == ()


def test_no_status_of_progress_is_one_of_an_outcome() -> None:
    """A filter policy on the outcomes' statuses lets no progress through."""
    outcomes, steps = (model.model_json_schema()["properties"]["status"] for model in (JobNotification, JobProgress))
    assert not set(outcomes["enum"]) & set(steps["enum"])


def test_announcing_is_not_told_of_here() -> None:
    """Whether progress is still of use is for `owed` to say."""
    assert [step.name for step in untold(record(ASKED, execution("FAILED"), announced()))] == [STARTED]


def test_the_message_of_a_wait_says_since_when_how_often_and_why() -> None:
    """For programs and for people, without secrets."""
    job = record(ASKED, RUNS, WAITS)
    step = next(step for step in untold(job) if step.status == "WAITING")
    told_of = compose_progress(job, step)
    assert (told_of.id, told_of.stage and told_of.stage.stage) == (f"{JOB}:WAITING:1:1", 1)
    assert told_of.waiting is not None
    assert (told_of.waiting.first_refused_at, told_of.waiting.tries) == ("2023-11-14T22:03:20.000Z", 7)
    assert told_of.waiting.failure_class == "capacity"
    assert "hunter2" not in told_of.model_dump_json()
    assert "stage 1 of 2 waits for capacity" in told_of.text
    assert "and was tried 7 times" in told_of.text
    assert subject_of_progress(told_of).endswith("stage 1 of 2 waits for capacity")
