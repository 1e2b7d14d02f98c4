"""Jobs that end from outside, in time or not at all: each is announced, once, and says why."""

from __future__ import annotations

from deploy.local.subscriber import Received
from tests.support.job_requests import SLEEP_SECONDS, shell
from tests.support.system import System, log_text, receipts


def test_a_job_that_is_cancelled_is_announced(system: System) -> None:
    """StopExecution ends its container, and subscribers hear of it."""
    system.send({"job_id": "cancelled", "stages": [shell(f"echo waiting; sleep {SLEEP_SECONDS}")]})
    task = system.running_task("cancelled")
    execution = system.execution("cancelled")
    assert execution is not None
    system.client("stepfunctions").stop_execution(executionArn=execution["executionArn"], cause="changed my mind")
    notification = system.told("cancelled")
    assert notification.status == "ABORTED"
    assert notification.failure is not None and notification.failure.failure_class == "cancelled"
    assert log_text(notification) == "waiting\n"
    [attempt] = notification.stages[0].attempts
    assert attempt.task_arn == task["taskArn"]
    assert attempt.exit_code in (137, 143)


def test_an_image_that_cannot_be_pulled(system: System) -> None:
    """It never started, so there is no log, and the receipt says why."""
    notification = system.told("nowhere")
    assert notification.status == "FAILED"
    [receipt] = receipts(notification)
    assert (receipt.status, receipt.link, receipt.s3_uri) == ("absent", None, None)
    assert "never started" in str(receipt.why)
    assert "CannotPullContainer" in str(receipt.why)
    assert notification.failure is not None
    assert (notification.failure.failure_class, notification.failure.exit_code) == ("image_missing", None)


def test_a_stage_that_ran_out_of_memory_is_tried_again_with_more(system: System) -> None:
    """As far as the catalogue lets it grow; the attempt that failed stays on the record, and its log in S3."""
    notification = system.told("hungry")
    assert notification.status == "SUCCEEDED"
    first, last = notification.stages[0].attempts
    assert (first.failure_class, first.memory, first.passed) == ("out_of_memory", 64, False)
    assert (last.failure_class, last.memory, last.passed) == (None, 128, True)
    assert log_text(notification) == "75000000\n"


def test_a_stage_that_takes_too_long(system: System) -> None:
    """It is ended at its timeout, long before it would have ended."""
    notification = system.told("slow")
    assert notification.status == "FAILED"
    assert notification.failure is not None and notification.failure.failure_class == "stage_timeout"
    running = notification.stages[0].attempts[0].durations.running
    assert running is not None and running < SLEEP_SECONDS / 2
    assert log_text(notification) == "slow\n"


def test_a_lost_heartbeat_fails_the_job_and_stops_the_container(system: System) -> None:
    """Step Functions lets go of a callback's task, so Jobferry stops it; nobody waits for it any more."""
    notification = system.told("silent")
    assert notification.status == "FAILED"
    assert notification.failure is not None and notification.failure.failure_class == "heartbeat"
    [attempt] = notification.stages[0].attempts
    assert attempt.exit_code in (137, 143)
    assert str(attempt.stopped_reason).startswith("Jobferry")
    assert log_text(notification) == "no heartbeat\n"
    assert system.tasks("silent", "RUNNING") == []


def test_a_job_that_takes_too_long(system: System) -> None:
    """The timeout of the whole job cuts its stages short."""
    notification = system.told("overdue")
    assert notification.status == "TIMED_OUT"
    attempts = [attempt for stage in notification.stages for attempt in stage.attempts]
    assert all((attempt.durations.running or 0) < SLEEP_SECONDS / 2 for attempt in attempts)
    assert notification.failure is not None and notification.failure.failure_class == "job_timeout"
    assert notification.stages[2].status == "NOT_RUN"


def test_a_job_that_failed_can_be_redriven(system: System) -> None:
    """It goes on at the stage that failed, and subscribers are told of the second outcome as well."""
    assert system.told("mended").status == "FAILED"
    execution = system.execution("mended")
    assert execution is not None
    system.client("stepfunctions").redrive_execution(executionArn=execution["executionArn"])

    def told_again() -> list[Received]:
        system.collect()
        return system.found["mended"][1:]

    [again] = system.wait_for(told_again, "the second announcement", "mended")
    assert again.notification.id == "mended:1:SUCCEEDED"
    made = [[(attempt.attempt, attempt.exit_code) for attempt in stage.attempts] for stage in again.notification.stages]
    assert made == [[(1, 0)], [(1, 1), (2, 0)]]
    assert log_text(again.notification) == "first\nattempt 1\nattempt 2\n"
