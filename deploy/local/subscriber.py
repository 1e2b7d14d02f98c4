"""A subscriber as anyone would write one: an SQS queue subscribed to the topic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from schemas.notification import JobNotification
from schemas.progress import JobProgress

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Received:
    """A message as SNS delivered it: the envelope's subject and attributes, and the message itself."""

    subject: str
    attributes: dict[str, str]
    raw: str

    @cached_property
    def notification(self) -> JobNotification:
        """The outcome that this tells of. Raises ValidationError where it is none."""
        return JobNotification.model_validate_json(self.raw)

    @cached_property
    def progress(self) -> JobProgress:
        """The progress that this tells of. Raises ValidationError where it is none."""
        return JobProgress.model_validate_json(self.raw)


@dataclass(frozen=True)
class Subscriber:
    """Receives what is published, until closed by the end of the emulator."""

    client: SQSClient
    queue_url: str

    @classmethod
    def to(cls, session: boto3.Session, topic_arn: str, *, name: str, filter_policy: Any = None) -> Subscriber:
        """Subscribe a new queue, to all notifications or to those that a filter policy lets through.

        A FIFO topic gets a FIFO queue, which keeps its order and its promise of one copy.
        """
        sqs = session.client("sqs")
        url = _new_queue(sqs, name, fifo=topic_arn.endswith(".fifo"))
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        _let_topic_send(sqs, url, arn, topic_arn)
        attributes = {"FilterPolicy": json.dumps(filter_policy)} if filter_policy else {}
        session.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return cls(sqs, url)

    def receive(self, wait_seconds: int = 1) -> Iterator[Received]:
        """What arrived, each deleted once it was yielded."""
        answer = self.client.receive_message(
            QueueUrl=self.queue_url, WaitTimeSeconds=wait_seconds, MaxNumberOfMessages=10
        )
        for message in answer.get("Messages", []):
            yield _received(json.loads(message["Body"]))
            self.client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def wait_for(self, count: int, within_seconds: float = 60) -> list[Received]:
        """So many notifications, or fewer if they do not come in time."""
        found: list[Received] = []
        deadline = time.monotonic() + within_seconds
        while len(found) < count and time.monotonic() < deadline:
            found.extend(self.receive())
        return found


def _new_queue(sqs: SQSClient, name: str, *, fifo: bool) -> str:
    if fifo:
        return sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def _let_topic_send(sqs: SQSClient, url: str, queue_arn: str, topic_arn: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _received(envelope: dict[str, Any]) -> Received:
    return Received(
        subject=envelope.get("Subject", ""),
        attributes={name: item["Value"] for name, item in envelope.get("MessageAttributes", {}).items()},
        raw=envelope["Message"],
    )
