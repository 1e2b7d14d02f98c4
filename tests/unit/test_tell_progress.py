"""Telling of progress, against a topic that takes it, and against one that does not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from schemas.trace import Trace
from service.aws.topic import Topic
from service.core.policy.actions import TellProgress
from service.core.policy.owed import Patience
from service.core.record.facts import Fact, ProgressTold
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.metrics import UNMETERED
from service.perform import Performer
from service.settle import Settling
from tests.support.builders import JOB, NOW, attempt, container, execution, record, requested, running, task
from tests.unit.test_settle import InMemory

TOPIC = "arn:aws:sns:eu-central-1:123456789012:jobferry"
ASKED = requested(stages=2, progress=True, job_type="thumbnails")
FAILED = task(containers=(container(exit_code=1),))
RETRIED = (ASKED, execution("RUNNING"), FAILED, running("t1-2", attempt=2))
ENDED = (
    ASKED,
    execution("FAILED", attempts=(attempt(passed=False), attempt(1, 2, passed=False))),
    task(containers=()),
    task("t1-2", attempt=2, containers=()),
)
TROUBLE = [
    EndpointConnectionError(endpoint_url="https://sns"),
    ClientError({"Error": {"Code": "InvalidParameter", "Message": "Invalid parameter: Subject"}}, "Publish"),
    ValueError("an answer that was cut off"),
]


@dataclass
class Sns:
    """What reached SNS; it refuses the statuses that it is told to refuse, and never answers to one."""

    refuses: dict[str, Exception] = field(default_factory=dict)
    hangs_on: str = ""
    tried: list[str] = field(default_factory=list)
    took: list[dict[str, Any]] = field(default_factory=list)

    async def publish(self, **message: Any) -> None:
        status = message["MessageAttributes"]["status"]["StringValue"]
        self.tried.append(status)
        if status == self.hangs_on:
            await asyncio.get_running_loop().create_future()
        if status in self.refuses:
            raise self.refuses[status]
        self.took.append(message)


def performer(sns: Sns, arn: str = TOPIC) -> Performer:
    """A performer that has a topic, and of the rest of AWS nothing."""
    nothing = cast("Any", None)
    topic = Topic(cast("Any", sns), arn)
    return Performer(
        nothing, nothing, nothing, nothing, topic, 3600, {}, Redaction.of(), 60, lambda: NOW + 60, UNMETERED
    )


async def tell(sns: Sns, job: Record, *steps: str, arn: str = TOPIC) -> tuple[Fact, ...]:
    """Tell of these steps."""
    return await performer(sns, arn).perform(TellProgress(JOB, steps), job, "me")


def _told(*steps: str) -> tuple[Fact, ...]:
    return tuple(ProgressTold(job_id=JOB, step=step, at=NOW + 60) for step in steps)


async def test_a_step_is_published_and_noted() -> None:
    """JSON for queues, text for mailboxes, and the attributes that outcomes have too."""
    sns = Sns()
    facts = await tell(sns, record(*RETRIED), "0:STARTED", "RETRYING:1:1")
    assert facts == _told("0:STARTED", "RETRYING:1:1")
    started, retry = sns.took
    body = json.loads(json.loads(retry["Message"])["default"])
    assert (body["id"], body["failure"]["failure_class"]) == (f"{JOB}:RETRYING:1:1", "application_exit")
    assert json.loads(retry["Message"])["email"] == body["text"]
    attributes = {name: value["StringValue"] for name, value in retry["MessageAttributes"].items()}
    assert attributes == {
        "status": "RETRYING",
        "job_type": "thumbnails",
        "tenant": "web",
        "failure_class": "application_exit",
    }
    assert "failure_class" not in started["MessageAttributes"]
    assert "MessageGroupId" not in retry
    assert retry["Subject"] == f"{JOB}: stage 1 of 2 is tried again (application_exit)"


async def test_a_step_goes_on_with_the_requests_trace() -> None:
    """As the outcome does: in the message, as an attribute, and for X-Ray."""
    sns = Sns()
    parent, header = f"00-{'a' * 32}-{'b' * 16}-01", "Root=1-5759e988-bd862e3fe1be46a994272793"
    trace = Trace(traceparent=parent, aws_trace_header=header)
    job = record(ASKED.model_copy(update={"trace": trace}), execution("RUNNING"))
    await tell(sns, job, "0:STARTED")
    [message] = sns.took
    assert json.loads(json.loads(message["Message"])["default"])["trace"] == trace.model_dump()
    assert message["MessageAttributes"]["traceparent"]["StringValue"] == parent
    assert message["X-Amzn-Trace-Id"] == header


async def test_a_fifo_topic_deduplicates_by_id_and_keeps_a_jobs_messages_in_order() -> None:
    """In the group of the outcome, so the outcome comes last."""
    sns = Sns()
    await tell(sns, record(*RETRIED), "0:STARTED", arn=f"{TOPIC}.fifo")
    [message] = sns.took
    assert (message["MessageDeduplicationId"], message["MessageGroupId"]) == (f"{JOB}:0:STARTED", JOB)


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda error: type(error).__name__)
async def test_what_cannot_be_told_is_left_for_the_next_pass(trouble: Exception) -> None:
    """Nothing overtakes it, and what was told before it is noted."""
    sns = Sns(refuses={"RETRYING": trouble})
    job = record(*RETRIED[:2], FAILED, task("t1-2", attempt=2))
    steps = ("0:STARTED", "RETRYING:1:1", "STAGE_FINISHED:1:2")
    assert await tell(sns, job, *steps) == _told("0:STARTED")
    assert sns.tried == ["STARTED", "RETRYING"]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda error: type(error).__name__)
async def test_the_outcome_does_not_wait_for_progress_that_cannot_be_told(trouble: Exception) -> None:
    """It is tried once, then the outcome is announced in the same pass; after that nobody tells of it any more."""
    sns, jobs = Sns(refuses={"STARTED": trouble}), InMemory()
    settling = Settling(jobs, performer(sns), Patience(), lambda: NOW + 60)
    job = await settling.settle(await jobs.all_of(*ENDED))
    assert job.announced is not None
    assert sns.tried == ["STARTED", "FAILED"]
    sns.refuses.clear()
    await settling.settle(job)
    assert sns.tried == ["STARTED", "FAILED"]


async def test_the_outcome_does_not_wait_for_a_topic_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The retries of a call can take minutes."""
    monkeypatch.setattr("service.perform._PROGRESS_SECONDS", 0.01)
    sns, jobs = Sns(hangs_on="RETRYING"), InMemory()
    job = await Settling(jobs, performer(sns), Patience(), lambda: NOW + 60).settle(await jobs.all_of(*ENDED))
    assert sns.tried == ["STARTED", "RETRYING", "RETRYING", "FAILED"]
    assert job.announced is not None and job.was_told("0:STARTED") and not job.was_told("RETRYING:1:1")


async def test_progress_comes_before_the_outcome() -> None:
    """Also where all of it became known at once, and each once."""
    sns, jobs = Sns(), InMemory()
    settling = Settling(jobs, performer(sns), Patience(), lambda: NOW + 60)
    for _ in range(2):
        await settling.settle(await jobs.all_of(*ENDED))
    assert sns.tried == ["STARTED", "RETRYING", "FAILED"]


async def test_a_job_that_did_not_ask_costs_nothing() -> None:
    """Neither a message nor a register."""
    sns, jobs = Sns(), InMemory()
    settling = Settling(jobs, performer(sns), Patience(), lambda: NOW + 60)
    job = await settling.settle(await jobs.all_of(requested(stages=2), *ENDED[1:]))
    assert sns.tried == ["FAILED"]
    assert not [name for name in job.registers if name.startswith("progress")]
