"""SNS: publish one notification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.base import in_xml
from service.aws.errors import aws_errors

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient


_TRACE_HEADER = "X-Amzn-Trace-Id"


@dataclass(frozen=True)
class Topic:
    """The topic of notifications. On a FIFO topic the id deduplicates and the job orders."""

    client: SNSClient
    arn: str

    async def publish(
        self,
        *,
        notification_id: str,
        group: str,
        subject: str,
        body: str,
        text: str,
        attributes: Mapping[str, str],
        trace_header: str | None = None,
    ) -> None:
        """Publish JSON to queues and functions, and text to mailboxes. Returns once SNS has taken it durably.

        A container may write what no message can hold, and its last lines stand in the body.
        """
        further: dict[str, Any] = {_TRACE_HEADER: trace_header} if trace_header else {}
        if self.arn.endswith(".fifo"):
            further |= {"MessageDeduplicationId": notification_id, "MessageGroupId": group}
        message = structured(in_xml(body), in_xml(text))
        with aws_errors():
            await self.client.publish(
                TopicArn=self.arn,
                Subject=subject,
                MessageStructure="json",
                Message=message,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
                },
                **further,
            )


def let_traces_through(client: SNSClient) -> None:
    """Teach a client the X-Ray header of one call.

    Publish has no parameter for it: SNS takes it from the HTTP header, and hands it on to queues, as their messages'
    AWSTraceHeader, and to functions and HTTP endpoints [SNS developer guide, active tracing].
    """
    client.meta.events.register("before-parameter-build.sns.Publish", _take_out)
    client.meta.events.register("before-call.sns.Publish", _put_in)


def _take_out(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context[_TRACE_HEADER] = params.pop(_TRACE_HEADER, None)


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if context.get(_TRACE_HEADER):
        params["headers"][_TRACE_HEADER] = context[_TRACE_HEADER]


def structured(body: str, text: str) -> str:
    """SNS's form for a message that differs by protocol."""
    return json.dumps({"default": body, "email": text}, ensure_ascii=False)
