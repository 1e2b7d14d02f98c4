"""Jobs that people steer: by messages on a queue of their own, sent late, early and twice."""

from __future__ import annotations

import json
from typing import Any

from deploy.local.subscriber import Received
from schemas.notification import JobNotification
from tests.support.job_requests import SLEEP_SECONDS, shell
from tests.support.system import System, log_text

WHO, WHY = "arn:aws:iam::123456789012:user/ann", "the input was wrong"


def steer(system: System, verb: str, job_id: str, **fields: Any) -> None:
    """Send a control message, as anybody may who may send to the queue."""
    asked = {"verb": verb, "job_id": job_id, "requested_by": WHO, "reason": WHY, **fields}
    system.client("sqs").send_message(QueueUrl=system.outputs["ControlQueueUrl"], MessageBody=json.dumps(asked))


def who(told: JobNotification) -> list[tuple[str, str | None, str | None]]:
    """By whom and why it became what it is."""
    return [(item.verb, item.by, item.reason) for item in told.steered]


def outcome(system: System, job_id: str, number: int) -> JobNotification:
    """The announcement of one of several outcomes."""

    def look() -> Received | None:
        system.collect()
        return system.found[job_id][number] if len(system.found[job_id]) > number else None

    return system.wait_for(look, f"outcome {number} of {job_id}", job_id).notification


def test_a_job_that_runs_is_cancelled(system: System) -> None:
    """Its container is ended, its log kept; one outcome is told, with who and why, however often it was asked for."""
    system.send({"job_id": "steered", "stages": [shell(f"echo waiting; sleep {SLEEP_SECONDS}")]})
    system.running_task("steered")
    for _ in range(2):
        steer(system, "cancel", "steered")
    told = system.told("steered")
    assert (told.status, who(told)) == ("ABORTED", [("cancel", WHO, WHY)])
    assert told.failure is not None
    assert (told.failure.failure_class, told.failure.evidence) == (
        "cancelled",
        f"Execution.ABORTED: Cancelled by {WHO}: {WHY}",
    )
    assert f"Cancelled by {WHO}, asked at " in told.text
    assert log_text(told) == "waiting\n"
    assert system.copies("steered") == 1


def test_a_job_that_is_cancelled_before_it_comes_is_never_started(system: System) -> None:
    """By its own tenant: another's cancel is not heard."""
    for job_id, tenant in (("too-late", "default"), ("not-yours", "somebody-else")):
        steer(system, "cancel", job_id, tenant=tenant)
    system.wait_until_quiet()
    for job_id in ("too-late", "not-yours"):
        system.send({"job_id": job_id, "stages": [shell("echo hello")]})
    told = system.told("too-late")
    assert (told.status, who(told)) == ("ABORTED", [("cancel", WHO, WHY)])
    assert (told.execution_arn, system.execution("too-late")) == (None, None)
    assert system.told("not-yours").status == "SUCCEEDED"


def test_a_job_that_was_cancelled_is_redriven(system: System) -> None:
    """Each outcome is told, with who asked for what; the message that comes again redrives nothing."""
    once = "test -e once && exit 0; touch once; sleep"
    system.send({"job_id": "again", "stages": [shell(f"{once} {SLEEP_SECONDS}")]})
    system.running_task("again")
    steer(system, "cancel", "again")
    assert system.told("again").id == "again:0:ABORTED"
    for _ in range(2):
        steer(system, "redrive", "again")
    system.running_task("again")
    steer(system, "cancel", "again", reason="no, stop it")
    told = outcome(system, "again", 1)
    assert told.id == "again:1:ABORTED"
    assert who(told) == [("redrive", WHO, WHY), ("cancel", WHO, "no, stop it")]
    assert system.copies("again") == 2


def test_what_cannot_be_read_is_kept_and_told(system: System) -> None:
    """As a request that cannot be read is; the job that it names is not touched."""
    queue = system.outputs["ControlQueueUrl"]
    body = json.dumps({"verb": "explode", "job_id": "steered", "tenant": "default"})
    sent = system.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    told = system.told(sent["MessageId"])
    assert (told.status, told.job_id) == ("REJECTED", None)
    assert told.rejection is not None
    assert (told.rejection.claimed_job_id, told.rejection.problems[0].field) == ("steered", "verb")
