"""SNS: what subscribers were told, in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.aws.sqs import Calls
from tests.support.loop import PROCESS, Process


@dataclass(frozen=True)
class Notice:
    """One message that subscribers got."""

    at: float
    publisher: Process | None
    body: dict[str, Any]
    attributes: dict[str, str]

    @property
    def id(self) -> str:
        return str(self.body["id"])


class SimTopic:
    """The topic of notifications."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.notices: list[Notice] = []
        self.on_publish: Callable[[Notice], None] = lambda notice: None
        self._clock = clock

    def publish(self, publisher: Process | None, message: str, attributes: dict[str, str]) -> None:
        """Tell subscribers."""
        body = json.loads(json.loads(message)["default"])
        notice = Notice(self._clock(), publisher, body, attributes)
        self.on_publish(notice)
        self.notices.append(notice)


class SnsClient:
    """The calls of aiobotocore's SNS client."""

    def __init__(self, calls: Calls, topic: SimTopic) -> None:
        self._calls = calls
        self._topic = topic

    async def publish(self, *, Message: str, MessageAttributes: Any, **_: Any) -> Any:
        publisher = PROCESS.get()
        attributes = {name: value["StringValue"] for name, value in MessageAttributes.items()}
        await self._calls.call(
            "sns.Publish", lambda: self._topic.publish(publisher, Message, attributes), about=attributes["status"]
        )
        return {"MessageId": "1"}
