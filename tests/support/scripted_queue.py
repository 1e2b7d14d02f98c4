"""An SQS client that plays a script, so that a consumer can be watched message by message."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from botocore.exceptions import ClientError

from service.aws.queue import Queue
from tests.support.connecting import refusal


class ScriptedSqs:
    """Gives what was put in, notes what it is asked.

    An empty poll ends when something comes or `end_polls` is called. While `answers` is clear, other calls hang.
    """

    def __init__(self) -> None:
        self.waiting: deque[dict[str, Any]] = deque()
        self.polls: list[int] = []
        self.polls_under_way = 0
        self.deleted: list[list[str]] = []
        self.visibility: list[tuple[str, int]] = []
        self.poll_errors: deque[Exception] = deque()
        self.delete_errors: deque[Exception] = deque()
        self.deletes_under_way = 0
        self.undeletable: set[str] = set()
        self.answers = asyncio.Event()
        self.answers.set()
        self._stir = asyncio.Event()

    def put(self, *bodies: str, receive_count: int = 1) -> None:
        """Let these messages be received."""
        for body in bodies:
            attributes = {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": "1700000000000"}
            self.waiting.append({"MessageId": body, "Body": body, "ReceiptHandle": body, "Attributes": attributes})
        self._stir.set()

    def end_polls(self) -> None:
        """Let the polls that wait come back empty, as after their wait time."""
        self._stir.set()

    async def receive_message(self, *, MaxNumberOfMessages: int, **_: object) -> dict[str, Any]:
        """A long poll."""
        self.polls.append(MaxNumberOfMessages)
        if self.poll_errors:
            raise self.poll_errors.popleft()
        self.polls_under_way += 1
        try:
            if not self.waiting:
                self._stir.clear()
                await self._stir.wait()
            taken = [self.waiting.popleft() for _ in range(min(MaxNumberOfMessages, len(self.waiting)))]
        finally:
            self.polls_under_way -= 1
        return {"Messages": taken} if taken else {}

    async def change_message_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: object) -> None:
        """Note it."""
        await self.answers.wait()
        self.visibility.append((ReceiptHandle, VisibilityTimeout))

    async def delete_message_batch(self, *, Entries: list[dict[str, str]], **_: object) -> dict[str, Any]:
        """Note it."""
        self.deletes_under_way += 1
        await self.answers.wait()
        self.deletes_under_way -= 1
        if self.delete_errors:
            raise self.delete_errors.popleft()
        self.deleted.append([entry["ReceiptHandle"] for entry in Entries])
        failed = [{"Id": each["Id"]} for each in Entries if each["ReceiptHandle"] in self.undeletable]
        return {"Failed": failed} if failed else {}

    @property
    def all_deleted(self) -> set[str]:
        """Every message that was deleted."""
        return {handle for batch in self.deleted for handle in batch}


def queue_of(sqs: ScriptedSqs, visibility_seconds: int = 60) -> Queue:
    """The queue that the script plays on."""
    return Queue(cast(Any, sqs), "https://queue", visibility_seconds)


def throttled() -> ClientError:
    """What SQS answers when it is asked too much."""
    return refusal("ThrottlingException", "ReceiveMessage")
