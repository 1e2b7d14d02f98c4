"""SQS: take messages, keep their lease, give them back, delete them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from service.aws.errors import AwsError, aws_errors
from service.renewing import Renewing

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

MAX_BATCH = 10  # [botocore, ReceiveMessage and DeleteMessageBatch]
MAX_VISIBILITY_SECONDS = 43_200
# Under which token the operator's command wrote down what message this one is a copy of (service/aws/replays.py).
REPLAY = "JobferryReplay"
TRACEPARENT = "traceparent"  # The name that OpenTelemetry gives to the message attribute, as to the HTTP header.
# Who sent a message, as SQS knows it: a user's or a role's unique id, the latter with its session [botocore,
# ReceiveMessage].
SENDER: Literal["SenderId"] = "SenderId"
TRACE_HEADER: Literal["AWSTraceHeader"] = "AWSTraceHeader"  # X-Ray's, a system attribute [botocore, ReceiveMessage].
_REPLAY_TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Message:
    """A message that we hold the lease of."""

    message_id: str
    body: str
    receipt_handle: str
    receive_count: int = 1
    sent_at: float = 0.0
    attributes: Mapping[str, str] = field(default_factory=dict)
    trace_header: str | None = None
    sender_id: str | None = None

    @property
    def is_first_delivery(self) -> bool:
        """Whether nobody can have had it before: neither from this queue, nor on its way to a dead-letter queue."""
        return self.receive_count <= 1 and self.replay_token is None

    @property
    def replay_token(self) -> str | None:
        """What it says to be a replay by; anybody can say so, and only what was written down under it is believed."""
        token = self.attributes.get(REPLAY, "")
        return token if _REPLAY_TOKEN.fullmatch(token) else None


@dataclass(frozen=True)
class Queue:
    """One queue. `visibility_seconds` is how long a lease lasts unless it is renewed."""

    client: SQSClient
    url: str
    visibility_seconds: int

    async def receive(self, at_most: int, wait_seconds: int) -> tuple[Message, ...]:
        """Up to ten messages, waiting for the first for so long. Never cancel this: a cancelled poll loses messages."""
        with aws_errors():
            answer = await self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(at_most, MAX_BATCH),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self.visibility_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", TRACE_HEADER, SENDER],
                MessageAttributeNames=[REPLAY, TRACEPARENT],
            )
            # An empty answer has no Messages key at all [LocalStack snapshot].
            return tuple(_message(item) for item in answer.get("Messages", []))

    def lease(self, message: Message) -> Renewing:
        """Keep a message ours for as long as the work goes on, by renewing its visibility at a third of its span."""
        return Renewing(self.visibility_seconds / 3, partial(self._renew, message))

    async def _renew(self, message: Message) -> bool:
        # A renewal that fails is tried again at the next third; at worst the message is handled twice, harmlessly.
        with suppress(AwsError):
            await self.set_visibility(message, self.visibility_seconds)
        return True

    async def set_visibility(self, message: Message, seconds: int) -> None:
        """Let the message be received again after so many seconds; 0 gives it back at once."""
        with aws_errors():
            await self.client.change_message_visibility(
                QueueUrl=self.url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=min(seconds, MAX_VISIBILITY_SECONDS),
            )

    async def delete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Delete up to ten messages; answers with those that could not be deleted."""
        with aws_errors():
            answer = await self.client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(n), "ReceiptHandle": message.receipt_handle} for n, message in enumerate(messages)],
            )
            return tuple(messages[int(failure["Id"])] for failure in answer.get("Failed", []))


def _message(item: Mapping[str, object]) -> Message:
    system = item.get("Attributes") or {}
    custom = item.get("MessageAttributes") or {}
    assert isinstance(system, dict) and isinstance(custom, dict)
    return Message(
        message_id=str(item["MessageId"]),
        body=str(item.get("Body", "")),
        receipt_handle=str(item["ReceiptHandle"]),
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        attributes={name: str(value.get("StringValue", "")) for name, value in custom.items()},
        trace_header=system.get(TRACE_HEADER),
        sender_id=system.get(SENDER),
    )
