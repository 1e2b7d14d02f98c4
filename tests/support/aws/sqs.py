"""SQS: at least once, unordered; leases that run out; a poll goes on in the service when its caller is gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from tests.support.aws.errors import refusal
from tests.support.loop import PROCESS, Process, world_call_at
from tests.support.names import EPOCH

# [botocore, ReceiveMessage]
_MOST_MESSAGES = 10
# How many of the polls that found nothing are left to go on as if they had been made again; see SimQueue.
_GOES_ON = 0.9


class Calls(Protocol):
    """What carries a call to its effect."""

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        """Do the effect, some time, perhaps."""


class Manners(Protocol):
    """Whether the service does what it may do."""

    def happens(self, what: str, rate: float, now: float) -> bool:
        """Whether it does so now."""


@dataclass(eq=False)
class Held:
    """A message in a queue. A receipt handle is worth something until the message is received again.

    `let_go`: its holder wants it no more, having deleted it or set another visibility than the `span` of its lease.
    """

    message_id: str
    body: str
    sent_at: float
    attributes: dict[str, Any] = field(default_factory=dict)
    receives: int = 0
    lease: int = 0
    visible: bool = True
    hidden_until: float = 0.0
    gone: bool = False
    doubled: bool = False
    span: float = 0.0
    let_go: bool = False
    holder: Process | None = None
    holder_faults: int = 0


@dataclass(eq=False)
class _Poll:
    """A ReceiveMessage that the service works on; `answer` may have been given up by its caller."""

    at_most: int
    visibility: float
    answer: asyncio.Future[list[dict[str, Any]]]
    holder: Process | None
    wait: float
    ends_at: float
    goes_on: bool = False


class SimQueue:
    """One queue with its dead letters.

    An empty poll changes nothing, and an idle worker makes one after the other. So where `polls_go_on`, most polls that
    found nothing end when a message comes, or when something happens to who made them: then they end as the last of
    that row would have ended. One in ten comes back empty after its wait.
    """

    def __init__(
        self,
        url: str,
        loop: Any,
        chance: Random,
        *,
        max_receives: int = 1000,
        manners: Manners | None = None,
        doubled: float = 0.0,
        delete_forgotten: float = 0.0,
        polls_go_on: bool = False,
    ) -> None:
        self.url = url
        self.messages: dict[str, Held] = {}
        self.dead_letters: list[Held] = []
        self.on_delete: Callable[[SimQueue, Held], None] = lambda queue, held: None
        self.on_dead_letter: Callable[[SimQueue, Held], None] = lambda queue, held: None
        self.on_lapse: Callable[[Held], None] = lambda held: None
        self._loop = loop
        self._chance = chance
        self._max_receives = max_receives
        self._manners = manners
        self._doubled = doubled
        self._delete_forgotten = delete_forgotten
        self._goes_on = _GOES_ON if polls_go_on else 0.0
        self._visible: list[Held] = []
        self._polls: list[_Poll] = []
        self._sent = 0

    def next_id(self) -> str:
        """The id that the next message will have."""
        return f"{self.url.rsplit('/', 1)[-1]}-m{self._sent + 1}"

    def send(self, body: str, attributes: dict[str, Any] | None = None, late: float = 0.0) -> str:
        """Put a message in, which is delivered so many seconds later at the soonest; answers with its id."""
        held = Held(self.next_id(), body, self._loop.time(), attributes or {})
        self._sent += 1
        self.messages[held.message_id] = held
        held.let_go = True  # Nobody has it.
        self._hide(held, late)
        return held.message_id

    def set_aside(self, body: str) -> str:
        """Put a message among the dead letters, as one that everybody failed with; answers with the id that it had."""
        held = Held(self.next_id(), body, self._loop.time(), receives=self._max_receives, gone=True)
        self._sent += 1
        self.dead_letters.append(held)
        return held.message_id

    def poll(self, at_most: int, wait: float, visibility: float) -> asyncio.Future[list[dict[str, Any]]]:
        """Take up to ten messages, waiting for the first. The wait is the service's own: it outlives the caller."""
        answer: asyncio.Future[list[dict[str, Any]]] = self._loop.create_future()
        ends_at = self._loop.time() + wait
        poll = _Poll(min(at_most, _MOST_MESSAGES), visibility, answer, PROCESS.get(), wait, ends_at)
        self._polls.append(poll)
        self._serve()
        if poll in self._polls:
            world_call_at(self._loop, ends_at, self._end_poll, poll)
        return answer

    def disturbed(self, holder: Process) -> None:
        """Something happens to who polls: what has gone on for it ends when the last of its polls would have."""
        now = self._loop.time()
        for poll in self._polls:
            if poll.goes_on and poll.holder is holder:
                poll.goes_on = False
                poll.ends_at += math.ceil((now - poll.ends_at) / poll.wait) * poll.wait
                world_call_at(self._loop, poll.ends_at, self._end_poll, poll)

    def set_visibility(self, message_id: str, lease: int, seconds: float) -> str | None:
        """Let a lease end so much later; answers with an error code where there is no such lease."""
        held = self.messages.get(message_id)
        if held is None or held.gone:
            return "InvalidParameterValue"
        if held.visible or held.lease != lease:
            return "MessageNotInflight"
        held.let_go = seconds != held.span
        self._hide(held, seconds)
        return None

    def delete(self, message_id: str, lease: int) -> str | None:
        """Delete a message; answers with an error code where the handle is too old for it."""
        held = self.messages.get(message_id)
        if held is None or held.gone:
            return None  # Deleting what is gone succeeds [DeleteMessage].
        if held.lease != lease:
            # "the request succeeds, but the message might not be deleted" [DeleteMessage]
            return "ReceiptHandleIsInvalid" if self._chance.random() < 0.5 else None
        self.on_delete(self, held)
        held.let_go = True
        if self._happens("delete forgotten by SQS", self._delete_forgotten):
            return None  # "On rare occasions, you might receive a deleted message again" [DeleteMessage].
        held.gone = True
        del self.messages[message_id]
        return None

    def _serve(self) -> None:
        """Answer the polls that can be answered."""
        while self._polls and self._visible:
            poll = self._polls.pop(int(self._chance.random() * len(self._polls)))
            taken = [_as_received(held) for held in (self._take(poll) for _ in range(poll.at_most)) if held is not None]
            if not taken:
                self._polls.append(poll)
            elif not poll.answer.done():
                poll.answer.set_result(taken)

    def _take(self, poll: _Poll) -> Held | None:
        """Any visible message, in no order."""
        while self._visible:
            at = int(self._chance.random() * len(self._visible))
            self._visible[at], self._visible[-1] = self._visible[-1], self._visible[at]
            held = self._visible.pop()
            if held.gone or not held.visible:
                continue
            if held.receives < self._max_receives:
                return self._lend(held, poll)
            self._bury(held)
        return None

    def _lend(self, held: Held, poll: _Poll) -> Held:
        held.receives += 1
        held.lease += 1
        held.span, held.let_go = poll.visibility, False
        held.holder = poll.holder
        held.holder_faults = poll.holder.sqs_faults if poll.holder else 0
        if self._happens("message delivered twice", self._doubled):
            held.doubled = True
            self._visible.append(held)
        else:
            self._hide(held, poll.visibility)
        return held

    def _bury(self, held: Held) -> None:
        self.dead_letters.append(held)
        held.gone = True
        del self.messages[held.message_id]
        self.on_dead_letter(self, held)

    def _hide(self, held: Held, seconds: float) -> None:
        held.visible = seconds <= 0
        if held.visible:
            self._show(held)
            return
        held.hidden_until = self._loop.time() + seconds
        world_call_at(self._loop, held.hidden_until, self._reappear, held, held.hidden_until)

    def _reappear(self, held: Held, until: float) -> None:
        if not held.gone and not held.visible and held.hidden_until == until:
            held.visible = True
            if not (held.let_go or held.doubled):
                self.on_lapse(held)
            self._show(held)

    def _show(self, held: Held) -> None:
        self._visible.append(held)
        self._serve()

    def _end_poll(self, poll: _Poll) -> None:
        if poll not in self._polls:
            return
        if self._goes_on and _is_undisturbed(poll.holder, self._loop.time()) and self._chance.random() < self._goes_on:
            poll.goes_on = True
            return
        self._polls.remove(poll)
        if not poll.answer.done():
            poll.answer.set_result([])

    def _happens(self, what: str, rate: float) -> bool:
        return self._manners is not None and self._manners.happens(what, rate, self._loop.time())


class SqsClient:
    """The calls of aiobotocore's SQS client."""

    def __init__(self, calls: Calls, *queues: SimQueue) -> None:
        self.on_cancelled_poll: Callable[[], None] = lambda: None
        self._calls = calls
        self._queues = {queue.url: queue for queue in queues}

    def disturbed(self, holder: Process) -> None:
        """Something happens to who polls these queues."""
        for queue in self._queues.values():
            queue.disturbed(holder)

    async def send_message(self, *, QueueUrl: str, MessageBody: str, MessageAttributes: Any = None) -> Any:
        queue = self._queues[QueueUrl]
        return {
            "MessageId": await self._calls.call("sqs.SendMessage", lambda: queue.send(MessageBody, MessageAttributes))
        }

    async def receive_message(
        self, *, QueueUrl: str, MaxNumberOfMessages: int, WaitTimeSeconds: float, VisibilityTimeout: float, **_: Any
    ) -> Any:
        queue = self._queues[QueueUrl]
        try:
            taken = await self._calls.call(
                "sqs.ReceiveMessage", lambda: queue.poll(MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout)
            )
        except asyncio.CancelledError:
            self.on_cancelled_poll()
            raise
        # An empty answer has no Messages key at all [LocalStack snapshot].
        return {"Messages": taken} if taken else {}

    async def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: float) -> Any:
        message_id, lease = _read_handle(ReceiptHandle)
        queue = self._queues[QueueUrl]

        def effect() -> None:
            code = queue.set_visibility(message_id, lease, VisibilityTimeout)
            if code is not None:
                raise refusal(code)

        await self._calls.call("sqs.ChangeMessageVisibility", effect, about=f"{message_id} {VisibilityTimeout:g} s")
        return {}

    async def delete_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:
        queue = self._queues[QueueUrl]

        def effect() -> Any:
            answers = [(entry["Id"], queue.delete(*_read_handle(entry["ReceiptHandle"]))) for entry in Entries]
            return {
                "Successful": [{"Id": entry_id} for entry_id, code in answers if code is None],
                "Failed": [{"Id": entry_id, "SenderFault": True, "Code": code} for entry_id, code in answers if code],
            }

        about = " ".join(entry["ReceiptHandle"] for entry in Entries)
        return await self._calls.call("sqs.DeleteMessageBatch", effect, about=about)


def _is_undisturbed(holder: Process | None, now: float) -> bool:
    return holder is not None and holder.alive and holder.told_to_stop_at is None and holder.stalled_until <= now


def _as_received(held: Held) -> dict[str, Any]:
    return {
        "MessageId": held.message_id,
        "Body": held.body,
        "ReceiptHandle": f"{held.message_id}/{held.lease}",
        "Attributes": {
            "ApproximateReceiveCount": str(held.receives),
            "SentTimestamp": str(int((EPOCH + held.sent_at) * 1000)),
        },
        "MessageAttributes": held.attributes,
    }


def _read_handle(handle: str) -> tuple[str, int]:
    message_id, _, lease = handle.rpartition("/")
    return message_id, int(lease)
