"""What a list of jobs is asked by, and what of an outcome is kept for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from schemas.errors import JobferryError
from schemas.notification import AttemptReport, JobNotification, StageReport
from schemas.tracking import ListedStatus
from service.core.record.facts import StageSpent

# A summary is copied into an index, at a write unit for each 1,024 bytes: of a job of many stages the first will do.
_MOST_STAGES_IN_BRIEF = 12


class CursorError(JobferryError):
    """The cursor is none of this list's: ask without one, by the filters that it was given for."""


@dataclass(frozen=True)
class JobFilter:
    """Which jobs of a tenant. Moments are epoch seconds; a label without a value is any value of it."""

    status: ListedStatus | None = None
    job_type: str | None = None
    user: str | None = None
    label: str | None = None
    label_value: str | None = None
    failure_class: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves out jobs of its span of time, so that many may have to be looked at for one."""
        given = asdict(self)
        return any(given[name] is not None for name in given if name not in {"since", "until"})

    def cursor(self, tenant: str, place: str) -> str:
        """What the page after this place is asked by."""
        text = json.dumps([place, self._digest(tenant)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def place(self, tenant: str, cursor: str) -> str:
        """The place that a cursor names. Raises CursorError where it was given for another list."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            read = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
        except (ValueError, binascii.Error, RecursionError):
            raise CursorError from None
        if not isinstance(read, list) or len(read) != 2 or read[1] != self._digest(tenant):
            raise CursorError
        return str(read[0])

    def _digest(self, tenant: str) -> str:
        text = json.dumps([tenant, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def spent_of(notification: JobNotification) -> tuple[StageSpent, ...]:
    """How long each stage took in the attempt that counted, for the statistics of later jobs."""
    return tuple(
        _spent(stage, stage.attempts[-1]) for stage in notification.stages[:_MOST_STAGES_IN_BRIEF] if stage.attempts
    )


def _spent(stage: StageReport, attempt: AttemptReport) -> StageSpent:
    times = attempt.durations
    return StageSpent(
        image=stage.image,
        stage=stage.stage,
        passed=attempt.passed,
        queued=times.queued,
        starting=times.starting,
        running=times.running,
        archiving=times.archiving,
        memory=attempt.memory,
    )


def json_of(spent: tuple[StageSpent, ...]) -> str:
    """As small as it gets: it lies in an index."""
    return json.dumps([_row(item) for item in spent], separators=(",", ":"))


def _row(item: StageSpent) -> list[Any]:
    return list(item.model_dump().values())


def spent_from(text: str | None) -> tuple[StageSpent, ...]:
    """What `json_of` wrote."""
    names = tuple(StageSpent.model_fields)
    return tuple(StageSpent.model_validate(dict(zip(names, row, strict=False))) for row in json.loads(text or "[]"))
