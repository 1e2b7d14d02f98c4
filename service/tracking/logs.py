"""A container's log, by lines: from S3 once it is archived, before that from CloudWatch."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from schemas.tracking import LogLines
from service.aws.errors import AwsError
from service.aws.log_looks import FoundLine, LogLooks
from service.aws.objects import Objects, SignedLink
from service.aws.tasks import LogConfiguration, Tasks
from service.core.log_layout import log_stream
from service.core.policy.outcome import stages_of
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.record.record import Record
from service.tracking.errors import UnknownLogError
from service.tracking.shared import Shared

MOST_LINES = 5000
MOST_BYTES = 1024 * 1024
# Of a log that is written, so much is held for all who look at it; the whole of it comes with the archive.
_HELD_LINES, _HELD_BYTES, _HELD_LOGS = 50_000, 4 * 1024 * 1024, 32
_PAGES_A_LOOK = 5
_LOOK_SECONDS = 1.0
_NO_LOG = LogConfiguration()


@dataclass(frozen=True)
class LogPlace:
    """Which container's log."""

    stage: int
    attempt: int
    container: str
    redrive: int | None = None


@dataclass
class _LiveLog:
    """What was read of a stream so far."""

    lines: deque[str] = field(default_factory=deque)
    dropped: int = 0
    size: int = 0
    last_at: float = 0.0
    last_ids: set[str] = field(default_factory=set)
    more: bool = False
    exists: bool = False

    def add(self, found: FoundLine) -> None:
        """Note a line, unless it is known; a look begins with the moment that the last one ended with."""
        if found.id in self.last_ids:
            return
        if found.at > self.last_at:
            self.last_ids.clear()
            self.last_at = found.at
        self.last_ids.add(found.id)
        line = found.message.rstrip("\n")
        self.lines.append(line)
        self.size += len(line)
        while len(self.lines) > _HELD_LINES or (self.size > _HELD_BYTES and len(self.lines) > 1):
            self.size -= len(self.lines.popleft())
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "_live", Shared(self._look, self.look_seconds, most=_HELD_LOGS))

    async def lines(self, record: Record, place: LogPlace, first: int, count: int) -> LogLines:
        """Some lines, from the one of this number on. Raises UnknownLogError where there is no such container."""
        task, container = _find(record, place)
        receipt = record.receipt(task, container)
        shown = _Shown(record.job_id, task, container, first)
        if receipt is None:
            return await self._running(shown, task, container, count)
        if receipt.s3_bucket is None or receipt.s3_key is None:
            return shown.lines((), more=False, status=receipt.status, why=receipt.why)
        lines, more = await self._archived(receipt, first, count)
        where = f"s3://{receipt.s3_bucket}/{receipt.s3_key}"
        return shown.lines(lines, more=more, status=receipt.status, why=receipt.why, s3_uri=where)

    async def link(self, record: Record, place: LogPlace, seconds: int) -> SignedLink:
        """A fresh link to the archived log. Raises UnknownLogError where it is not archived."""
        receipt = record.receipt(*_find(record, place))
        if receipt is None or receipt.s3_bucket is None or receipt.s3_key is None:
            why = "it is not archived yet" if receipt is None else f"there is none: {receipt.why}"
            raise UnknownLogError(f"The log cannot be downloaded: {why}.")
        return await self.objects.link(receipt.s3_bucket, receipt.s3_key, seconds)

    async def _archived(self, receipt: LogArchived, first: int, count: int) -> tuple[tuple[str, ...], bool]:
        found: list[str] = []
        size = 0
        async with aclosing(_split(self._kept(receipt), first - 1)) as wanted:
            async for line in wanted:
                if len(found) >= count or (found and size + len(line) > MOST_BYTES):
                    return tuple(found), True
                found.append(line.decode(errors="replace"))
                size += len(line)
        return tuple(found), False

    async def _kept(self, receipt: LogArchived) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.objects.chunks(str(receipt.s3_bucket), str(receipt.s3_key)):
                yield chunk
        except AwsError as error:
            # S3 says AccessDenied of what is not there to a caller who may not list [S3 guide, GetObject].
            if error.code not in {"NoSuchKey", "AccessDenied"}:
                raise
            raise UnknownLogError(
                "The log was archived and is gone, since its bucket's lifecycle deletes what is old; or this role may "
                "not read it."
            ) from None

    async def _running(self, shown: _Shown, task: TaskChanged, container: ContainerState, count: int) -> LogLines:
        status: Literal["running", "archiving"] = "archiving" if task.stopped else "running"
        known = await self.tasks.log_configurations(task.task_definition_arn) if task.task_definition_arn else None
        configuration = (known or {}).get(container.name, _NO_LOG)
        stream = log_stream(configuration.stream_prefix, container.name, task.task_id, container.runtime_id)
        if configuration.driver != "awslogs" or configuration.group is None or stream is None:
            why = "it is written elsewhere than to CloudWatch, or its stream has no name yet"
            return shown.lines((), more=False, status=status, why=why)
        log = await self._live.get((configuration.group, stream))
        skipped = max(0, shown.first - 1 - log.dropped)
        shown.first = max(shown.first, log.dropped + 1)
        lines = tuple(_within(islice(log.lines, skipped, skipped + count)))
        more = log.more or skipped + len(lines) < len(log.lines)
        return shown.lines(lines, more=more, status=status, why=None if log.exists else "nothing was written yet")

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
    ) -> LogLines:
        redrive, stage, attempt = self.task.place
        return LogLines(
            job_id=self.job_id,
            stage=stage or 0,
            attempt=attempt,
            redrive=redrive,
            container=self.container.name,
            first_line=self.first,
            lines=lines,
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
