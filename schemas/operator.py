"""What verbs print with `--json` that the HTTP API does not: refusals, that no job matches, what
the doctor found, dead letters.

Fields may be added within a version, never changed. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Moment
from schemas.bulk import BulkFilter
from schemas.control import Verb
from schemas.notification import Problem, Published


class Refusal(Published):
    """Why a request would not be admitted."""

    detail: str
    problems: tuple[Problem, ...]


class FoundItem(Published):
    """One item of a deployment."""

    item: str
    ok: bool | None = Field(description="Null where these credentials could not look.")
    detail: str
    remedy: str | None = None


class Examination(Published):
    """What `jobferry doctor` or `jobferry catalog check` found."""

    schema_version: Literal["1"] = "1"
    wrong: int
    unseen: int = Field(description="How many items could not be looked at.")
    findings: tuple[FoundItem, ...]


class NothingMatches(Published):
    """That nothing was asked for by --all, since no job matches."""

    schema_version: Literal["1"] = "1"
    verb: Verb
    tenant: str
    jobs: BulkFilter
    matched: int = 0


class WhySetAside(Published):
    """Why a message failed the last time, as a worker noted it."""

    error: str
    reason: str
    at: Moment


class DeadLetterSeen(Published):
    """A message of a dead-letter queue."""

    message_id: str
    queue: Literal["requests", "events", "control", "undelivered"]
    sent_at: Moment
    receive_count: int
    why: WhySetAside | None = Field(description="Null where no worker noted it.")
    body: str


class DeadLettersSeen(Published):
    """The messages that a verb listed, showed, sent back or deleted."""

    schema_version: Literal["1"] = "1"
    letters: tuple[DeadLetterSeen, ...]
