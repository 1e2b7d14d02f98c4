"""Take a slot, take messages, settle each, delete them in batches, drain. The same for every queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from service.aws.errors import AwsError
from service.aws.queue import MAX_BATCH, Message, Queue
from service.metrics import HANDED_BACK, POLL_FAILURES, POLLS, SETTLE_FAILURES, Meter
from workers.guard import failure_of
from workers.liveness import Liveness
from workers.stopping import told_to_stop

Handle = Callable[[Message], Awaitable[int | None]]
"""Settles a message; answers with after how many seconds it is to come again, or with None where it is done."""
Gate = Callable[[], Awaitable[None]]
NoteFailure = Callable[[Message, Exception], Awaitable[None]]
log = structlog.stdlib.get_logger()

_LINGER_SECONDS = 0.2
_DELETES_AT_ONCE = 8
_POLL_FAILED_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 900
# After the drain's deadline there is time for a call that succeeds, but not for one with all its retries.
_FAREWELL_SECONDS = 2.0


@dataclass
class Consumer:
    """Works one queue until told to stop. Nothing is held that cannot be worked on: slots come before messages.

    `gate` is passed before each poll: closed, nothing more is taken. `note_failure` keeps why a message failed, for
    whoever finds it in the dead-letter queue. `gather_seconds` are left for more messages to come after a poll that
    brought a few: where it is busy, a poll then brings many. What comes when it was quiet is taken at once.
    """

    name: str
    queue: Queue
    handle: Handle
    slots: int
    poll_seconds: int
    stopping: asyncio.Event
    liveness: Liveness
    gate: Gate
    note_failure: NoteFailure
    metrics: Meter
    gather_seconds: float = 0.0
    _settled: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        """Consume until `stopping` is set; then finish the poll, settle what was taken, and delete what is settled."""
        self.liveness.expects(self.name)
        slots = _Slots(self.slots)
        deleting = asyncio.create_task(self._delete_settled())
        try:
            async with asyncio.TaskGroup() as working:
                while not self.stopping.is_set():
                    await self._take(slots, working)
            await self._settled.join()
        finally:
            await _briefly(self._settled.join())  # Also when it ends in trouble, or is cut off.
            deleting.cancel()
            with suppress(asyncio.CancelledError):
                await deleting

    async def _take(self, slots: _Slots, working: asyncio.TaskGroup) -> None:
        """One poll, for as many messages as there are slots."""
        await self.gate()
        taken = await slots.take(MAX_BATCH)
        messages = () if self.stopping.is_set() else await self._poll(taken)
        slots.give_back(taken - len(messages))
        for message in messages:
            task = working.create_task(self._give_back(message) if self.stopping.is_set() else self._settle(message))
            task.add_done_callback(lambda _: slots.give_back())
        if 0 < len(messages) < taken:
            await told_to_stop(self.stopping, self.gather_seconds)

    async def _poll(self, at_most: int) -> tuple[Message, ...]:
        try:
            messages = await self.queue.receive(at_most, self.poll_seconds)
        except AwsError as error:
            self.metrics.count(POLL_FAILURES)
            log.warning("poll_failed", queue=self.name, error=error.code, why=str(error)[:200])
            await told_to_stop(self.stopping, _POLL_FAILED_SECONDS)
            return ()
        self.liveness.polled(self.name)
        self.metrics.count(POLLS)
        return messages

    async def _settle(self, message: Message) -> None:
        piece = self.liveness.took()
        try:
            with structlog.contextvars.bound_contextvars(message_id=message.message_id, queue=self.name):
                await self._handle_or_retry(message)
        except asyncio.CancelledError:
            # The drain's deadline: another worker may have it at once.
            await _briefly(self._give_back(message))
            raise
        finally:
            self.liveness.let_go(piece)

    async def _handle_or_retry(self, message: Message) -> None:
        handling = asyncio.ensure_future(self._handle(message))
        error = await failure_of(handling, "message_failed", receive_count=message.receive_count)
        if error is not None:
            self.metrics.count(SETTLE_FAILURES)
            await self._retry_later(message)  # First: the lease has ended, and a note may take its time.
            await self.note_failure(message, error)
        elif (seconds := handling.result()) is not None:
            await self._set_visibility(message, seconds)
        else:
            await self._settled.put(message)

    async def _handle(self, message: Message) -> int | None:
        async with self.queue.lease(message):
            return await self.handle(message)

    async def _retry_later(self, message: Message) -> None:
        """SQS delivers it again, later each time, and in the end to the dead-letter queue."""
        await self._set_visibility(message, min(2**message.receive_count, _LONGEST_BACKOFF_SECONDS))

    async def _give_back(self, message: Message) -> None:
        self.metrics.count(HANDED_BACK)
        await self._set_visibility(message, 0)

    async def _set_visibility(self, message: Message, seconds: int) -> None:
        # If this fails, the lease runs out and the message comes back all the same.
        with suppress(AwsError):
            await self.queue.set_visibility(message, seconds)

    async def _delete_settled(self) -> None:
        """Delete in batches, several at once: what is settled has no lease, and must not wait for a slow call."""
        free = asyncio.Semaphore(_DELETES_AT_ONCE)
        async with asyncio.TaskGroup() as deleting:
            while True:
                await free.acquire()
                deletion = deleting.create_task(self._delete(await self._batch()))
                deletion.add_done_callback(lambda _: free.release())

    async def _batch(self) -> list[Message]:
        """Settled messages, lingering a little for ten to gather."""
        batch = [await self._settled.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self.stopping.is_set() else _LINGER_SECONDS):
                while len(batch) < MAX_BATCH:
                    batch.append(await self._settled.get())
        return batch

    async def _delete(self, batch: list[Message]) -> None:
        """Delete a batch. What is not deleted comes again."""
        await failure_of(self._try_to_delete(batch), "delete_failed", queue=self.name, messages=len(batch))
        for _ in batch:
            self._settled.task_done()

    async def _try_to_delete(self, batch: list[Message]) -> None:
        failed = await self.queue.delete(batch)
        if failed:
            log.warning("delete_failed", queue=self.name, messages=len(failed))


async def _briefly(work: Awaitable[object]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await work


class _Slots:
    """How many more messages may be worked on. A semaphore hands out one at a time, and a poll wants ten."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._some_are_free = asyncio.Event()

    async def take(self, at_most: int) -> int:
        """Wait for one, and take what others are free without waiting. There is one taker."""
        while self._free == 0:
            self._some_are_free.clear()
            await self._some_are_free.wait()
        taken = min(self._free, at_most)
        self._free -= taken
        return taken

    def give_back(self, slots: int = 1) -> None:
        """Let others have them."""
        self._free += slots
        self._some_are_free.set()
