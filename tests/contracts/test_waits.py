"""The state machine's own event: what the emulator sends for it is what the worker reads."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

from service.core.record.facts import WaitsForCapacity
from service.core.record.hearing import hear
from tests.support.cloud import Cloud

DEFINITION = Path(__file__).parents[2] / "deploy" / "state_machine.asl.json"
WAITING = {"since": "2026-01-01T00:00:00Z", "tries": 3, "failure_class": "throttled", "why": "Rate exceeded"}
NEXT = {"stage": 2, "attempt": 1, "image": "echo", "waiting": WAITING}
GIVEN = {"lambda_result": {"wait_seconds": 9, "next_stage": NEXT}}


def told_of(cloud: Cloud, queue_url: str) -> dict[str, object]:
    """An execution that passes through the state that tells of a wait, and sends to this queue."""
    state = json.loads(DEFINITION.read_text())["States"]["tell_waiting_step"]
    text = json.dumps(state).replace("${EventQueueUrl}", queue_url).replace("${Partition}", "aws")
    return cloud.result({"tell_waiting_step": json.loads(text), "wait_before_retry": {"Type": "Succeed"}}, GIVEN)


def test_a_wait_is_told_of_on_the_queue_of_events(cloud: Cloud) -> None:
    """And the state's input goes on as it was."""
    url = str(cloud.sqs.create_queue(QueueName=f"events-{uuid4().hex[:8]}")["QueueUrl"])
    ended = told_of(cloud, url)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(str(ended["output"])) == GIVEN
    [body] = cloud.collect(url, lambda found: len(found) == 1)
    machine, _, job_id = str(ended["executionArn"]).replace(":execution:", ":stateMachine:").rpartition(":")
    fact = hear(body, machine)
    assert isinstance(fact, WaitsForCapacity), fact
    assert (fact.job_id, fact.stage, fact.tries, fact.wait_seconds) == (job_id, 2, 3, 9)


def test_a_queue_that_is_not_there_stops_nothing(cloud: Cloud) -> None:
    """The job waits all the same."""
    assert told_of(cloud, "http://127.0.0.1:4566/000000000000/nowhere")["status"] == "SUCCEEDED"
