"""Small logs, many of them by one call. What leaves any doubt is answered with None: it is to be read by itself.

Whoever wants a log waits here for its turn. One server, which is there for as long as anybody waits, takes each token
of the pace to the group with the stream that is due for longest, with as many due streams of it as a call takes. A call
that has to be made again in parts answers the logs of each part once that is read, and holds one part at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog

from service.aws.errors import AwsError
from service.aws.log_batches import LogBatches, Missing
from service.clock import Clock
from service.core.log_lanes import (
    MOST_OF_A_BATCH,
    MOST_OF_A_SMALL_LOG,
    MOST_PAGES,
    Again,
    Apart,
    Due,
    Gathered,
    StoppedLog,
    Unsure,
    Verdict,
    Whole,
    in_halves,
    next_batch,
    without,
)
from service.memory import Memory, Share

log = structlog.stdlib.get_logger()

# 1 MB or 10,000 events [botocore, FilterLogEvents], as they are in memory at the most: text that is not ASCII weighs
# four times as much, and each event 250 bytes beside it.
_PAGE_BYTES = 7 * 1024 * 1024
# The lines of the pages before, and room for one more; a log that was handed over needs as much again to be sent.
MOST_OF_ONE_CALL = MOST_OF_A_BATCH + _PAGE_BYTES + MOST_OF_A_SMALL_LOG
_REFUSED_FOR_GOOD = frozenset({"AccessDeniedException"})

_Part = tuple[str, ...]
"""Streams of one group that are asked for together."""


@dataclass(eq=False)
class _Waiting:
    """Somebody who waits for a log, the share that is to hold it, and the answer. None: it is to be read by itself."""

    log: StoppedLog
    due: Due
    held: Share
    answer: asyncio.Future[Verdict | None]

    def tell(self, verdict: Verdict | None, of: Share | None = None) -> None:
        """Answer, unless who waited has gone, with what a share holds."""
        if self.answer.done():
            return
        if isinstance(verdict, Whole) and of is not None:
            of.hand_over(verdict.weight, self.held)
        self.answer.set_result(verdict)

    def fail(self, ended: asyncio.Task[None]) -> None:
        """Nobody is left waiting for a task that is gone: its end, or its bug, is theirs as well."""
        error = None if ended.cancelled() else ended.exception()
        if error is not None and not self.answer.done():
            self.answer.set_exception(error)
        self.answer.cancel()


@dataclass
class SmallLogs:
    """Reads small logs together, until it is closed for good."""

    batches: LogBatches
    quiet_seconds: float
    memory: Memory
    now: Clock
    is_closed: bool = False
    _waiting: list[_Waiting] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: asyncio.Task[None] | None = None
    # A task that nobody refers to may be collected before its end.
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    async def read(self, wanted: StoppedLog, held: Share) -> Whole | None:
        """A log that is small and certain, held by `held` then; None where it is to be read by itself.

        One that never ran is that: there is nothing that it could be quiet after, and mostly no stream.
        """
        if wanted.ended_at is None:
            return None
        due_at = wanted.ended_at + self.quiet_seconds
        while not self.is_closed:
            verdict = await self._in_turn(wanted, held, due_at)
            if not isinstance(verdict, Again):
                return verdict if isinstance(verdict, Whole) else None
            due_at = verdict.at
        return None

    def close(self) -> None:
        """Read none any more: who waits, and who comes, reads by itself. What is under way ends as it would."""
        self.is_closed = True
        for waiting in self._waiting:
            waiting.tell(None)
        self._waiting.clear()
        self._came.set()

    async def _in_turn(self, wanted: StoppedLog, held: Share, due_at: float) -> Verdict | None:
        due = Due(wanted.group, wanted.stream, due_at)
        waiting = _Waiting(wanted, due, held, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._came.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
            self._serving.add_done_callback(self._served)
        try:
            return await waiting.answer
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _served(self, serving: asyncio.Task[None]) -> None:
        if serving is not self._serving:
            return  # Who came after its end, and before this, has begun another, which serves all who wait.
        for waiting in self._waiting:
            waiting.fail(serving)

    async def _serve(self) -> None:
        while self._waiting:
            await self._until_one_is_due()
            held = Share(self.memory)
            try:
                await held.take(_PAGE_BYTES)
                await self.batches.turn()
                self._call(held)
            finally:
                held.give_back(held.held)

    async def _until_one_is_due(self) -> None:
        while self._waiting:
            self._came.clear()
            left = min(waiting.due.since for waiting in self._waiting) - self.now()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._came.wait()

    def _call(self, room: Share) -> None:
        """Ask for those whose turn it is, in the room of a page; nobody's, where who waited has gone."""
        due = {waiting.due: waiting for waiting in reversed(self._waiting)}
        batch = {item.stream: due[item] for item in next_batch(due, self.now())}
        if not batch:
            return
        held = Share(self.memory)
        room.hand_over(room.held, held)
        call = asyncio.create_task(self._asked(batch, held))
        self._calls.add(call)
        call.add_done_callback(partial(self._called, batch))
        for waiting in batch.values():
            self._waiting.remove(waiting)

    def _called(self, unanswered: Mapping[str, _Waiting], call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        for waiting in unanswered.values():
            waiting.fail(call)

    async def _asked(self, batch: dict[str, _Waiting], held: Share) -> None:
        """Answer all of a batch; it is asked for in parts where it cannot be at once. Who is answered leaves it."""
        parts = [tuple(batch)]
        try:
            while parts:
                parts.extend(await self._ask(parts.pop(), batch, held))
                # Whoever kept some of each part could come to hold more than is kept for one, and wait for ever.
                held.give_back(held.held)
                if parts:
                    await held.take(_PAGE_BYTES)
                    await self.batches.turn()
        finally:
            held.give_back(held.held)

    async def _ask(self, streams: _Part, batch: dict[str, _Waiting], held: Share) -> tuple[_Part, ...]:
        """Ask for streams of one group, in their turn; answers with the parts in which to ask again."""
        logs, asked_at = [batch[stream].log for stream in streams], self.now()
        try:
            read = await self._pages(logs[0].group, streams, held)
        except AwsError as error:
            read = Apart(unsure=streams, why=f"{error.code}: {error}")
            if error.code in _REFUSED_FOR_GOOD:
                self.close()
        if isinstance(read, Gathered):
            for item in logs:
                batch.pop(item.stream).tell(read.verdict(item, asked_at, self.quiet_seconds), held)
            return ()
        if read.unsure:
            log.info("logs_read_singly", group=logs[0].group, logs=len(read.unsure), why=read.why[:200])
        for stream in read.unsure:
            batch.pop(stream).tell(Unsure(read.why))
        return read.parts

    async def _pages(self, group: str, streams: tuple[str, ...], held: Share) -> Gathered | Apart:
        """All pages of some streams, or why they are not had together; `held` holds their lines, and a page's room."""
        gathered, tokens = Gathered(), list[str]()
        while True:
            page = await self.batches.page(group, streams, tokens[-1] if tokens else None)
            if isinstance(page, Missing):
                why = "the group, or a stream, does not exist"
                return Apart(unsure=streams, why=why) if page.is_the_group else in_halves(streams, why)
            weight = sum(gathered.add(stream, event) for stream, event in page.events)
            next_token = page.next_token
            del page  # What is not new of it is let go.
            held.give_back(_PAGE_BYTES - weight)
            if next_token is None:
                return gathered
            if gathered.large:
                return without(streams, gathered.large)
            if gathered.weight > MOST_OF_A_BATCH:
                return in_halves(streams, "they are too much together")
            if next_token in tokens or len(tokens) + 1 == MOST_PAGES:  # Repeated tokens: [aws-cli #3191].
                return Apart(unsure=streams, why=f"no end after {len(tokens) + 1} pages")
            tokens.append(next_token)
            await held.take(_PAGE_BYTES)
            await self.batches.turn()
