"""Look into dead-letter queues, with the reason each message failed; send messages back, or drop them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from schemas.arn import account_of, name_of
from schemas.errors import SettingsError
from service.aws.failures import Failure, failure_in, failure_key
from service.aws.queue import REPLAY, SENDER, TRACE_HEADER
from service.aws.replays import FirstSent, first_sent_in, replay_item, replay_key
from service.clock import Clock, wall_clock
from service.core.admission.request_body import printable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

QueueName = Literal["requests", "events", "control", "undelivered"]
# While we look through a queue its messages are hidden from others, for so long at most.
_LOOKING_SECONDS = 60
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue; times in epoch seconds."""

    queue: QueueName
    url: str
    message_id: str
    first_sent: FirstSent
    sent_at: float
    receive_count: int
    body: str
    failure: Failure | None
    receipt_handle: str
    attributes: dict[str, Any]
    trace_header: str | None = None

    @property
    def original_id(self) -> str:
        """The id that it had before it was replayed, if it was."""
        return self.first_sent.message_id

    @property
    def beginning(self) -> str:
        """The first characters of the body, safe for a terminal."""
        return printable(self.body, _SHOWN_CHARACTERS)


@dataclass(frozen=True)
class DeadLetters:
    """What was set aside of each queue, and the events that EventBridge could not even deliver.

    The redrive policies of the queues in `sources` name the first three, the rules into the event queue the last. SQS
    itself moves no message back from that one, since none of its queues feeds it [StartMessageMoveTask].
    """

    sqs: SQSClient
    dynamodb: DynamoDBClient
    events: Any  # EventBridge's client
    table: str
    sources: Mapping[QueueName, str]
    now: Clock = wall_clock

    def look(self, queue: QueueName) -> Iterator[DeadLetter]:
        """Every message, each once. What is not deleted is visible to others again when the look ends.

        Raises SettingsError where the queue has no dead-letter queue.
        """
        for url in self._dead_letter_urls(queue):
            yield from self._look(queue, url)

    def _look(self, queue: QueueName, url: str) -> Iterator[DeadLetter]:
        seen: dict[str, DeadLetter] = {}
        try:
            while fresh := [item for item in self._receive(queue, url) if item.message_id not in seen]:
                seen.update({letter.message_id: letter for letter in fresh})
                yield from fresh
        finally:
            for letter in seen.values():
                self._release(letter)

    def find(self, message_id: str) -> DeadLetter | None:
        """One message by its id, or by the id it had before it was replayed."""
        for queue in self.sources:
            for letter in self.look(queue):
                if message_id in (letter.message_id, letter.original_id):
                    return letter
        return None

    def replay(self, letter: DeadLetter) -> None:
        """Send a message back to where it came from, and only then delete it here.

        What it is a copy of is written down before: of a copy that says so itself nobody knows who sent it.
        """
        token = secrets.token_hex(16)
        self.dynamodb.put_item(TableName=self.table, Item=replay_item(token, letter.first_sent, self.now()))
        attributes = {**letter.attributes, REPLAY: {"DataType": "String", "StringValue": token}}
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
        self.sqs.delete_message(QueueUrl=letter.url, ReceiptHandle=letter.receipt_handle)

    def _receive(self, queue: QueueName, url: str) -> list[DeadLetter]:
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_LOOKING_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", TRACE_HEADER, SENDER],
            MessageAttributeNames=["All"],
        )
        return [self._letter(queue, url, item) for item in answer.get("Messages", [])]

    def _letter(self, queue: QueueName, url: str, item: Any) -> DeadLetter:
        attributes = item.get("MessageAttributes", {})
        sent_at = int(item["Attributes"]["SentTimestamp"]) / 1000
        return DeadLetter(
            queue=queue,
            url=url,
            message_id=item["MessageId"],
            first_sent=self._first_sent(attributes)
            or FirstSent(item["MessageId"], sent_at, item["Attributes"].get(SENDER)),
            sent_at=sent_at,
            receive_count=int(item["Attributes"]["ApproximateReceiveCount"]),
            body=item["Body"],
            failure=self._failure(item["MessageId"]) or _not_delivered(attributes, sent_at),
            receipt_handle=item["ReceiptHandle"],
            attributes={name: _sendable(value) for name, value in attributes.items()},
            trace_header=item["Attributes"].get(TRACE_HEADER),
        )

    def _first_sent(self, attributes: Mapping[str, Any]) -> FirstSent | None:
        token = attributes.get(REPLAY, {}).get("StringValue")
        if not token:
            return None
        return first_sent_in(self.dynamodb.get_item(TableName=self.table, Key=replay_key(token)).get("Item", {}))

    def _failure(self, message_id: str) -> Failure | None:
        answer = self.dynamodb.get_item(TableName=self.table, Key=failure_key(message_id))
        return failure_in(answer.get("Item", {}))

    def _dead_letter_urls(self, queue: QueueName) -> list[str]:
        source = self.sqs.get_queue_attributes(
            QueueUrl=self.sources[queue], AttributeNames=["QueueArn", "RedrivePolicy"]
        )["Attributes"]
        if queue == "undelivered":
            return [self._url_of(arn) for arn in self._undelivered(source["QueueArn"])]
        # SQS leaves out what was not set [GetQueueAttributes].
        if "RedrivePolicy" not in source:
            raise SettingsError(
                f"The queue {self.sources[queue]} has no dead-letter queue: set its RedrivePolicy, as "
                "deploy/template.yaml does."
            )
        return [self._url_of(json.loads(source["RedrivePolicy"])["deadLetterTargetArn"])]

    def _undelivered(self, event_queue: str) -> list[str]:
        """Where the rules put what they cannot deliver to the event queue."""
        rules = self.events.list_rule_names_by_target(TargetArn=event_queue)["RuleNames"]
        targets = [item for rule in rules for item in self.events.list_targets_by_rule(Rule=rule)["Targets"]]
        return sorted({item["DeadLetterConfig"]["Arn"] for item in targets if "DeadLetterConfig" in item})

    def _url_of(self, arn: str) -> str:
        return self.sqs.get_queue_url(QueueName=name_of(arn), QueueOwnerAWSAccountId=account_of(arn))["QueueUrl"]

    def _release(self, letter: DeadLetter) -> None:
        # One that was replayed or dropped meanwhile is gone, which is as well.
        try:
            self.sqs.change_message_visibility(
                QueueUrl=letter.url, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0
            )
        except self.sqs.exceptions.ClientError:
            return


def _not_delivered(attributes: Mapping[str, Any], at: float) -> Failure | None:
    """Why EventBridge could not deliver an event, which it says in attributes [EventBridge, dead-letter queues]."""
    code, message = (attributes.get(name, {}).get("StringValue", "") for name in ("ERROR_CODE", "ERROR_MESSAGE"))
    return Failure(queue="undelivered", error=code, reason=message, at=at) if code else None


def _sendable(value: Any) -> Any:
    return {name: value[name] for name in ("DataType", "StringValue", "BinaryValue") if name in value}
