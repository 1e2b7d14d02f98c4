"""The way in: what of a request its record holds, what travels by S3, and what a rejection remembers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from schemas.plan import ExecutionInput
from service.aws.errors import AwsError
from service.aws.objects import ObjectTooLargeError
from service.aws.queue import Message
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.metrics import (
    REQUESTS_ADMITTED,
    REQUESTS_HELD_BACK,
    REQUESTS_REJECTED,
    TRACES_DROPPED,
    Metrics,
)
from tests.support.builders import MESSAGE, NOW, TRACE_HEADER, TRACEPARENT, body, catalog
from workers.requests import LARGEST_TRAVELLING_BYTES, HeldBack, Requests

BUCKET = "logs"
HEARD_AT = NOW + 30


@dataclass
class Objects:
    """S3: what was put, and what is there to get."""

    put_there: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    there: str | Exception | bytes = ""

    async def put(self, bucket: str, key: str, content: bytes, content_type: str) -> None:
        assert bucket == BUCKET
        self.put_there[key] = (content, content_type)

    async def get(self, bucket: str, key: str, at_most: int) -> bytes:
        assert (bucket, key, at_most) == ("producers", "payload", 1_048_576)
        if isinstance(self.there, Exception):
            raise self.there
        return self.there.encode() if isinstance(self.there, str) else self.there


@dataclass
class Jobs:
    """Records in memory."""

    records: dict[RecordKey, Record] = field(default_factory=dict)

    async def read(self, key: RecordKey) -> Record:
        return self.records.get(key, Record(key))

    async def read_whole(self, key: RecordKey) -> Record:
        return await self.read(key)

    async def merge(self, fact: Fact) -> Record:
        self.records[fact.record_key] = merge(await self.read(fact.record_key), fact)
        return self.records[fact.record_key]


@dataclass
class Place:
    """A queue's reader with all that it reads and writes."""

    objects: Objects = field(default_factory=Objects)
    jobs: Jobs = field(default_factory=Jobs)
    metrics: Metrics = field(default_factory=Metrics)
    room: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    def may_start(self, job_id: str, image: str) -> bool:
        self.asked.append((job_id, image))
        return self.room

    async def hear(self, text: str, **fields: Any) -> Record | HeldBack:
        """What a message becomes."""
        message = Message(**{"message_id": MESSAGE, "body": text, "receipt_handle": "r", "sent_at": NOW, **fields})
        known = catalog(images={"late": {"task_definition": "l", "container": "c", "integration": "callback"}})
        parts: dict[str, Any] = {"objects": self.objects, "jobs": self.jobs, "replays": None}
        return await Requests(
            catalog=known,
            bucket=BUCKET,
            now=lambda: HEARD_AT,
            metrics=self.metrics,
            may_start=self.may_start,
            most_receives=10,
            **parts,
        ).hear(message)

    async def record(self, text: str, **fields: Any) -> Record:
        """The record that a message becomes."""
        record = await self.hear(text, **fields)
        assert isinstance(record, Record)
        return record

    def counted(self) -> list[float]:
        """Admitted, rejected, held back, traces dropped."""
        told = self.metrics.drain(0)
        named = (REQUESTS_ADMITTED, REQUESTS_REJECTED, REQUESTS_HELD_BACK, TRACES_DROPPED)
        return [cast(float, told[metric]) for metric in named]


FIELDS = {
    "job_id": "thumbs-42",
    "job_type": "experiment",
    "tenant": "web",
    "user": "ifgeek",
    "input_file": "in/a.jpg",
    "labels": {"album": "summer"},
    "progress": True,
    "timeout_seconds": 77,
}


async def test_a_record_holds_all_that_a_request_says_of_itself() -> None:
    """For the letters, the filters and the sums that come later; who asks when, and with which trace."""
    place = Place()
    stages = [{"image": "echo", "name": "first", "timeout_seconds": 5}, {"image": "late"}]
    attributes = {"traceparent": TRACEPARENT}
    record = await place.record(body(stages=stages, **FIELDS), attributes=attributes, trace_header=TRACE_HEADER)
    request = record.request
    assert request is not None
    told = request.model_dump(include=FIELDS.keys() - {"timeout_seconds"})
    assert told == {name: value for name, value in FIELDS.items() if name != "timeout_seconds"}
    assert (request.message_id, request.submitted_at, request.bucket) == (MESSAGE, NOW, BUCKET)
    assert request.trace is not None
    assert (request.trace.traceparent, request.trace.aws_trace_header) == (TRACEPARENT, TRACE_HEADER)
    first, second = request.stages
    assert (first.name, first.image, first.container, first.integration) == ("first", "echo", "main", "sync")
    assert (first.timeout_seconds, first.heartbeat_seconds) == (5, None)
    assert (second.name, second.integration, second.heartbeat_seconds) == ("late", "callback", 60)
    assert place.counted() == [1, 0, 0, 0]


async def test_an_execution_is_told_all_that_its_planner_needs() -> None:
    """And nothing that only a later state says."""
    request = (await Place().record(body(stages=[{"image": "echo"}, {"image": "late"}], **FIELDS))).request
    assert request is not None
    assert json.loads(request.execution_input).keys() == {"job_id", "input_file", "user", "trace", "lambda_result"}
    given = ExecutionInput.model_validate_json(request.execution_input)
    assert (given.job_id, given.input_file, given.user, given.trace) == ("thumbs-42", "in/a.jpg", "ifgeek", None)
    plan = given.lambda_result
    assert (plan.total_stages_count, plan.processed_stages_count, plan.next_stage) == (2, 0, None)
    assert (plan.config.bucket, plan.config.timeout_seconds, plan.config.stages_s3) == (BUCKET, 77, None)
    assert [stage.image for stage in plan.config.stages] == ["echo", "late"]


def stages(size: int) -> list[dict[str, Any]]:
    """Stages that are as large as that, and one that shows it."""
    return [{"image": "echo", "command": ["echo", "x" * 4000]}] * (size // 4000)


async def test_stages_that_are_too_large_to_travel_lie_in_S3_under_their_own_digest() -> None:
    """So that nothing is ever overwritten; a few that fit are not put there."""
    place = Place()
    small = await place.record(body(job_id="small", stages=stages(LARGEST_TRAVELLING_BYTES // 2)))
    assert place.objects.put_there == {}
    large = await place.record(body(job_id="large", stages=stages(2 * LARGEST_TRAVELLING_BYTES)))
    assert small.request is not None and large.request is not None
    (asked_key, (asked, _)), (key, (content, content_type)) = place.objects.put_there.items()
    assert (large.request.asked, large.request.asked_s3_key) == ("", asked_key)
    assert asked_key == f"jobs/large/input/request-{large.request.digest}.json"
    assert len(json.loads(asked)["stages"]) == len(large.request.stages)
    assert key == f"jobs/large/input/{hashlib.sha256(content).hexdigest()}.json"
    assert content_type == "application/json"
    assert len(json.loads(content)) == len(large.request.stages)
    config = ExecutionInput.model_validate_json(large.request.execution_input).lambda_result.config
    assert (config.stages, config.stages_s3) == ((), config.stages_s3)
    assert config.stages_s3 is not None
    assert (config.stages_s3.bucket, config.stages_s3.key) == (BUCKET, key)


async def test_a_rejection_remembers_the_body_and_who_claimed_what() -> None:
    """The body first, as text, whatever it holds."""
    place = Place()
    text = body(job_id="a", tenant="web", job_type="t", stages=[{"image": "nope"}])
    record = await place.record(text, attributes={"traceparent": "nonsense"})
    rejected = record.rejection
    assert rejected is not None
    assert record.key == RecordKey.of_rejection(MESSAGE)
    key = f"rejected/{MESSAGE}.json"
    assert place.objects.put_there == {
        key: (text.encode(errors="surrogatepass"), "text/plain; charset=utf-8"),
    }
    assert (rejected.message_id, rejected.submitted_at) == (MESSAGE, NOW)
    assert rejected.body_s3_uri == f"s3://{BUCKET}/{key}"
    assert (rejected.claimed_job_id, rejected.claimed_tenant, rejected.claimed_job_type) == ("a", "web", "t")
    assert (rejected.job_id_is_taken, rejected.trace) == (False, None)
    assert [problem.field for problem in rejected.problems] == ["stages.0.image"]
    assert place.counted() == [0, 1, 0, 1], "what is no trace is dropped, and counted"


async def test_a_body_that_no_UTF_8_can_carry_is_kept_all_the_same() -> None:
    """As it came."""
    place = Place()
    await place.record("\ud800")
    [(kept, _)] = place.objects.put_there.values()
    assert kept == "\ud800".encode(errors="surrogatepass")


async def test_a_second_request_of_one_id_is_rejected_with_what_it_claimed() -> None:
    """The first stays as it is; the same request once more is neither admitted nor rejected again."""
    place = Place()
    first = await place.record(body(job_id="a"))
    again = await place.record(f" {body(job_id='a')}", message_id="m2")
    assert again.request == first.request
    other = (await place.record(body(job_id="a", tenant="web", user="x"), message_id="m3")).rejection
    assert other is not None
    assert (other.claimed_job_id, other.claimed_tenant, other.job_id_is_taken) == ("a", "web", True)
    assert [problem.field for problem in other.problems] == ["job_id"]
    refused = (await place.record(body(job_id="a", stages=[{"image": "nope"}]), message_id="m4")).rejection
    assert refused is not None
    assert refused.job_id_is_taken is True


@pytest.mark.parametrize("text", [body(), "{"], ids=["a job", "a rejection"])
async def test_a_message_without_a_time_was_sent_when_it_was_heard(text: str) -> None:
    """SQS tells the time of each; another sender may not."""
    record = await Place().record(text, sent_at=0.0)
    told = record.request or record.rejection
    assert told is not None
    assert told.submitted_at == HEARD_AT


async def test_a_job_that_no_image_has_room_for_is_left_in_the_queue() -> None:
    """Nobody remembers it; after half of its receives it is taken on all the same."""
    place = Place(room=False)
    held = await place.hear(body(job_id="a"), receive_count=5)
    assert isinstance(held, HeldBack)
    assert held.seconds > 0
    assert place.asked == [("a", "echo")]
    assert place.jobs.records == {}
    assert place.counted() == [0, 0, 1, 0]
    assert (await place.record(body(job_id="a"), receive_count=6)).request is not None


POINTER = json.dumps(
    ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "producers", "s3Key": "payload"}]
)


async def test_a_pointer_leads_to_the_request() -> None:
    """Which is judged as if it had travelled."""
    record = await Place(Objects(there=body(job_id="pointed"))).record(POINTER)
    assert record.job_id == "pointed"


NO_WAY: dict[str, tuple[Exception | bytes, str]] = {
    "too large": (ObjectTooLargeError("2,000,000 bytes"), "it is larger than 1,048,576 bytes: 2,000,000 bytes"),
    "no text": (b"\xff", "it is not UTF-8"),
    "no object": (AwsError("x", "NoSuchKey", 404), "there is no such object"),
    "no bucket": (AwsError("x", "NoSuchBucket", 404), "there is no such bucket"),
    "not ours to read": (AwsError("x", "AccessDenied", 403), "Jobferry may not read it"),
    "something else": (AwsError("x", "InvalidObjectState", 403), "S3 answers InvalidObjectState"),
    "no name": (AwsError("x", "ParamValidationError"), "S3 cannot be asked for a bucket of this name"),
}


@pytest.mark.parametrize(("there", "why"), NO_WAY.values(), ids=NO_WAY)
async def test_a_pointer_that_leads_nowhere_is_rejected_with_the_reason(there: Exception | bytes, why: str) -> None:
    """The producer's to mend."""
    rejected = (await Place(Objects(there=there)).record(POINTER)).rejection
    assert rejected is not None
    [problem] = rejected.problems
    assert why in problem.message
    assert "keep the object readable" in problem.remedy


PASSES = {
    "an answer that says nothing": AwsError("x", "Odd"),
    "an outage": AwsError("x", "InternalError", 500),
    "a throttle": AwsError("x", "TooManyRequests", 429),
    **{
        code: AwsError("x", code, 400)
        for code in ("ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "RequestTimeTooSkewed", "RequestTimeout")
    },
}


@pytest.mark.parametrize("trouble", PASSES.values(), ids=PASSES)
async def test_what_may_pass_is_tried_again(trouble: AwsError) -> None:
    """Ours to mend, or gone by the next try: nobody is told of a rejection."""
    place = Place(Objects(there=trouble))
    with pytest.raises(AwsError):
        await place.hear(POINTER)
    assert place.jobs.records == {}
