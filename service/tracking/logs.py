"""A container's log, by lines: from S3 once it is archived, before that from CloudWatch."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from schemas.tracking import LogLines
from service.aws.errors import AwsError
from service.aws.log_looks import FoundLine, LogLooks
from service.aws.objects import Objects, ObjectTooLargeError, SignedLink
from service.aws.tasks import LogConfiguration, Tasks
from service.core.log_index import INDEXED_BYTES, MOST_INDEX_BYTES, LogIndex, index_key
from service.core.log_layout import log_stream
from service.core.policy.outcome import stages_of
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.record.record import Record
from service.core.telling.moments import iso
from service.tracking.errors import UnknownLogError
from service.tracking.shared import Shared

MOST_LINES = 5000
MOST_BYTES = 1024 * 1024
# Of a log that is written, so much is held for all who look at it; the whole of it comes with the archive.
_HELD_LINES, _HELD_BYTES, _HELD_LOGS = 50_000, 4 * 1024 * 1024, 32
_PAGES_A_LOOK = 5
_LOOK_SECONDS = 1.0
_NO_LOG = LogConfiguration()
_INDEX_SECONDS, _HELD_INDEXES = 60.0, 32
# One search looks through so much of an archived log; it goes on from there, where it is asked to.
MOST_SEARCHED_BYTES = 128 * 1024 * 1024
# It is read in ranges, some ahead of the one that is looked through. The first is small: a page of lines is soon found.
_FIRST_RANGE, _RANGE, _AHEAD = 1024 * 1024, 16 * 1024 * 1024, 3
# What holds other letters than ASCII's is decoded to be compared, and costs so many times as much.
_DECODED_WEIGHT = 4
# Control sequences, colours among them, of which none is shown [ECMA-48, 5.4].
_ESCAPE, _SEQUENCE = b"\x1b", re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_NO_TIMES: Mapping[int, float] = {}


@dataclass(frozen=True)
class LogPlace:
    """Which container's log."""

    stage: int
    attempt: int
    container: str
    redrive: int | None = None


@dataclass(frozen=True)
class Wanted:
    """A text that is looked for, however it is written; `plain` is a line as it is shown, without its colours."""

    text: str
    plain: Callable[[str], str]
    _folded: str = field(init=False)
    _ascii: bytes | None = field(init=False)

    def __post_init__(self) -> None:
        folded = self.text.casefold()
        object.__setattr__(self, "_folded", folded)
        object.__setattr__(self, "_ascii", folded.encode() if folded.isascii() else None)

    def is_in(self, line: str) -> bool:
        """Whether a line holds it."""
        return self._folded in self.plain(line).casefold()

    def may_be_in(self, block: bytes) -> bool:
        """Whether it is worth to look at the lines of a block one by one: by bytes, as long as they are ASCII's."""
        if self._is_plainly_in(block):
            return True
        if _ESCAPE in block:
            block = _SEQUENCE.sub(b"", block)
            if _ESCAPE in block or self._is_plainly_in(block):
                return True
        return not block.isascii() and self._folded in block.decode(errors="replace").casefold()

    def _is_plainly_in(self, block: bytes) -> bool:
        return self._ascii is not None and self._ascii in block.lower()


@dataclass(frozen=True)
class LogFound:
    """The lines that hold a text, by their numbers, and the first line that was not looked through; None at the end."""

    lines: tuple[tuple[int, str], ...]
    following: int | None
    complete: bool


@dataclass
class _LiveLog:
    """What was read of a stream so far."""

    lines: deque[str] = field(default_factory=deque)
    times: deque[float] = field(default_factory=deque)
    dropped: int = 0
    size: int = 0
    last_at: float = 0.0
    last_ids: set[str] = field(default_factory=set)
    more: bool = False
    exists: bool = False

    def add(self, found: FoundLine) -> None:
        """Note an event, unless it is known; a look begins with the moment that the last one ended with.

        One of several lines is as many, as it will be in the archive.
        """
        if found.id in self.last_ids:
            return
        if found.at > self.last_at:
            self.last_ids.clear()
            self.last_at = found.at
        self.last_ids.add(found.id)
        for line in found.message.rstrip("\n").split("\n"):
            self.lines.append(line)
            self.times.append(found.at)
            self.size += len(line)
        while len(self.lines) > _HELD_LINES or (self.size > _HELD_BYTES and len(self.lines) > 1):
            self.size -= len(self.lines.popleft())
            self.times.popleft()
            self.dropped += 1


@dataclass(frozen=True)
class LogReader:
    """Reads logs for people. One look a second at a stream serves all who follow it."""

    looks: LogLooks
    tasks: Tasks
    objects: Objects
    look_seconds: float = _LOOK_SECONDS
    _live: Shared[tuple[str, str], _LiveLog] = field(init=False)
    _known: dict[tuple[str, str], _LiveLog] = field(default_factory=dict, init=False)
    _indexes: Shared[tuple[str, str], LogIndex | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_live", Shared(self._look, self.look_seconds, most=_HELD_LOGS))
        object.__setattr__(self, "_indexes", Shared(self._read_index, _INDEX_SECONDS, most=_HELD_INDEXES))

    async def lines(self, record: Record, place: LogPlace, first: int, count: int) -> LogLines:
        """Some lines, from the one of this number on. Raises UnknownLogError where there is no such container."""
        task, container = _find(record, place)
        receipt = record.receipt(task, container)
        shown = _Shown(record.job_id, task, container, first)
        if receipt is None:
            return await self._running(shown, task, container, count)
        if receipt.s3_bucket is None or receipt.s3_key is None:
            return shown.lines((), more=False, status=receipt.status, why=receipt.why)
        index = await self._index(receipt)
        lines, more = await self._archived(receipt, index, first, count)
        where = f"s3://{receipt.s3_bucket}/{receipt.s3_key}"
        times = index.times_of(first, len(lines)) if index else {}
        return shown.lines(lines, more=more, status=receipt.status, why=receipt.why, s3_uri=where, times=times)

    async def search(self, record: Record, place: LogPlace, wanted: Wanted, first: int, most: int) -> LogFound:
        """The first lines that hold a text, from a line on. Raises UnknownLogError where there is no such container."""
        task, container = _find(record, place)
        receipt = record.receipt(task, container)
        if receipt is None:
            log = await self._live_log(task, container)
            held = list(enumerate(log.lines, log.dropped + 1))[max(0, first - 1 - log.dropped) :] if log else []
            found = tuple((number, line) for number, line in held if wanted.is_in(line))
            return LogFound(found[:most], found[most][0] if len(found) > most else None, complete=False)
        if receipt.s3_bucket is None or receipt.s3_key is None:
            return LogFound((), None, complete=True)
        index = await self._index(receipt)
        begin = index.before(first) if index else None
        kept = self._ahead(receipt, begin.offset if begin else 0)
        return await _search(kept, begin.line if begin else 1, wanted, first, most)

    async def link(self, record: Record, place: LogPlace, seconds: int) -> SignedLink:
        """A fresh link to the archived log. Raises UnknownLogError where it is not archived."""
        receipt = record.receipt(*_find(record, place))
        if receipt is None or receipt.s3_bucket is None or receipt.s3_key is None:
            why = "it is not archived yet" if receipt is None else f"there is none: {receipt.why}"
            raise UnknownLogError(f"The log cannot be downloaded: {why}.")
        return await self.objects.link(receipt.s3_bucket, receipt.s3_key, seconds)

    async def _archived(
        self, receipt: LogArchived, index: LogIndex | None, first: int, count: int
    ) -> tuple[tuple[str, ...], bool]:
        found: list[str] = []
        size = 0
        if index is None:
            kept, skip = self._kept(receipt), first - 1
        elif first > index.total:
            return (), False
        else:
            begin, end = index.before(first), index.after(first + count)
            kept, skip = self._kept(receipt, begin.offset, end.offset if end else None), first - begin.line
        async with aclosing(_split(kept, skip)) as wanted:
            async for line in wanted:
                if len(found) >= count or (found and size + len(line) > MOST_BYTES):
                    return tuple(found), True
                found.append(line.decode(errors="replace"))
                size += len(line)
        return tuple(found), False

    async def _index(self, receipt: LogArchived) -> LogIndex | None:
        """Where the lines of a large log are; None of a small one, and where that was not written or is gone."""
        if receipt.bytes <= INDEXED_BYTES:
            return None
        return await self._indexes.get((str(receipt.s3_bucket), index_key(str(receipt.s3_key))))

    async def _read_index(self, where: tuple[str, str]) -> LogIndex | None:
        # S3 says AccessDenied of what is not there to a caller who may not list; the log can be read without it.
        with suppress(AwsError, ObjectTooLargeError):
            return LogIndex.unpacked(await self.objects.get(*where, MOST_INDEX_BYTES))
        return None

    async def _kept(self, receipt: LogArchived, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.objects.chunks(str(receipt.s3_bucket), str(receipt.s3_key), start, end):
                yield chunk
        except AwsError as error:
            # S3 says AccessDenied of what is not there to a caller who may not list [S3 guide, GetObject].
            if error.code not in {"NoSuchKey", "AccessDenied"}:
                raise
            raise UnknownLogError(
                "The log was archived and is gone, since its bucket's lifecycle deletes what is old; or this role may "
                "not read it."
            ) from None

    async def _ahead(self, receipt: LogArchived, start: int) -> AsyncGenerator[bytes, None]:
        """The same from a byte on, in ranges, of which some are read while the one before is looked through."""
        ranges, reads = _ranges(start, receipt.bytes), deque[asyncio.Task[list[bytes]]]()
        try:
            for number, part in enumerate(ranges):
                reads.append(asyncio.create_task(self._range(receipt, *part)))
                if number == 0 or len(reads) == _AHEAD:
                    for chunk in await reads.popleft():
                        yield chunk
            while reads:
                for chunk in await reads.popleft():
                    yield chunk
        finally:
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)

    async def _range(self, receipt: LogArchived, start: int, end: int | None) -> list[bytes]:
        return [chunk async for chunk in self._kept(receipt, start, end)]

    async def _running(self, shown: _Shown, task: TaskChanged, container: ContainerState, count: int) -> LogLines:
        status: Literal["running", "archiving"] = "archiving" if task.stopped else "running"
        log = await self._live_log(task, container)
        if log is None:
            why = "it is written elsewhere than to CloudWatch, or its stream has no name yet"
            return shown.lines((), more=False, status=status, why=why)
        skipped = max(0, shown.first - 1 - log.dropped)
        shown.first = max(shown.first, log.dropped + 1)
        lines = tuple(_within(islice(log.lines, skipped, skipped + count)))
        more = log.more or skipped + len(lines) < len(log.lines)
        unwritten = None if log.exists else "nothing was written yet"
        times = dict(enumerate(islice(log.times, skipped, skipped + len(lines)), shown.first))
        return shown.lines(lines, more=more, status=status, why=unwritten, times=times)

    async def _live_log(self, task: TaskChanged, container: ContainerState) -> _LiveLog | None:
        """What was read of it by now; None where it cannot be read."""
        known = await self.tasks.log_configurations(task.task_definition_arn) if task.task_definition_arn else None
        configuration = (known or {}).get(container.name, _NO_LOG)
        stream = log_stream(configuration.stream_prefix, container.name, task.task_id, container.runtime_id)
        if configuration.driver != "awslogs" or configuration.group is None or stream is None:
            return None
        return await self._live.get((configuration.group, stream))

    async def _look(self, which: tuple[str, str]) -> _LiveLog:
        """Read on from where the last look ended, some pages at most."""
        log = self._known.pop(which, None) or _LiveLog()
        self._known[which] = log  # The last to be looked at is the last to go.
        while len(self._known) > _HELD_LOGS:
            self._known.pop(next(iter(self._known)))
        since, token = log.last_at, None
        for _ in range(_PAGES_A_LOOK):
            found = await self.looks.since(*which, since, token)
            if found is None:
                break
            log.exists = True
            for line in found.lines:
                log.add(line)
            log.more, token = found.next_token is not None, found.next_token
            if token is None:
                break
        return log


@dataclass
class _Shown:
    """What every answer about a log says of it."""

    job_id: str
    task: TaskChanged
    container: ContainerState
    first: int

    def lines(
        self,
        lines: tuple[str, ...],
        *,
        more: bool,
        status: Literal["running", "archiving", "complete", "possibly_lossy", "absent"],
        why: str | None,
        s3_uri: str | None = None,
        times: Mapping[int, float] = _NO_TIMES,
    ) -> LogLines:
        redrive, stage, attempt = self.task.place
        numbers = range(self.first, self.first + len(lines))
        return LogLines(
            job_id=self.job_id,
            stage=stage or 0,
            attempt=attempt,
            redrive=redrive,
            container=self.container.name,
            first_line=self.first,
            lines=lines,
            times=tuple(iso(times.get(number)) for number in numbers) if times else (),
            more=more,
            complete=status not in {"running", "archiving"} and not more,
            status=status,
            why=why,
            s3_uri=s3_uri,
        )


def _find(record: Record, place: LogPlace) -> tuple[TaskChanged, ContainerState]:
    """The container that is meant; of several redrives the last, unless one is named."""
    outcomes = (outcome for outcome in stages_of(record) if outcome.number == place.stage)
    attempts = [attempt for outcome in outcomes for attempt in outcome.attempts if attempt.number == place.attempt]
    of_redrive = [item for item in attempts if place.redrive in (None, item.redrive)]
    task = of_redrive[-1].task if of_redrive else None
    containers = task.containers if task else ()
    container = next((item for item in containers if item.name == place.container), None)
    if task is None or container is None:
        named = ", ".join(item.name for item in containers)
        raise UnknownLogError(
            f"There is no container {place.container} in attempt {place.attempt} of stage {place.stage}"
            + (f"; there is {named}." if named else ", as far as ECS told by now.")
        )
    return task, container


def _within(lines: islice[str]) -> list[str]:
    """As many as an answer may hold; one at the least."""
    found: list[str] = []
    size = 0
    for line in lines:
        size += len(line)
        if found and size > MOST_BYTES:
            break
        found.append(line)
    return found


async def _split(chunks: AsyncIterator[bytes], skip: int) -> AsyncGenerator[bytes, None]:
    """The lines of a log after so many, which are counted and not held."""
    rest = b""
    async for chunk in chunks:
        if skip:
            breaks = chunk.count(b"\n")
            if breaks < skip:
                skip -= breaks
                continue
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines[skip:]:
            yield line
        skip = 0
    if rest:
        yield rest


def _ranges(start: int, size: int) -> Iterator[tuple[int, int | None]]:
    """From a byte on; the last goes to the end, wherever that is."""
    end = start + _FIRST_RANGE
    while end < size:
        yield start, end
        start, end = end, end + _RANGE
    yield start, None


async def _search(chunks: AsyncGenerator[bytes, None], number: int, wanted: Wanted, first: int, most: int) -> LogFound:
    """Block by block: what cannot hold it is counted alone."""
    found: list[tuple[int, str]] = []
    size = 0
    async with aclosing(chunks), aclosing(_blocks(chunks)) as blocks:
        async for block in blocks:
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            if number + lines > first and wanted.may_be_in(block):
                for at, line in enumerate(block.removesuffix(b"\n").split(b"\n"), number):
                    if at >= first and wanted.may_be_in(line) and wanted.is_in(text := line.decode(errors="replace")):
                        if len(found) == most:
                            return LogFound(tuple(found), at, complete=True)
                        found.append((at, text))
            weight = 1 if block.isascii() else _DECODED_WEIGHT
            number, size = number + lines, size + weight * len(block)
            if size >= MOST_SEARCHED_BYTES:
                return LogFound(tuple(found), number, complete=True)
    return LogFound(tuple(found), None, complete=True)


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same as whole lines, many at once."""
    rest = b""
    async for chunk in chunks:
        whole, end, left = chunk.rpartition(b"\n")
        if end:
            yield rest + whole + end
            rest = left
        else:
            rest += chunk
    if rest:
        yield rest
