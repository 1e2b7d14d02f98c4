"""Jobs that go well, and jobs that fail as containers do: what a subscriber is told, and what its links give."""

from __future__ import annotations

import hashlib
import json

import pytest

from deploy.local.subscriber import Subscriber
from tests.support.job_requests import REQUESTS
from tests.support.system import System, log_text, opened, receipts

from .conftest import FILTERS


def test_the_articles_own_request(system: System) -> None:
    """image_1 says hello world for ifgeek, and the log's link says it again."""
    notification = system.told("article")
    assert (notification.status, notification.user, notification.input_file) == (
        "SUCCEEDED",
        "ifgeek",
        "input/uploads/example.jpg",
    )
    assert [attempt.exit_code for stage in notification.stages for attempt in stage.attempts] == [0]
    assert log_text(notification) == "hello world\n"
    assert notification.failure is None
    assert notification.submitted_at and notification.started_at and notification.ended_at
    assert notification.submitted_at <= notification.started_at <= notification.ended_at


def test_a_receipt_is_true(system: System) -> None:
    """Lines, bytes and digest are those of the object behind the link."""
    notification = system.told("article")
    [receipt] = receipts(notification)
    assert receipt.link is not None
    content = opened(receipt.link.url).text.encode()
    assert (receipt.status, receipt.lines, receipt.bytes) == ("complete", 1, len(content))
    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert receipt.s3_uri == f"s3://{system.outputs['LogBucketName']}/" + str(receipt.s3_uri).split("/", 3)[3]
    assert receipt.link.expires_at > str(notification.ended_at)


def test_a_link_shows_text_whatever_a_container_wrote(system: System) -> None:
    """As UTF-8, and never as a page."""
    notification = system.told("unicode")
    [receipt] = receipts(notification)
    assert receipt.link is not None
    page = opened(receipt.link.url)
    assert page.content_type == "text/plain; charset=utf-8"
    assert page.text == "grüße 日本語 <script>alert(1)</script>\n"


def test_a_job_type_of_the_catalogue(system: System) -> None:
    """Two stages on a real picture: what the first wrote, the second read."""
    notification = system.told("thumbs")
    assert (notification.status, notification.job_type, notification.tenant, notification.labels) == (
        "SUCCEEDED",
        "thumbnails",
        "web",
        {"album": "Übersee"},
    )
    assert [stage.name for stage in notification.stages] == ["thumbnails", "contact-sheet"]
    prefix = str(notification.stages[1].output_s3_prefix)
    bucket, key = prefix.removeprefix("s3://").split("/", 1)
    listed = system.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]
    assert {item["Key"].removeprefix(key) for item in listed} == {"contact-sheet.png", "manifest.json"}
    assert "laying out 6 pictures" in log_text(notification)


def test_a_stage_that_fails_explains_itself(system: System) -> None:
    """Which stage, which exit code, its last lines; what came before passed, what comes after did not run."""
    notification = system.told("failing")
    assert notification.status == "FAILED"
    assert [stage.status for stage in notification.stages] == ["PASSED", "FAILED", "NOT_RUN"]
    card = notification.failure
    assert card is not None
    assert (card.stage, card.exit_code, card.failure_class) == (2, 3, "application_exit")
    assert card.log_tail == ("reading", "no such tide")
    assert log_text(notification) == "fine\nreading\nno such tide\n"
    assert "no such tide" in notification.text


def test_a_container_reports_back_by_itself(system: System) -> None:
    """With its task token, after heartbeats."""
    notification = system.told("callback")
    assert notification.status == "SUCCEEDED"
    text = log_text(notification)
    assert "heartbeat sent" in text
    assert 'reported {"job_id": "callback", "user": "ifgeek"}' in text


def test_what_a_container_sees(system: System) -> None:
    """Who it is, what the request gave, letter by letter, and keys of its own; nothing of the worker's."""
    notification = system.told("seen")
    first, second = (_environment(opened(item.link.url).text) for item in receipts(notification) if item.link)
    bucket = system.outputs["LogBucketName"]
    assert first["MODE"] == REQUESTS["seen"]["stages"][0]["environment"]["MODE"]
    assert {name: first[name] for name in first if name.startswith("JOBFERRY_")} == {
        "JOBFERRY_JOB_ID": "seen",
        "JOBFERRY_STAGE": "1",
        "JOBFERRY_ATTEMPT": "1",
        "JOBFERRY_REDRIVE": "0",
        "JOBFERRY_EXECUTION_ARN": notification.execution_arn,
        "JOBFERRY_INPUT_FILE": f"s3://{bucket}/input/a.jpg",
        "JOBFERRY_INPUT": f"s3://{bucket}/input/a.jpg",
        "JOBFERRY_OUTPUT": f"s3://{bucket}/jobs/seen/stages/1/",
        "JOBFERRY_USER": "ifgeek",
    }
    assert second["JOBFERRY_INPUT"] == first["JOBFERRY_OUTPUT"]
    assert second["JOBFERRY_STAGE"] == "2"
    assert "TASK_TOKEN" not in first
    assert "MODE" not in second


def _environment(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("name", ["pointed-new", "pointed-old"])
def test_a_body_may_lie_in_s3(system: System, name: str) -> None:
    """The SQS extended client's pointer, under both names of its class."""
    notification = system.told(name)
    assert notification.status == "SUCCEEDED"
    assert log_text(notification) == "from S3\n"


def test_an_input_too_large_to_travel_goes_by_s3(system: System) -> None:
    """A hundred stages: the execution's input holds where they lie, and the planner reads them there."""
    notification = system.told("long")
    execution = system.execution("long")
    assert execution is not None
    assert len(execution["input"]) < 4096
    place = json.loads(execution["input"])["lambda_result"]["config"]["stages_s3"]
    stages = json.loads(system.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read())
    assert len(stages) == len(notification.stages) == 100
    assert [stage.status for stage in notification.stages] == ["PASSED"] * 8 + ["FAILED"] + ["NOT_RUN"] * 91
    assert notification.failure is not None and notification.failure.stage == 9


def test_a_request_sent_twenty_times_is_one_job(system: System) -> None:
    """One execution, one task, one notification."""
    notification = system.told("repeated")
    assert notification.status == "SUCCEEDED"
    assert log_text(notification) == "once\n"
    assert len(system.tasks("repeated", "STOPPED")) == 1
    assert system.outcomes("repeated") == 1


def test_a_request_without_an_id_has_its_messages(system: System) -> None:
    """So a redelivery is the same job."""
    message_id = system.send({"stages": [{"image": "image_1", "command": ["echo", "anonymous"]}]})
    notification = system.told(message_id)
    assert (notification.status, notification.job_id) == ("SUCCEEDED", message_id)
    assert str(notification.execution_arn).endswith(f":{message_id}")


@pytest.mark.parametrize(("name", "expected"), [
    ("failed", "failing"), ("acme", "failing"), ("thumbnails", "thumbs"), ("exits", "failing"),
])  # fmt: skip
def test_subscribers_get_what_their_filter_lets_through(
    system: System, filtered: dict[str, Subscriber], name: str, expected: str
) -> None:
    """By status, tenant, job type and failure class, and nothing else."""
    system.told(expected)
    system.told("article")
    [(attribute, [value])] = FILTERS[name].items()
    got = {}

    def look() -> bool:
        got.update({json.loads(each.raw)["job_id"]: each.attributes for each in filtered[name].receive()})
        return expected in got

    system.wait_for(look, f"{expected} at the subscriber {name}", expected)
    assert {attributes[attribute] for attributes in got.values()} == {value}
    assert "article" not in got
