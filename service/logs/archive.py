"""Copy one stopped container's whole log from CloudWatch to S3, and write the receipt."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.base import well_formed
from service.aws.errors import AwsError
from service.aws.objects import GZIP, PART_BYTES, Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.clock import Clock
from service.core.log_index import INDEXED_BYTES, Marks, index_key
from service.core.log_lanes import LogEvent, StoppedLog
from service.core.log_layout import log_key, log_stream
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction, cut
from service.logs.lanes import LogLanes
from service.logs.paged import PAGE_BYTES
from service.memory import Memory, Share

_TAIL_LINES = 10
_TAIL_LINE_CHARACTERS = 200
# What of a line is looked at before it is cut, so that a secret is still whole when it is looked for.
_TAIL_LOOK_CHARACTERS = 2000
_NO_LOG = LogConfiguration()
# A part that is being sent, twice; and a page, of which the rest begins the next part.
MOST_OF_ONE_LOG = 2 * PART_BYTES + PAGE_BYTES


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
        """Note an event, and answer with its bytes in the archive: a line, or several [awslogs-multiline-pattern]."""
        text = event.message.rstrip("\n")
        line = (text + "\n").encode(errors="replace")
        self.marks.note(self.lines + 1, self.size, event.at)
        self.lines += line.count(b"\n")
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
    """Archives logs: says where each is, writes what the lanes read of it, and makes the receipt."""

    tasks: Tasks
    lanes: LogLanes
    objects: Objects
    bucket: str
    region: str
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
            chunks = self._lines(StoppedLog(str(receipt.log_group), str(receipt.log_stream), ended_at), tally, held)
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

    async def _lines(self, log: StoppedLog, tally: _Tally, held: Share) -> AsyncIterator[bytes]:
        """What there is to write, counted."""
        async for chunk in self.lanes.chunks(log, tally.count, held):
            tally.has_a_stream = True
            if chunk:
                yield chunk
            del chunk

    def _ended_at(self, task: TaskChanged, container: ContainerState) -> float | None:
        """Since when there is something to wait for, which lags the stop; what never started has nothing to deliver."""
        return None if task.never_ran(container) else task.stopped_at or self.now()


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
