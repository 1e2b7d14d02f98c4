"""A job whose request asks for progress: subscribers hear of each step, and those who want outcomes only, of none."""

from __future__ import annotations

import json

from deploy.local.subscriber import Received, Subscriber
from tests.support.system import System
from tests.support.waiting import wait_for


def _until_the_outcome(subscriber: Subscriber) -> dict[str, Received]:
    """What came, by id, in the order of the first copies."""
    got: dict[str, Received] = {}

    def look() -> bool:
        for received in subscriber.receive():
            got.setdefault(json.loads(received.raw)["id"], received)
        return any(received.attributes["status"] == "SUCCEEDED" for received in got.values())

    wait_for(look, "the outcome", seen=lambda: f"only {list(got)} came")
    return got


def test_each_step_is_told_of_and_then_the_outcome(system: System, filtered: dict[str, Subscriber]) -> None:
    """Two stages, the first of which fails once: each message by its contract, with the attributes to filter by."""
    notification = system.told("curious")
    got = _until_the_outcome(filtered["curious"])
    assert list(got) == [
        "curious:0:STARTED",
        "curious:RETRYING:1:1",
        "curious:STAGE_FINISHED:1:2",
        "curious:STAGE_FINISHED:2:1",
        "curious:0:SUCCEEDED",
    ]
    started, retry, first, second, outcome = got.values()
    assert started.progress.execution_arn == notification.execution_arn
    assert started.subject == "curious: started"
    assert retry.attributes == {"status": "RETRYING", "tenant": "curious", "failure_class": "application_exit"}
    assert retry.progress.failure is not None and "exit code 7" in retry.progress.failure.evidence
    tasks = [attempt.task_arn for stage in notification.stages for attempt in stage.attempts]
    steps = [step.progress.stage for step in (retry, first, second)]
    assert [step.task_arn for step in steps if step] == tasks
    assert [step.exit_code for step in steps if step] == [7, 0, 0]
    assert outcome.notification == notification


def test_a_filter_on_the_statuses_of_outcomes_lets_no_progress_through(
    system: System, filtered: dict[str, Subscriber]
) -> None:
    """Subscribers that were there before see nothing new."""
    system.told("curious")
    subscriber = filtered["curious-outcomes"]
    assert [received.attributes["status"] for received in _until_the_outcome(subscriber).values()] == ["SUCCEEDED"]
    assert list(subscriber.receive(wait_seconds=0)) == []
