"""Small logs, many of them by one call. What leaves any doubt is answered with None: it is to be read by itself.

Whoever wants a log waits here for its turn. One server, which is there for as long as anybody waits, takes each token
of the pace to the group with the stream that is due for longest, with as many due streams of it as a call takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from service.aws.errors import AwsError
from service.aws.log_batches import LogBatches, Missing
from service.clock import Clock
from service.core.log_lanes import (
    MOST_OF_A_BATCH,
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

# 1 MB or 10,000 events [botocore, FilterLogEvents], as they are in memory.
_PAGE_BYTES = 4 * 1024 * 1024
_REFUSED_FOR_GOOD = frozenset({"AccessDeniedException"})

Verdicts = Mapping[str, Verdict]
"""What one call has come to, by stream."""


@dataclass(eq=False)
class _Waiting:
    """Somebody who waits for a log, the share that is to hold it, and the call that it is asked for by, once there is.

    No call at all: it is to be read by itself.
    """

    log: StoppedLog
    due: Due
    held: Share
    call: asyncio.Future[asyncio.Task[Verdicts] | None]
    is_here: bool = True


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
    # A task that nobody refers to may be collected before its end, and all who waited for a call may go.
    _calls: set[asyncio.Task[Verdicts]] = field(default_factory=set)

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
            if not waiting.call.done():
                waiting.call.set_result(None)
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
            call = await waiting.call
            # It is others' too.
            return (await asyncio.shield(call)).get(wanted.stream) if call is not None else None
        finally:
            waiting.is_here = False
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _served(self, serving: asyncio.Task[None]) -> None:
        """Nobody is left waiting for a server that is gone: its end, or its bug, is theirs as well."""
        error = None if serving.cancelled() else serving.exception()
        for waiting in self._waiting:
            if not waiting.call.done():
                waiting.call.set_exception(error) if error else waiting.call.cancel()

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
        batch = {waiting.due: waiting for waiting in reversed(self._waiting)}
        mine = {due.stream: batch[due] for due in next_batch(batch, self.now())}
        if not mine:
            return
        held = Share(self.memory)
        room.hand_over(room.held, held)
        call = asyncio.create_task(self._asked(mine, held))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        for waiting in mine.values():
            self._waiting.remove(waiting)
            if not waiting.call.done():
                waiting.call.set_result(call)

    async def _asked(self, batch: Mapping[str, _Waiting], held: Share) -> Verdicts:
        """What becomes of a batch; it is asked for in parts where it cannot be at once."""
        found: dict[str, Verdict] = {}
        parts = [tuple(batch)]
        try:
            while parts:
                apart = await self._ask([batch[stream].log for stream in parts.pop()], held, found)
                found |= {stream: Unsure(apart.why) for stream in apart.unsure}
                parts.extend(apart.parts)
                held.give_back(held.held - _weight_of(found))
                if parts:
                    await held.take(_PAGE_BYTES)
                    await self.batches.turn()
            for stream, waiting in batch.items():
                verdict = found[stream]
                if isinstance(verdict, Whole) and waiting.is_here:
                    held.hand_over(verdict.weight, waiting.held)
            return found
        finally:
            held.give_back(held.held)

    async def _ask(self, logs: list[StoppedLog], held: Share, found: dict[str, Verdict]) -> Apart:
        """Ask for streams of one group, in their turn; answers with those for which that was in vain."""
        asked_at, streams = self.now(), tuple(item.stream for item in logs)
        try:
            read = await self._pages(logs[0].group, streams, held)
        except AwsError as error:
            read = Apart(unsure=streams, why=f"{error.code}: {error}")
            if error.code in _REFUSED_FOR_GOOD:
                self.close()
        if isinstance(read, Gathered):
            found |= {item.stream: read.verdict(item, asked_at, self.quiet_seconds) for item in logs}
            return Apart()
        if read.unsure:
            log.info("logs_read_singly", group=logs[0].group, logs=len(read.unsure), why=read.why[:200])
        return read

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


def _weight_of(found: Verdicts) -> int:
    return sum(verdict.weight for verdict in found.values() if isinstance(verdict, Whole))
