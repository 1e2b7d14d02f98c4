"""Look into dead-letter queues, with the reason each message failed; send messages back, or drop them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from service.aws.failures import Failure, failure_in, failure_key
from service.aws.queue import ORIGINAL_ID, TRACE_HEADER
from service.core.request_body import printable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

QueueName = Literal["requests", "events"]
# While we look through a queue its messages are hidden from others, for so long at most.
_LOOKING_SECONDS = 60
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue; times in epoch seconds."""

    queue: QueueName
    message_id: str
    original_id: str
    sent_at: float
    receive_count: int
    body: str
    failure: Failure | None
    receipt_handle: str
    attributes: dict[str, Any]
    trace_header: str | None = None

    @property
    def beginning(self) -> str:
        """The first characters of the body, safe for a terminal."""
        return printable(self.body, _SHOWN_CHARACTERS)


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter queues of the request queue and of the event queue, as their redrive policies name them."""

    sqs: SQSClient
    dynamodb: DynamoDBClient
    table: str
    sources: dict[QueueName, str]

    def look(self, queue: QueueName) -> Iterator[DeadLetter]:
        """Every message, each once. What is not deleted is visible to others again when the look ends."""
        url = self._dead_letter_url(queue)
        seen: dict[str, DeadLetter] = {}
        try:
            while fresh := [item for item in self._receive(queue, url) if item.message_id not in seen]:
                seen.update({letter.message_id: letter for letter in fresh})
                yield from fresh
        finally:
            for letter in seen.values():
                self._release(url, letter)

    def find(self, message_id: str) -> DeadLetter | None:
        """One message by its id, or by the id it had before it was replayed."""
        for queue in self.sources:
            for letter in self.look(queue):
                if message_id in (letter.message_id, letter.original_id):
                    return letter
        return None

    def replay(self, letter: DeadLetter) -> None:
        """Send a message back to where it came from, and only then delete it here."""
        attributes = {**letter.attributes, ORIGINAL_ID: {"DataType": "String", "StringValue": letter.original_id}}
        trace: Any = {"DataType": "String", "StringValue": letter.trace_header}
        self.sqs.send_message(
            QueueUrl=self.sources[letter.queue],
            MessageBody=letter.body,
            MessageAttributes=attributes,
            MessageSystemAttributes={TRACE_HEADER: trace} if letter.trace_header else {},
        )
        self.drop(letter)

    def drop(self, letter: DeadLetter) -> None:
        """Delete a message for good."""
        self.sqs.delete_message(QueueUrl=self._dead_letter_url(letter.queue), ReceiptHandle=letter.receipt_handle)

    def _receive(self, queue: QueueName, url: str) -> list[DeadLetter]:
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_LOOKING_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", TRACE_HEADER],
            MessageAttributeNames=["All"],
        )
        return [self._letter(queue, item) for item in answer.get("Messages", [])]

    def _letter(self, queue: QueueName, item: Any) -> DeadLetter:
        attributes = item.get("MessageAttributes", {})
        original_id = attributes.get(ORIGINAL_ID, {}).get("StringValue", item["MessageId"])
        return DeadLetter(
            queue=queue,
            message_id=item["MessageId"],
            original_id=original_id,
            sent_at=int(item["Attributes"]["SentTimestamp"]) / 1000,
            receive_count=int(item["Attributes"]["ApproximateReceiveCount"]),
            body=item["Body"],
            failure=self._failure(original_id),
            receipt_handle=item["ReceiptHandle"],
            attributes={name: _sendable(value) for name, value in attributes.items()},
            trace_header=item["Attributes"].get(TRACE_HEADER),
        )

    def _failure(self, message_id: str) -> Failure | None:
        answer = self.dynamodb.get_item(TableName=self.table, Key=failure_key(message_id))
        return failure_in(answer.get("Item", {}))

    def _dead_letter_url(self, queue: QueueName) -> str:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.sources[queue], AttributeNames=["RedrivePolicy"])
        policy = json.loads(attributes["Attributes"]["RedrivePolicy"])
        account, name = policy["deadLetterTargetArn"].split(":")[4:6]
        return self.sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]

    def _release(self, url: str, letter: DeadLetter) -> None:
        # One that was replayed or dropped meanwhile is gone, which is as well.
        try:
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0)
        except self.sqs.exceptions.ClientError:
            return


def _sendable(value: Any) -> Any:
    return {name: value[name] for name in ("DataType", "StringValue", "BinaryValue") if name in value}
