"""Jobs made again of old ones, and many jobs at once: by messages, through the whole system."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from schemas.bulk import TrackedBulk
from service.core.tracking.listing import JobFilter
from service.tracking.errors import UnknownBulkError
from tests.support.job_requests import SLEEP_SECONDS, shell
from tests.support.readers import tracking_as
from tests.support.system import System, log_text

WHO, WHY = "arn:aws:iam::123456789012:user/ann", "the input was wrong"


def ask_for(system: System, **asked: Any) -> None:
    """Send a message to the control queue, as anybody may who may send there."""
    body = json.dumps({"requested_by": WHO, "reason": WHY, **asked})
    system.client("sqs").send_message(QueueUrl=system.outputs["ControlQueueUrl"], MessageBody=body)


def test_a_job_that_failed_is_made_again_with_another_command(system: System) -> None:
    """Under a new id, however often the message comes; the old job stays as it is, and each names the other."""
    system.send({"job_id": "first-try", "labels": {"team": "web"}, "stages": [shell("echo one; exit 3")]})
    assert system.told("first-try").status == "FAILED"
    changes = {"stages.0.command": ["sh", "-c", "echo two"], "user": "eve"}
    for _ in range(2):
        ask_for(system, verb="rerun", job_id="first-try", new_job_id="second-try", changes=changes)
    told = system.told("second-try")
    assert (told.status, told.retry_of, told.user, told.labels) == ("SUCCEEDED", "first-try", "eve", {"team": "web"})
    assert [(item.verb, item.by, item.reason) for item in told.steered] == [("rerun", WHO, WHY)]
    assert log_text(told) == "two\n"
    assert system.copies("first-try") == system.copies("second-try") == 1
    reader = tracking_as(system, system.outputs["JobReaderRoleArn"]).tracker
    first, second = (asyncio.run(reader.job("default", name)) for name in ("first-try", "second-try"))
    assert (first.status, first.rerun_as, second.retry_of) == ("FAILED", "second-try", "first-try")
    everybody = asyncio.run(reader.jobs(None, JobFilter(text="second-try"), 1))
    assert [(job.id, job.tenant) for job in everybody.jobs] == [("second-try", "default")]


def test_a_rejected_request_is_made_again_when_it_is_mended(system: System) -> None:
    """By the id that it claimed."""
    sent = system.send({"job_id": "odd", "stages": [{"image": "nope"}]})
    assert system.told(sent).status == "REJECTED"
    ask_for(system, verb="rerun", job_id="odd", new_job_id="odd-made-even", changes={"stages.0": shell("echo mended")})
    told = system.told("odd-made-even")
    assert (told.status, told.retry_of) == ("SUCCEEDED", "odd")


def test_a_large_request_is_made_again(system: System) -> None:
    """What has no room in a record lies in S3, where the worker may read it."""
    many = [shell(f"echo {number} {'x' * 1000}") for number in range(24)]
    system.send({"job_id": "large", "stages": many, "timeout_seconds": 1})
    system.told("large")
    ask_for(system, verb="rerun", job_id="large", new_job_id="large-again")
    assert system.told("large-again").retry_of == "large"


def bulk_at_its_end(system: System, bulk_id: str) -> TrackedBulk:
    """How a bulk is once it is over."""
    tracker = tracking_as(system, system.outputs["JobReaderRoleArn"]).tracker

    def look() -> TrackedBulk | None:
        try:
            bulk = asyncio.run(tracker.bulk("default", bulk_id))
        except UnknownBulkError:
            return None
        return bulk if bulk.status != "RUNNING" else None

    return system.wait_for(look, f"the end of the bulk {bulk_id}", bulk_id)


def test_many_jobs_are_cancelled_and_made_again(system: System) -> None:
    """All that match a label, and no others; each is told of with who asked and why."""
    jobs = [f"many-{number}" for number in range(3)]
    for job_id in jobs:
        system.send({"job_id": job_id, "labels": {"bulk": "yes"}, "stages": [shell(f"sleep {SLEEP_SECONDS}")]})
    system.send({"job_id": "alone", "labels": {"bulk": "no"}, "stages": [shell(f"sleep {SLEEP_SECONDS}")]})
    for job_id in (*jobs, "alone"):
        system.running_task(job_id)
    matching = {"label": "bulk=yes"}
    for _ in range(2):
        ask_for(system, verb="cancel", jobs=matching, bulk_id="stop-them")
    for told in map(system.told, jobs):
        assert (told.status, [(item.verb, item.by) for item in told.steered]) == ("ABORTED", [("cancel", WHO)])
    bulk = bulk_at_its_end(system, "stop-them")
    assert (bulk.status, bulk.matched, bulk.done, bulk.refused) == ("FINISHED", 3, 3, 0)
    system.running_task("alone")
    changes = {"stages.0.command": ["echo", "again"]}
    ask_for(system, verb="rerun", jobs={**matching, "status": "ABORTED"}, bulk_id="again", changes=changes)
    assert bulk_at_its_end(system, "again").done == 3
    reader = tracking_as(system, system.outputs["JobReaderRoleArn"]).tracker
    made = [asyncio.run(reader.job("default", job_id)).rerun_as for job_id in jobs]
    assert all(system.told(str(job_id)).status == "SUCCEEDED" for job_id in made)
    ask_for(system, verb="cancel", job_id="alone")
    assert system.told("alone").status == "ABORTED"
