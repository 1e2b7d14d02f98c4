"""SQS, as a producer: put a request into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from schemas.trace import Trace
from service.aws.errors import aws_errors
from service.aws.queue import TRACE_HEADER, TRACEPARENT

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


@dataclass(frozen=True)
class Sender:
    """Sends to one queue."""

    client: SQSClient
    url: str

    async def send(self, body: str, trace: Trace | None = None) -> str:
        """Put a message into the queue; answers with the id that SQS gave it."""
        attributes: dict[str, Any] = {}
        system: dict[Literal["AWSTraceHeader"], Any] = {}
        if trace is not None and trace.traceparent:
            attributes[TRACEPARENT] = {"DataType": "String", "StringValue": trace.traceparent}
        if trace is not None and trace.aws_trace_header:
            system[TRACE_HEADER] = {"DataType": "String", "StringValue": trace.aws_trace_header}
        with aws_errors():
            answer = await self.client.send_message(
                QueueUrl=self.url, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=system
            )
            return answer["MessageId"]
