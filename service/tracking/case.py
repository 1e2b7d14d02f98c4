"""A job as one file: all that is known of it is gathered, and what cannot be had is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import ParamSpec, TypeVar

from schemas.base import json_object
from schemas.casefile import CaseManifest, CaseSettings, NotKnown
from schemas.catalog import Catalog
from schemas.errors import SettingsError
from service.aws.errors import AwsError
from service.aws.objects import Objects, ObjectTooLargeError
from service.core.admission.request_body import MAX_BODY_BYTES
from service.core.casefile.collecting import (
    Gathered,
    Member,
    Wanted,
    closing,
    described,
    manifest_of,
    members_of,
    not_known,
)
from service.core.casefile.files import LOGS, CaseWriter
from service.core.casefile.long_texts import left_out_of, shown_log
from service.core.casefile.requests import stages_in, stages_key_in
from service.core.log_layout import S3Location, safe_segment, split_s3_uri
from service.core.policy.outcome import AttemptOutcome, stages_of
from service.core.record.facts import ContainerState
from service.core.record.record import Record
from service.core.tracking.steps import HistoryEvent
from service.tracking.errors import UnknownLogError
from service.tracking.logs import MOST_LINES, LogPlace
from service.tracking.tracker import Tracker

TAIL_LINES = 100
_LARGEST_LOG_BYTES = 32 * 1024 * 1024
_LARGEST_LOGS_BYTES = 2 * _LARGEST_LOG_BYTES
_MOST_LOGS = 200
# A line of a few bytes takes sixty of memory: without this, a log of 32 MiB could take a gigabyte.
_MOST_LINES_OF_A_LOG = 500_000

P = ParamSpec("P")
T = TypeVar("T")


def own_version() -> str:
    """Which Jobferry this is; the function behind API Gateway is made of its files alone, and does not know."""
    try:
        return version("jobferry")
    except PackageNotFoundError:
        return "of an unknown version"


@dataclass(frozen=True)
class CaseFiles:
    """Makes case files of the jobs that a tracker finds."""

    tracker: Tracker
    objects: Objects
    catalog: Callable[[], Awaitable[Catalog | None]]
    settings: CaseSettings
    # What takes long is done for one case at a time, so that many leave room for whatever else is served.
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), compare=False)

    async def of(self, tenant: str | None, job_id: str, wanted: Wanted) -> CaseFile:
        """The case of a job or of a rejected request, as it is now. Raises UnknownJobError."""
        record = await self.tracker.find(tenant, job_id)
        lost: list[NotKnown] = []
        gathered = Gathered(
            record=record,
            made_at=self.tracker.now(),
            made_by=own_version(),
            wanted=wanted,
            history=await self._history(record, lost),
            stages=json.loads(await self._stages(record, lost)),
            asked=await self._asked(record),
            body=await self._body(record),
            catalog=await self._catalog(lost),
            settings=self.settings,
            redaction=self.tracker.redaction,
        )
        return CaseFile(self.tracker, replace(gathered, not_known=tuple(lost)), self.turn)

    async def _history(self, record: Record, lost: list[NotKnown]) -> Sequence[HistoryEvent]:
        if record.rejection is not None:
            return ()
        try:
            found = await self.tracker.histories.of(record)
        except AwsError as error:
            lost.append(NotKnown(what="the planner's decisions, and the history", why=_why(error)))
            return ()
        if not found and record.execution is not None and record.execution.arn:
            why = "Step Functions knows none: it keeps them for 90 days"
            lost.append(NotKnown(what="the planner's decisions, and the history", why=why))
        return found

    async def _stages(self, record: Record, lost: list[NotKnown]) -> str:
        """The frozen stages, as JSON."""
        request = record.request
        where = stages_key_in(request.execution_input) if request else None
        if where is None:
            return json.dumps(stages_in(request.execution_input) if request else [])
        found = await self._text(where)
        if found is None:
            lost.append(NotKnown(what="the frozen stages", why="the object that they lie in cannot be read"))
        return found if found and isinstance(json_object('{"stages":' + found + "}").get("stages"), list) else "[]"

    async def _asked(self, record: Record) -> str:
        """What is kept of an admitted request beside its record."""
        request = record.request
        if request is None or not request.asked_s3_key:
            return request.asked if request else ""
        return await self._text((request.bucket, request.asked_s3_key)) or ""

    async def _body(self, record: Record) -> str | None:
        where = split_s3_uri(record.rejection.body_s3_uri) if record.rejection else None
        return await self._text(where) if where else None

    async def _text(self, where: S3Location) -> str | None:
        try:
            return (await self.objects.get(*where, 2 * MAX_BODY_BYTES)).decode(errors="replace")
        except (AwsError, ObjectTooLargeError):
            return None

    async def _catalog(self, lost: list[NotKnown]) -> Catalog | None:
        try:
            return await self.catalog()
        except SettingsError as error:
            lost.append(NotKnown(what="today's catalogue", why=" ".join(str(error).split())[:300]))
            return None


@dataclass(frozen=True)
class CaseFile:
    """One case: all of it is known but the logs, which are read while it is written."""

    tracker: Tracker
    gathered: Gathered
    turn: asyncio.Semaphore

    async def chunks(self, tell: Callable[[CaseManifest], object] = lambda _: None) -> AsyncIterator[bytes]:
        """The zip, piece by piece; `tell` is told what lies in it once that is known."""
        writer = CaseWriter(self.gathered.made_at)
        members = await self._aside(members_of, self.gathered)
        lost, inside = list(not_known(self.gathered)), []
        async for member in self._with_logs(members, lost):
            inside.append(described(member))
            lost.extend(left_out_of(member.name, member.text))
            yield await self._aside(writer.add, member.name, member.text)
        manifest = manifest_of(self.gathered, inside, lost)
        for member in closing(manifest):
            yield writer.add(member.name, member.text)
        yield writer.end()
        tell(manifest)

    async def _aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What would hold up all else, in a thread: secrets are looked for by some forty patterns."""
        async with self.turn:
            return await asyncio.to_thread(work, *args, **kwargs)

    async def _with_logs(self, members: Sequence[Member], lost: list[NotKnown]) -> AsyncIterator[Member]:
        for member in members:
            yield member
        async for log in self._logs(lost):
            yield log

    async def _logs(self, lost: list[NotKnown]) -> AsyncIterator[Member]:
        """The latest first, since there may be too much of them."""
        if self.gathered.wanted.logs == "none":
            return
        written = list(_containers(self.gathered.record))
        if len(written) > _MOST_LOGS:
            why = f"there are {len(written):,}, and a case has the last {_MOST_LOGS}"
            lost.append(NotKnown(what="the logs of earlier containers", why=why))
        room = _LARGEST_LOGS_BYTES
        for stage, attempt, container in reversed(written[-_MOST_LOGS:]):
            name = _log_name(stage, attempt, container)
            most = min(room, _LARGEST_LOG_BYTES)
            try:
                lines = await self._lines(stage, attempt, container, most)
            except (AwsError, UnknownLogError) as error:
                lost.append(NotKnown(what=name, why=_why(error)))
                continue
            if isinstance(lines, str):
                lost.append(NotKnown(what=name, why=lines))
            elif lines:
                room -= sum(map(len, lines))
                yield Member(name, await self._aside(shown_log, lines, self.gathered.redaction))

    async def _lines(
        self, stage: int, attempt: AttemptOutcome, container: ContainerState, most: int
    ) -> list[str] | str:
        """The lines that are wanted; or why not, of a log that is larger than so many bytes, or has too many lines."""
        record, whole = self.gathered.record, self.gathered.wanted.logs == "whole"
        receipt = record.receipt(attempt.task, container) if attempt.task else None
        if receipt is not None and receipt.bytes > (most if whole else _LARGEST_LOG_BYTES):
            return _too_large(most)
        place = LogPlace(stage, attempt.number, container.name, attempt.redrive)
        first = 1 if whole or receipt is None else max(1, receipt.lines - TAIL_LINES + 1)
        lines: list[str] = []
        size, more = 0, True
        while more and size <= most and len(lines) <= _MOST_LINES_OF_A_LOG:
            found = await self.tracker.logs.lines(record, place, first, MOST_LINES)
            lines.extend(found.lines)
            size += sum(map(len, found.lines))
            first, more = found.first_line + len(found.lines), found.more and bool(found.lines)
        if size > most:
            return _too_large(most)
        if len(lines) > _MOST_LINES_OF_A_LOG:
            return f"it has more than {_MOST_LINES_OF_A_LOG:,} lines"
        return lines if whole else lines[-TAIL_LINES:]


def _containers(record: Record) -> Iterator[tuple[int, AttemptOutcome, ContainerState]]:
    for stage in stages_of(record):
        for attempt in stage.attempts:
            for container in attempt.task.containers if attempt.task else ():
                yield stage.number, attempt, container


def _log_name(stage: int, attempt: AttemptOutcome, container: ContainerState) -> str:
    of_redrive = f"redrive-{attempt.redrive}/" if attempt.redrive else ""
    task_id = attempt.task.task_id if attempt.task else ""
    return f"{LOGS}{of_redrive}{stage}-{attempt.number}/{safe_segment(container.name)}-{safe_segment(task_id)}.log"


def _too_large(most: int) -> str:
    if most == _LARGEST_LOG_BYTES:
        return f"it is larger than {most:,} bytes"
    return f"with the logs of later containers it is larger than {_LARGEST_LOGS_BYTES:,} bytes"


def _why(error: AwsError | UnknownLogError) -> str:
    if isinstance(error, AwsError):
        return f"AWS could not be asked{f' ({error.code})' if error.code else ''}"
    return str(error)
