"""Copy one stopped container's whole log from CloudWatch to S3, and write the receipt."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.base import well_formed
from service.aws.container_logs import ContainerLogs, LogEvent
from service.aws.errors import AwsError
from service.aws.objects import GZIP, PART_BYTES, Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.clock import Clock
from service.core.log_index import INDEXED_BYTES, Marks, index_key
from service.core.log_layout import log_key, log_stream
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction, cut
from service.memory import Memory, Share

_TAIL_LINES = 10
_TAIL_LINE_CHARACTERS = 200
# What of a line is looked at before it is cut, so that a secret is still whole when it is looked for.
_TAIL_LOOK_CHARACTERS = 2000
# A container that ran has a stream, since the driver makes it first; it may appear late [prefect-aws #177, metaflow
# #209]. So many quiet times it is waited for, and asked for every so often.
_QUIET_TIMES_WITHOUT_A_STREAM = 4
_POLL_SECONDS = 4.0
_NO_LOG = LogConfiguration()
# 1 MB of text [GetLogEvents], and what JSON makes of it; the events that it becomes are bytes again before the next.
_PAGE_BYTES = 2 * 1024 * 1024
# A part that is being sent, twice; and a page, of which the rest begins the next part.
MOST_OF_ONE_LOG = 2 * PART_BYTES + _PAGE_BYTES


@dataclass
class _Tally:
    """What the receipt and the index say of the lines that went by; what grows here, and by a constant only."""

    lines: int = 0
    size: int = 0
    first_at: float | None = None
    last_at: float | None = None
    has_a_stream: bool = False
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    marks: Marks = field(default_factory=Marks)

    def count(self, event: LogEvent) -> bytes:
        """Note a line, and answer with its bytes in the archive."""
        text = event.message.rstrip("\n")
        line = (text + "\n").encode(errors="replace")
        self.lines += 1
        self.marks.note(self.lines, self.size, event.at)
        self.size += len(line)
        self.first_at = event.at if self.first_at is None else min(self.first_at, event.at)
        self.last_at = event.at if self.last_at is None else max(self.last_at, event.at)
        self.digest.update(line)
        self.tail.append(text[:_TAIL_LOOK_CHARACTERS])
        return line

    def last_words(self, redaction: Redaction) -> tuple[str, ...]:
        """The last lines as they may be told."""
        words = redaction.lines(str(well_formed(line)) for line in self.tail)
        return tuple(cut(line, _TAIL_LINE_CHARACTERS) for line in words[-_TAIL_LINES:])


@dataclass(frozen=True)
class LogArchive:
    """Archives logs. A log is whole once its end was read and nothing came for `quiet_seconds` since the stop.

    So nothing is asked for before: what came meanwhile is there then, and says itself when it came.
    """

    tasks: Tasks
    logs: ContainerLogs
    objects: Objects
    bucket: str
    region: str
    quiet_seconds: float
    memory: Memory
    now: Clock
    redaction: Redaction

    async def archive(self, task: TaskChanged, container: ContainerState, work: str) -> LogArchived:
        """The receipt of a container's log, which is in S3 by then unless the receipt says why not.

        `work` names the piece of work that this is a part of: two that archive the same log write two objects.
        """
        receipt = LogArchived(
            job_id=task.job_id, task_id=task.task_id, container=container.name, status="absent", region=self.region
        )
        known = await self._configurations(task)
        if known is None:
            return receipt.model_copy(update={"why": "its task definition is gone, and with it where it logged to"})
        configuration = known.get(container.name, _NO_LOG)
        if configuration.driver != "awslogs":
            return receipt.model_copy(update=_elsewhere(task, container, configuration, known))
        stream = log_stream(configuration.stream_prefix, container.name, task.task_id, container.runtime_id)
        why = self._unreadable(configuration, stream)
        if why is not None or stream is None or configuration.group is None:
            return receipt.model_copy(update={"why": why})
        receipt = receipt.model_copy(update={"log_group": configuration.group, "log_stream": stream})
        key = log_key(task.job_id, task.stage, task.attempt, container.name, task.task_id, work)
        return await self._copy(task, container, configuration, receipt, key)

    async def _configurations(self, task: TaskChanged) -> dict[str, LogConfiguration] | None:
        return await self.tasks.log_configurations(task.task_definition_arn) if task.task_definition_arn else None

    def _unreadable(self, configuration: LogConfiguration, stream: str | None) -> str | None:
        """Why there is no log to read, where that is certain beforehand."""
        if configuration.group is None:
            return "the log driver's options name no log group"
        if stream is None:
            return "the stream has no prefix and the container no runtime id, so its stream cannot be named"
        if configuration.region not in (None, self.region):
            return f"the log is in another region: {configuration.region}, group {configuration.group}, stream {stream}"
        return None

    async def _copy(
        self,
        task: TaskChanged,
        container: ContainerState,
        configuration: LogConfiguration,
        receipt: LogArchived,
        key: str,
    ) -> LogArchived:
        tally, ended_at = _Tally(), self._ended_at(task, container)
        with self.memory.share() as held:
            chunks = self._chunks(str(receipt.log_group), str(receipt.log_stream), ended_at, tally, held)
            first = await anext(chunks, None)
            if first is None:
                return receipt.model_copy(update={"why": _why_empty(task, container, tally)})
            lines = _chain(first, chunks)
            del first
            await self.objects.stream(self.bucket, key, lines, held)
        if tally.size > INDEXED_BYTES:
            await self._index(key, tally)
        lossy = _why_lossy(configuration)
        return receipt.model_copy(
            update={
                "status": "possibly_lossy" if lossy else "complete",
                "why": lossy,
                "lines": tally.lines,
                "bytes": tally.size,
                "sha256": tally.digest.hexdigest(),
                "first_at": tally.first_at,
                "last_at": tally.last_at,
                "archived_at": self.now(),
                "s3_bucket": self.bucket,
                "s3_key": key,
                "tail": tally.last_words(self.redaction) if container.exit_code != 0 else (),
            }
        )

    async def _index(self, key: str, tally: _Tally) -> None:
        """So that any line of a large log is one read away. Without it a log is whole, and not archived anew for it."""
        with suppress(AwsError):
            await self.objects.put(self.bucket, index_key(key), tally.marks.packed(tally.lines, tally.size), GZIP)

    def _ended_at(self, task: TaskChanged, container: ContainerState) -> float | None:
        """Since when there is something to wait for, which lags the stop; what never started has nothing to deliver."""
        return None if task.never_ran(container) else task.stopped_at or self.now()

    async def _chunks(
        self, group: str, stream: str, ended_at: float | None, tally: _Tally, held: Share
    ) -> AsyncIterator[bytes]:
        """The lines of every page that has any, until the token repeats and it has been quiet for long enough.

        `held` holds what is handed out, and meanwhile room for a page.
        """
        token: str | None = None
        was_at_end = False
        quiet_until = ended_at + self.quiet_seconds if ended_at is not None else 0.0
        await asyncio.sleep(max(0.0, quiet_until - self.now()))
        while True:
            await held.take(_PAGE_BYTES)
            await self.logs.turn()
            asked_at = self.now()
            page = await self.logs.page(group, stream, token)
            tally.has_a_stream |= page is not None
            next_token, chunk = (page.next_token, b"".join(map(tally.count, page.events))) if page else (token, b"")
            if page is not None and page.events:
                came_at = min(self.now(), max(_came_at(event, self.now(), was_at_end) for event in page.events))
                quiet_until = max(quiet_until, came_at + self.quiet_seconds)
            del page  # It is several times as large as its text, and an upload may take long.
            held.give_back(_PAGE_BYTES - len(chunk))
            if chunk:
                yield chunk
            del chunk
            if next_token != token:
                token = next_token
                continue
            waits_for_stream = not tally.has_a_stream and ended_at is not None
            until = quiet_until + waits_for_stream * (_QUIET_TIMES_WITHOUT_A_STREAM - 1) * self.quiet_seconds
            # By the question and not by its answer: lines may have come since, while we or the answer stood still.
            if asked_at >= until:
                return
            was_at_end = True
            left = max(0.05, until - self.now())
            await asyncio.sleep(min(_POLL_SECONDS, left) if waits_for_stream else left)


def _came_at(event: LogEvent, now: float, was_at_end: bool) -> float:
    """When a line came. Where CloudWatch does not say, one that comes once the end was reached came just now."""
    if event.taken_in_at is not None:
        return event.taken_in_at
    return now if was_at_end else event.at


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    del first
    async for chunk in rest:
        yield chunk
        del chunk


def _elsewhere(
    task: TaskChanged, container: ContainerState, own: LogConfiguration, known: Mapping[str, LogConfiguration]
) -> dict[str, str]:
    """What a receipt says of a log that is not in CloudWatch, as far as we are concerned."""
    if task.never_ran(container):
        return {"why": _why_never_started(task, container)}
    if own.driver is None:
        return {"why": "the container has no log driver, so its output went nowhere"}
    where = f"look where it sends its output{f', {own.sent_to}' if own.sent_to else ''}"
    if own.driver != "awsfirelens":
        return {"why": f"the log driver is {own.driver}: {where}"}
    router = next((item for item in task.containers if known.get(item.name, _NO_LOG).is_router), None)
    return _by_firelens(where, router)


def _by_firelens(where: str, router: ContainerState | None) -> dict[str, str]:
    """The router beside the container passed its log on; one that was killed may have held some of it."""
    if router is None or router.exit_code == 0:
        return {"why": f"FireLens passed it on: {where}"}
    ended = "has no exit code" if router.exit_code is None else f"ended with exit code {router.exit_code}"
    why = f"FireLens passed it on: {where}; its router {router.name} {ended}, perhaps before all was sent"
    return {"status": "possibly_lossy", "why": why}


def _why_never_started(task: TaskChanged, container: ContainerState) -> str:
    return f"the container never started: {container.reason or task.stopped_reason or 'ECS gave no reason'}"


def _why_empty(task: TaskChanged, container: ContainerState, tally: _Tally) -> str:
    if task.never_ran(container):
        return _why_never_started(task, container)
    if tally.has_a_stream:
        return "the container wrote nothing"
    return "its log stream never appeared: look whether its log group exists, and whether its execution role may write"


def _why_lossy(configuration: LogConfiguration) -> str | None:
    """Non-blocking is the default since 2025-06-25, with a buffer of 10m [botocore, LogConfiguration]."""
    if configuration.mode == "blocking":
        return None
    named = configuration.mode or "unset, so non-blocking by default"
    return f"the log driver's mode is {named}: lines beyond its buffer of {configuration.buffer or '10m'} are dropped"
