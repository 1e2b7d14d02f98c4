"""SNS by moto: one notification, as a queue that subscribed gets it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.aws.topic import Topic, let_traces_through, structured
from tests.support.builders import TRACE_HEADER
from tests.support.connecting import Client, Connect, answering

ATTRIBUTES = {"status": "FAILED", "tenant": "web", "job_type": "", "failure_class": "exit_code"}


async def published(topic: Topic, trace_header: str | None = None) -> None:
    """One notification."""
    await topic.publish(
        notification_id="job:0:FAILED",
        group="job",
        subject="job FAILED",
        body='{"status": "FAILED", "why": "größe"}',
        text="It failed.",
        attributes=ATTRIBUTES,
        trace_header=trace_header,
    )


@pytest.fixture
async def topic(connect: Connect, name: str) -> Topic:
    """A topic."""
    client = await connect("sns")
    return Topic(client, (await client.create_topic(Name=name))["TopicArn"])


@pytest.fixture
async def mailbox(connect: Connect, topic: Topic, name: str) -> Client:
    """What a queue that is subscribed to the topic got, as an async function."""
    sqs = await connect("sqs")
    url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    await topic.client.subscribe(TopicArn=topic.arn, Protocol="sqs", Endpoint=answer["Attributes"]["QueueArn"])

    async def got() -> list[Any]:
        messages = (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return got


async def test_a_queue_gets_the_json_the_subject_and_the_attributes(topic: Topic, mailbox: Client) -> None:
    """Empty attributes are left out: SNS refuses them."""
    await published(topic)
    [envelope] = await mailbox()
    assert json.loads(envelope["Message"]) == {"status": "FAILED", "why": "größe"}
    assert envelope["Subject"] == "job FAILED"
    told = {name: item["Value"] for name, item in envelope["MessageAttributes"].items()}
    assert told == {"status": "FAILED", "tenant": "web", "failure_class": "exit_code"}


async def test_the_trace_goes_on_as_the_http_header_of_its_call(topic: Topic) -> None:
    """Publish has no parameter for it; the next call, without a trace, has no header."""
    sent: list[str | None] = []

    def note(request: Any, **_: object) -> None:
        header = request.headers.get("X-Amzn-Trace-Id")
        sent.append(header.decode() if isinstance(header, bytes) else header)

    let_traces_through(topic.client)
    topic.client.meta.events.register("before-send.sns.Publish", note)
    await published(topic, TRACE_HEADER)
    await published(topic)
    assert sent == [TRACE_HEADER, None]


def test_mailboxes_get_text_and_everyone_else_json() -> None:
    """SNS chooses by protocol; `default` is what it demands."""
    assert json.loads(structured('{"a": 1}', "Hello")) == {"default": '{"a": 1}', "email": "Hello"}


async def test_what_no_message_may_hold_is_replaced(topic: Topic, mailbox: Client) -> None:
    """SNS refuses or drops what XML cannot hold, and a container's last lines may hold anything."""
    body = json.dumps({"tail": "a\ufffeb\uffffc\ud83dd \U0001f984"}, ensure_ascii=False)
    await topic.publish(
        notification_id="i", group="g", subject="s", body=body, text="a\uffffb", attributes={"status": "FAILED"}
    )
    [envelope] = await mailbox()
    assert json.loads(envelope["Message"]) == {"tail": "a\ufffdb\ufffdc\ufffdd \U0001f984"}


async def test_a_standard_topic_is_told_of_no_group(topic: Topic) -> None:
    """It refuses the FIFO parameters."""
    with answering(topic.client, "Publish", {"MessageId": "m"}) as asked:
        await published(topic)
    assert not {"MessageGroupId", "MessageDeduplicationId"} & asked[0].keys()


async def test_a_fifo_topic_deduplicates_by_id_and_orders_by_job(topic: Topic) -> None:
    """So the second copy of an announcement does not even arrive."""
    with answering(topic.client, "Publish", {"MessageId": "m", "SequenceNumber": "1"}) as asked:
        await published(Topic(topic.client, f"{topic.arn}.fifo"))
    assert (asked[0]["MessageDeduplicationId"], asked[0]["MessageGroupId"]) == ("job:0:FAILED", "job")
