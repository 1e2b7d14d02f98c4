"""Requests that are not admitted: kept, announced with every reason, and no other job is touched."""

from __future__ import annotations

import json

from tests.support.job_requests import body
from tests.support.system import System, opened

from .conftest import PAYLOADS


def test_a_malformed_request_is_kept_and_every_reason_told(system: System) -> None:
    """Field by field, each with a remedy; the body is behind the link, byte for byte."""
    request = {"job_id": "wrong", "stages": [{"image": "image_9", "command": "echo"}], "urgent": True, "user": "ü"}
    sent = json.dumps(request, ensure_ascii=False)
    received = system.received(system.send(sent))
    notification = received.notification
    assert (notification.status, notification.job_id, received.attributes["status"]) == (
        "REJECTED",
        "wrong",
        "REJECTED",
    )
    assert notification.rejection is not None and notification.rejection.body_link is not None
    assert {problem.field for problem in notification.rejection.problems} == {
        "stages.0.image",
        "stages.0.command",
        "urgent",
    }
    assert all(problem.remedy for problem in notification.rejection.problems)
    page = opened(notification.rejection.body_link.url)
    assert page.text == sent
    assert page.content_type.startswith("text/plain")
    assert system.execution("wrong") is None


def test_what_is_no_json_is_rejected_too(system: System) -> None:
    """Whatever it is; it must not come again and again."""
    ids = [system.send(text) for text in ("hello", "[1, 2]", "null", "{" * 5000, '{"a": 1, "a": 2}', "[" * 20)]
    for message_id in ids:
        assert system.told(message_id).status == "REJECTED"


def test_the_same_id_with_another_body_is_refused(system: System) -> None:
    """The first job is not touched, and the second producer is told."""
    first = system.told("article")
    notification = system.told(system.send({**json.loads(body("article")), "user": "somebody else"}))
    assert (notification.status, notification.job_id) == ("REJECTED", None)
    assert notification.rejection is not None and notification.rejection.claimed_job_id == "article"
    assert [problem.field for problem in notification.rejection.problems] == ["job_id"]
    assert system.outcomes("article") == 1
    assert system.told("article") == first


def test_a_pointer_to_nothing_is_rejected(system: System) -> None:
    """With where it points to, so that the producer finds its mistake."""
    pointer = {"s3BucketName": PAYLOADS, "s3Key": "missing"}
    notification = system.told(system.send(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]))
    assert notification.rejection is not None
    [problem] = notification.rejection.problems
    assert f"s3://{PAYLOADS}/missing" in problem.message
    assert "there is no such object" in problem.message


def test_a_large_message_is_read(system: System) -> None:
    """An SQS message may be of a mebibyte; what is wrong with this one is only its size in stages."""
    request = {"stages": [{"image": "image_1", "command": ["echo", "x" * 900_000]}]}
    notification = system.told(system.send(request))
    assert notification.rejection is not None
    assert "8,192" in notification.rejection.problems[0].message
