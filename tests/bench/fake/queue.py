"""SQS: messages, leases that run out, long polls."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_MOST_MESSAGES = 10


@dataclass(slots=True)
class Message:
    """A message in a queue; `lapse` brings it back."""

    id: str
    body: str
    sent_at: float
    receives: int = 0
    lapse: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Poll:
    at_most: int
    visibility: float
    answer: asyncio.Future[Any]


@dataclass
class Queue:
    """One queue. Counts what was sent and deleted, and notes when it was first asked."""

    name: str
    sent: int = 0
    deleted: int = 0
    first_poll_at: float | None = None
    _visible: deque[Message] = field(default_factory=deque)
    _held: dict[str, Message] = field(default_factory=dict)
    _polls: deque[_Poll] = field(default_factory=deque)
    _number: int = 0

    @property
    def depth(self) -> int:
        """Messages that are not deleted."""
        return len(self._visible) + len(self._held)

    def send(self, body: str) -> str:
        """Put a message in; answers with its id."""
        self.sent += 1
        self._number += 1
        message = Message(f"{self.name}-{self._number:08d}-5c1e-4f0a-9d3b-77aa", body, time.time())
        self._visible.append(message)
        self._serve()
        return message.id

    def receive(self, call: Any) -> asyncio.Future[Any]:
        """ReceiveMessage: what there is, or what comes in time."""
        loop = asyncio.get_running_loop()
        self.first_poll_at = self.first_poll_at or time.time()
        poll = _Poll(
            min(call.get("MaxNumberOfMessages", 1), _MOST_MESSAGES),
            call.get("VisibilityTimeout", 30),
            loop.create_future(),
        )
        self._polls.append(poll)
        self._serve()
        if not poll.answer.done():
            timer = loop.call_later(call.get("WaitTimeSeconds", 0), self._end, poll)
            poll.answer.add_done_callback(lambda _: timer.cancel())
        return poll.answer

    def set_visibility(self, call: Any) -> Any:
        """ChangeMessageVisibility."""
        message = self._held.get(call["ReceiptHandle"])
        if message is not None:
            self._lease(message, call["VisibilityTimeout"])
        return {}

    def delete(self, call: Any) -> Any:
        """DeleteMessageBatch."""
        for entry in call["Entries"]:
            message = self._held.pop(entry["ReceiptHandle"], None)
            if message is not None and message.lapse is not None:
                message.lapse.cancel()
                self.deleted += 1
        return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}

    def _serve(self) -> None:
        while self._visible and self._polls:
            poll = self._polls.popleft()
            taken = [self._visible.popleft() for _ in range(min(poll.at_most, len(self._visible)))]
            for message in taken:
                message.receives += 1
                self._held[message.id] = message
                self._lease(message, poll.visibility)
            poll.answer.set_result({"Messages": [_told(message) for message in taken]})

    def _lease(self, message: Message, seconds: float) -> None:
        if message.lapse is not None:
            message.lapse.cancel()
        message.lapse = asyncio.get_running_loop().call_later(seconds, self._lapsed, message)

    def _lapsed(self, message: Message) -> None:
        if self._held.pop(message.id, None):
            self._visible.append(message)
            self._serve()

    def _end(self, poll: _Poll) -> None:
        if not poll.answer.done():
            self._polls.remove(poll)
            poll.answer.set_result({})


def _told(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.id,
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "Body": message.body,
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
    }
