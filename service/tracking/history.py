"""The histories of executions: one that has ended is asked for once, and kept beside the job's other objects."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.aws.errors import AwsError
from service.aws.executions import Executions
from service.aws.objects import Objects, ObjectTooLargeError
from service.core.log_layout import history_key
from service.core.record.record import Record
from service.core.tracking.steps import HistoryEvent, is_whole
from service.tracking.shared import Shared

# A history holds 25,000 events [Step Functions quotas], each of which may hold a state's whole input.
_LARGEST_BYTES = 64 * 1024 * 1024
_RUNNING_SECONDS = 2.0
_HELD = 8  # Of each kind, for a while.
_GZIP = "application/gzip"


@dataclass(frozen=True)
class Histories:
    """Of ended executions from S3, where somebody asked before; of others from Step Functions, once for all viewers."""

    executions: Executions
    objects: Objects
    running_seconds: float = _RUNNING_SECONDS
    _running: Shared[str, list[HistoryEvent]] = field(init=False)
    _ended: Shared[tuple[str, str, str], list[HistoryEvent]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_running", Shared(self._ask, self.running_seconds, most=_HELD))
        # In memory for a while only: a page asks for the same steps again and again.
        object.__setattr__(self, "_ended", Shared(self._kept, 60.0, most=_HELD))

    async def of(self, record: Record) -> list[HistoryEvent]:
        """All that is known of the execution, oldest first; nothing where there is none, or it is forgotten."""
        execution, request = record.execution, record.request
        if execution is None or request is None or not execution.arn:
            return []
        if not execution.ended:
            return await self._running.get(record.job_id)
        key = history_key(record.job_id, execution.redrive_count, execution.status)
        return await self._ended.get((record.job_id, request.bucket, key))

    async def _kept(self, which: tuple[str, str, str]) -> list[HistoryEvent]:
        job_id, bucket, key = which
        with suppress(AwsError, ObjectTooLargeError):  # What cannot be read is asked for again.
            return _read(await self.objects.get(bucket, key, _LARGEST_BYTES))
        asked = await self._ask(job_id)
        if is_whole(asked):
            with suppress(AwsError):  # Who may only read sees it all the same.
                await self.objects.put(bucket, key, _written(asked), _GZIP)
        return asked

    async def _ask(self, job_id: str) -> list[HistoryEvent]:
        return [_plain(event) for event in await self.executions.history(job_id)]


def _plain(event: Mapping[str, Any]) -> HistoryEvent:
    """As JSON can hold it, and without what nobody reads."""
    at = event["timestamp"]
    details = {name: value for name, value in event.items() if name.endswith("EventDetails")}
    return {"type": event["type"], "timestamp": at.timestamp() if isinstance(at, datetime) else float(at), **details}


def _written(history: Sequence[HistoryEvent]) -> bytes:
    return gzip.compress(json.dumps(history, default=str).encode(), mtime=0)


def _read(body: bytes) -> list[HistoryEvent]:
    read: list[HistoryEvent] = json.loads(gzip.decompress(body))
    return read
