"""SNS: publish one notification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient


@dataclass(frozen=True)
class Topic:
    """The topic of notifications. On a FIFO topic the id deduplicates and the job orders."""

    client: SNSClient
    arn: str

    async def publish(
        self, *, notification_id: str, group: str, subject: str, body: str, text: str, attributes: Mapping[str, str]
    ) -> None:
        """Publish JSON to queues and functions, and text to mailboxes. Returns once SNS has taken it durably."""
        fifo = (
            {"MessageDeduplicationId": notification_id, "MessageGroupId": group} if self.arn.endswith(".fifo") else {}
        )
        await self.client.publish(
            TopicArn=self.arn,
            Subject=subject,
            MessageStructure="json",
            Message=structured(body, text),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
            },
            **fifo,
        )


def structured(body: str, text: str) -> str:
    """SNS's form for a message that differs by protocol."""
    return json.dumps({"default": body, "email": text}, ensure_ascii=False)
