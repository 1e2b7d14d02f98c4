"""What somebody wants done with many jobs at once, and how far that has come."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from schemas.bulk import BulkFilter
from schemas.control import Verb
from service.core.record.fact import BaseFact, Wanted
from service.core.record.keys import RecordKey
from service.core.record.register_names import BULK_PROGRESS_REGISTER, BULK_REGISTER, BULK_STOP_REGISTER


class BulkAsked(Wanted, BaseFact):
    """Somebody wants something done with all jobs of a tenant that match a filter."""

    kind: Literal["bulk"] = "bulk"
    record_key: RecordKey
    bulk_id: str
    tenant: str
    verb: Verb
    jobs: BulkFilter
    changes: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def register_name(self) -> str:
        return BULK_REGISTER


_MOST_PASSES = 1_000_000


class BulkProgressed(BaseFact):
    """How far a bulk has come: the jobs of a page are named before they are touched, so that each is counted once."""

    kind: Literal["bulk_progress"] = "bulk_progress"
    record_key: RecordKey
    page: int
    passes: int = Field(default=0, description="How often the page was gone through, and some of it left for later.")
    at: float
    in_hand: tuple[str, ...] = Field(default=(), description="The jobs of the page that are yet to be done.")
    failed: dict[str, int] = Field(default_factory=dict, description="How often AWS failed with jobs in hand.")
    cursor: str | None = Field(default=None, description="The list goes on here; None at its end.")
    searched_back_to: str | None = None
    matched: int = 0
    done: int = 0
    refused: int = 0
    refusals: dict[str, int] = Field(default_factory=dict)
    finished_at: float | None = None
    stopped: bool = False

    @property
    def register_name(self) -> str:
        return BULK_PROGRESS_REGISTER

    @property
    def rank(self) -> int:
        return self.page * _MOST_PASSES + min(self.passes, _MOST_PASSES - 1)


class BulkStopAsked(BaseFact):
    """Somebody wants a bulk to touch no more jobs."""

    kind: Literal["bulk_stop"] = "bulk_stop"
    record_key: RecordKey
    asked_at: float
    asked_by: str | None = None
    reason: str | None = None

    @property
    def register_name(self) -> str:
        return BULK_STOP_REGISTER
