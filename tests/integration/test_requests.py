"""The same request again: one execution and no error, whatever has become of the catalogue or of S3 meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from schemas.catalog import Catalog
from schemas.notification import JobNotification
from service.aws.errors import AwsError
from service.aws.queue import REPLAY, Message
from service.aws.replays import FirstSent, replay_item
from service.core.record.facts import ExecutionChanged
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import REQUESTS_HELD_BACK, Metrics
from tests.support.aws.errors import refusal
from tests.support.builders import body, catalog
from tests.support.names import BUCKET, EPOCH, EXECUTION_ARN
from tests.support.whole_path import Path
from workers.requests import HeldBack

REQUEST = body(job_id="job-1")
MOST_RECEIVES = 50
POINTERS = [
    json.dumps([name, {"s3BucketName": "producers", "s3Key": "payload"}])
    for name in ("software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer")
]
POINTER = POINTERS[0]


@pytest.fixture
async def path() -> Path:
    """The worker's parts over an AWS in memory."""
    return await Path.laid()


async def sent(path: Path, text: str, message_id: str = "m1") -> Record:
    """A message, heard and settled."""
    record = await path.hear(Message(message_id, text, "receipt", sent_at=EPOCH))
    return await path.runtime.settling.settle(record)


async def ended(path: Path) -> None:
    """The job is over, and announced."""
    over = {"status": "SUCCEEDED", "observed_via": "event", "started_at": 1.0, "stopped_at": 1.0}
    fact = ExecutionChanged.model_validate({"job_id": "job-1", "arn": f"{EXECUTION_ARN}job-1", **over})
    await path.runtime.settling.settle(await path.runtime.table.merge(fact))


def by(path: Path, known: Catalog) -> Path:
    """The same place, by another catalogue."""
    return replace(path, requests=replace(path.requests, catalog=known))


def without_echo() -> Catalog:
    """The catalogue after its image was dropped."""
    return catalog().model_copy(update={"images": {"reporter": catalog().images["reporter"]}, "job_types": {}})


CHANGES: dict[str, Catalog] = {
    "as it was": catalog(),
    "its image dropped": without_echo(),
    "its command forbidden": catalog(images={"echo": {"task_definition": "echo", "container": "main"}}),
    "another task definition": catalog(
        images={"echo": {"task_definition": "other", "container": "main", "commands": [["echo", "**"]]}}
    ),
}


@pytest.mark.parametrize("over", [False, True], ids=["while it runs", "after it ended"])
@pytest.mark.parametrize("known", CHANGES.values(), ids=CHANGES)
async def test_a_known_request_is_a_repeat_whatever_the_catalogue_says_now(
    path: Path, known: Catalog, over: bool
) -> None:
    """It was admitted once; nobody is told that it was rejected, and it is not started again."""
    first = await sent(path, REQUEST)
    if over:
        await ended(path)
    for number in range(20):
        again = await sent(by(path, known), f" {REQUEST}", f"m{number}")
        assert again.beside(first).request == first.request
    assert [start["name"] for start in path.calls.started] == ["job-1"]
    assert [key for key in path.table.items if key.startswith("rejected:")] == []
    assert len(path.calls.published) == over


@pytest.mark.parametrize("known", CHANGES.values(), ids=CHANGES)
async def test_another_body_is_rejected_and_the_first_job_untouched(path: Path, known: Catalog) -> None:
    """As a conflict, or for what the catalogue has against it."""
    first = await sent(path, REQUEST)
    held = path.table.item("job-1")
    second = await sent(by(path, known), body(job_id="job-1", user="another"), "m2")
    assert second.rejection is not None
    assert second.key == RecordKey.of_rejection("m2")
    assert path.table.item("job-1") is held
    assert (await path.runtime.table.read_whole(RecordKey.of_job("job-1"))).request == first.request
    assert len(path.calls.started) == len(path.calls.published) == 1
    [told] = path.calls.published
    notification = JobNotification.model_validate_json(json.loads(told["Message"])["default"])
    assert notification.job_id is None, "a subscriber that keeps jobs by id must not take job-1 for rejected"
    assert notification.rejection is not None and notification.rejection.claimed_job_id == "job-1"
    assert '"job-1"' in notification.text


async def test_a_rejected_request_that_comes_again_is_told_once(path: Path) -> None:
    """A redelivery of the same message."""
    for _ in range(3):
        assert (await sent(path, body(job_id="job-1", stages=[{"image": "nope"}]))).rejection is not None
    assert len(path.calls.published) == 1
    assert "job-1" not in path.table.items


TOKEN = "0123456789abcdef" * 2
AGAIN: dict[str, dict[str, Any]] = {
    "redelivered": {"receive_count": 2},
    "replayed from the dead-letter queue": {"message_id": "m9", "attributes": {REPLAY: TOKEN}},
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told yet"])
async def test_a_rejected_message_stays_rejected_whatever_the_catalogue_says_now(
    path: Path, again: dict[str, Any], told: bool
) -> None:
    """Its worker died before it was deleted, or before subscribers were told, and the catalogue allows it by now."""
    path.table.write(replay_item(TOKEN, FirstSent("m1", EPOCH), EPOCH))
    first = Message("m1", REQUEST, "receipt", sent_at=EPOCH)
    old = by(path, without_echo())
    rejected = await old.hear(first)
    if told:
        await path.runtime.settling.settle(rejected)
    record = await path.hear(replace(first, **again))
    await path.runtime.settling.settle(record)
    assert record.rejection is not None
    assert path.calls.started == []
    assert len(path.calls.published) == 1
    assert (await sent(path, REQUEST, "m2")).request is not None  # Sent anew, it is a request of its own.


@pytest.mark.parametrize(
    "attributes",
    [
        {"JobferryOriginalMessageId": "m1"},
        {"JobferryOriginalMessageId": "x\n"},
        {REPLAY: "m1"},
        {REPLAY: "f" * 32},
        {REPLAY: f"{TOKEN}\n"},
        {REPLAY: f"replay:{TOKEN}"},
    ],
    ids=["the old attribute", "the old one, odd", "no token", "unknown", "a line too long", "a key"],
)
async def test_nothing_that_a_producer_sets_makes_a_message_another(path: Path, attributes: dict[str, str]) -> None:
    """Another's body, kept when it was rejected, stays; and this one's rejection is told."""
    path.table.write(replay_item(TOKEN, FirstSent("m1", EPOCH), EPOCH))
    await sent(path, "the victim's")
    evil = Message("m2", "the intruder's", "receipt", sent_at=EPOCH, attributes=attributes)
    record = await path.runtime.settling.settle(await path.hear(evil))
    assert record.key == RecordKey.of_rejection("m2")
    assert path.bucket.objects[BUCKET, "rejected/m1.json"] == b"the victim's"
    assert path.bucket.objects[BUCKET, "rejected/m2.json"] == b"the intruder's"
    assert len(path.calls.published) == 2
    anonymous = replace(evil, message_id="m3", body=body())
    assert (await path.hear(anonymous)).key == RecordKey.of_job("m3")


@pytest.mark.parametrize(
    "code", ["InvalidName", "InvalidExecutionInput", "ValidationException", "ParamValidationError"]
)
async def test_a_job_whose_start_is_refused_for_good_ends_and_is_told(
    path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper is done with it, and the card says that nothing was run."""

    async def refuse(**_: Any) -> None:
        raise refusal(code, "it will never do")

    monkeypatch.setattr(path.calls, "start_execution", refuse)
    record = await sent(path, body(job_id="job-1", progress=True))
    assert record.announced is not None
    [told] = path.calls.published
    notification = JobNotification.model_validate_json(json.loads(told["Message"])["default"])
    assert (notification.status, notification.execution_arn) == ("FAILED", None)
    assert notification.failure is not None
    assert notification.failure.failure_class == "start_refused"
    assert "it will never do" in notification.failure.evidence
    assert {stage.status for stage in notification.stages} == {"NOT_RUN"}
    assert "open_shard" not in path.table.item("job-1")


async def test_a_start_that_may_yet_succeed_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes back to its queue; a missing state machine is ours to mend."""

    async def refuse(**_: Any) -> None:
        raise refusal("StateMachineDoesNotExist", "gone")

    monkeypatch.setattr(path.calls, "start_execution", refuse)
    with pytest.raises(AwsError):
        await sent(path, REQUEST)
    assert path.calls.published == []


PREFIXES = ("jobs/other/stages/1/out", "jobs/other/logs/1-1/main-t1.log", "rejected/m7.json", "catalog/c.yaml", "x")


@pytest.mark.parametrize("key", [*PREFIXES, "input/../jobs/other/stages/1/out", "input/./x"])
@pytest.mark.parametrize("secret", [body(job_id="theirs").encode(), b"the secret"], ids=["a request", "no request"])
async def test_a_pointer_into_our_own_bucket_is_not_followed(path: Path, key: str, secret: bytes) -> None:
    """The worker may read there what the sender may not."""
    path.bucket.objects[BUCKET, key] = secret
    pointer = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": BUCKET, "s3Key": key}])
    rejection = (await sent(path, pointer)).rejection
    assert rejection is not None
    assert "Jobferry's own part" in rejection.problems[0].message
    assert path.bucket.objects[BUCKET, "rejected/m1.json"] == pointer.encode()
    assert path.calls.started == []


async def test_a_request_below_input_is_read(path: Path) -> None:
    """That part of the bucket is the producers'."""
    path.bucket.objects[BUCKET, "input/r.json"] = REQUEST.encode()
    pointer = json.dumps(
        ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": BUCKET, "s3Key": "input/r.json"}]
    )
    assert (await sent(path, pointer)).request is not None


@pytest.mark.parametrize("refused", ["no request", "a conflict"])
async def test_what_a_pointer_leads_to_is_never_published(path: Path, refused: str) -> None:
    """A copy of it and a link would show its sender what only the worker may read."""
    payload = body(job_id="job-1", user="the-secret") if refused == "a conflict" else '{"user": "the-secret"}'
    path.bucket.objects["producers", "payload"] = payload.encode()
    await sent(path, REQUEST, "m0")
    assert (await sent(path, POINTER)).rejection is not None
    assert path.bucket.objects[BUCKET, "rejected/m1.json"] == POINTER.encode()
    assert "the-secret" not in path.calls.published[-1]["Message"]


@pytest.mark.parametrize("bucket", ["a..b", "192.168.0.1", "foo--x-s3", "foo--use1-az4--x-s3", "foo.mrap"])
async def test_a_name_that_no_bucket_can_have_is_rejected(path: Path, bucket: str) -> None:
    """Before the SDK is asked, which would look for a host of that name until the message is set aside."""
    pointer = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": bucket, "s3Key": "k"}])
    rejection = (await sent(path, pointer)).rejection
    assert rejection is not None
    assert "no bucket of S3 can have this name" in rejection.problems[0].message


@pytest.mark.parametrize("code", ["ParamValidationError", "EndpointResolutionError", "InvalidBucketName"])
async def test_a_bucket_that_the_SDK_cannot_ask_for_is_rejected(
    path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever S3's rules for names become."""

    async def refuse(*_: Any) -> bytes:
        raise AwsError("no", code, 400 if code == "InvalidBucketName" else None)

    monkeypatch.setattr(type(path.requests.objects), "get", refuse)
    assert (await sent(path, POINTER)).rejection is not None


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (None, "there is no such object"),
        (b" " * 1_048_577, "larger than 1,048,576 bytes"),
        (b"\xff", "it is not UTF-8"),
        (b"{", "not JSON"),
        (POINTER.encode(), "an array, not a JSON object"),
    ],
    ids=["missing", "huge", "no text", "no JSON", "a pointer again"],
)
async def test_a_pointer_to_what_cannot_be_used_is_rejected(
    path: Path, pointer: str, payload: bytes | None, why: str
) -> None:
    """By both names of the pointer's class, with the reason; what was sent is kept."""
    if payload is not None:
        path.bucket.objects["producers", "payload"] = payload
    rejection = (await sent(path, pointer)).rejection
    assert rejection is not None
    assert why in rejection.problems[0].message
    assert rejection.problems[0].remedy
    assert path.bucket.objects[BUCKET, "rejected/m1.json"] == pointer.encode()


async def test_a_repeat_whose_payload_is_gone_is_still_a_repeat(path: Path) -> None:
    """An extended client's pointer comes again after its object was removed."""
    path.bucket.objects["producers", "payload"] = body().encode()
    first = await sent(path, POINTER, "m1")
    del path.bucket.objects["producers", "payload"]
    again = await sent(path, POINTER, "m1")
    assert again.beside(first) == first
    assert (await sent(path, POINTER, "m2")).rejection is not None


async def test_the_stages_that_an_execution_reads_are_never_overwritten(path: Path) -> None:
    """A repeat resolves them anew, by a catalogue that may have changed."""
    large = body(job_id="job-1", stages=[{"image": "echo", "command": ["echo", "x" * 6_000]}] * 20)
    await sent(path, large)
    [start] = path.calls.started
    where = json.loads(start["input"])["lambda_result"]["config"]["stages_s3"]
    lying = path.bucket.objects[BUCKET, where["key"]]
    await sent(by(path, CHANGES["another task definition"]), large, "m2")
    assert path.bucket.objects[BUCKET, where["key"]] is lying
    assert len(path.calls.started) == 1


async def test_a_request_costs_no_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One write for itself, one for its head, one for its start; only one that would be rejected is looked up."""
    calls: Counter[str] = Counter()
    client: Any = path.runtime.table.client
    for name in ("get_item", "query", "put_item", "update_item"):
        monkeypatch.setattr(client, name, counted(calls, name, getattr(client, name)))
    await sent(path, REQUEST)
    assert calls == {"put_item": 1, "update_item": 2}
    await sent(path, "{}", "m2")
    assert (calls["get_item"], calls["query"]) == (0, 1)


def counted(calls: Counter[str], name: str, call: Any) -> Any:
    """The call, counted."""

    async def count(**given: Any) -> Any:
        calls[name] += 1
        return await call(**given)

    return count


async def test_a_request_whose_image_has_no_room_is_left_in_the_queue(path: Path) -> None:
    """Nothing remembers it, so nobody starts it; other images' requests go their way, and rejections theirs."""
    asked: list[tuple[str, str]] = []

    def no_echo(job_id: str, image: str) -> bool:
        asked.append((job_id, image))
        return image != "echo"

    metrics = Metrics()
    held = replace(path.requests, may_start=no_echo, metrics=metrics)
    verdict = await held.hear(Message("m1", REQUEST, "receipt", sent_at=EPOCH))
    assert isinstance(verdict, HeldBack)
    assert 7 <= verdict.seconds <= 15
    assert path.table.items == {}
    stages = [{"image": "reporter"}, {"image": "echo", "command": ["echo", "hi"]}]
    assert isinstance(await held.hear(Message("m2", body(job_id="job-2", stages=stages), "receipt")), Record)
    assert isinstance(await held.hear(Message("m3", "not JSON", "receipt")), Record)
    assert asked == [("job-1", "echo"), ("job-2", "reporter")]
    assert metrics.drain(0)[REQUESTS_HELD_BACK] == 1


@pytest.mark.parametrize(("receives", "is_held"), [(1, True), (25, True), (26, False), (50, False)])
async def test_waiting_in_the_queue_uses_up_half_of_a_messages_receives_at_most(
    path: Path, receives: int, is_held: bool
) -> None:
    """No message is set aside in a dead-letter queue because there was no capacity: then it waits in its execution."""
    held = replace(path.requests, may_start=lambda job_id, image: False, most_receives=MOST_RECEIVES)
    verdict = await held.hear(Message("m1", REQUEST, "receipt", sent_at=EPOCH, receive_count=receives))
    assert isinstance(verdict, HeldBack) == is_held
