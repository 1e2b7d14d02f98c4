"""Bulk messages v1: what people ask for of all jobs of a tenant that match a filter. They come by the control queue."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.base import DEFAULT_TENANT, PRINTABLE_PATTERN, Contract, JobId, Moment, Name
from schemas.control import CHANGES, Asker, Changes, Reason, Verb
from schemas.notification import Published
from schemas.tracking import ListedStatus, Wish

LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(=[^\x00-\x1f\x7f-\x9f]{0,256})?$"
_Words = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE_PATTERN)]


class BulkFilter(Contract):
    """Which jobs of the tenant: those of its list that match all of this."""

    status: ListedStatus | None = Field(
        default=None,
        description="As the list has it: OPEN until the outcome was told. Left out, any that the verb suits.",
    )
    type: _Words | None = Field(default=None, description="The job type.")
    user: _Words | None = None
    label: Annotated[str, StringConstraints(pattern=LABEL_PATTERN)] | None = Field(
        default=None, description="`name=value`, or a name alone."
    )
    failure_class: _Words | None = None
    since: AwareDatetime | None = Field(default=None, description="Requested at this moment or later.")
    until: AwareDatetime | None = Field(
        default=None, description="Requested before it; never after the bulk was asked for."
    )
    id: _Words | None = Field(default=None, description="A part of the id.")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a filter that names nothing would mean every job: give a status at least")
        return self


class _OfMany(Contract):
    """What a bulk is asked for by, over HTTP or in a message."""

    verb: Verb
    jobs: BulkFilter
    bulk_id: JobId | None = Field(default=None, description="Names it: a repeat of the same id is the same bulk.")
    changes: Changes = Field(
        default_factory=dict, description=f"Of a rerun, in each job. {CHANGES}", exclude_if=lambda changes: not changes
    )

    @model_validator(mode="after")
    def _only_a_rerun_changes(self) -> Self:
        if self.verb != "rerun" and self.changes:
            raise ValueError(f"changes are for a rerun: a {self.verb} leaves the requests as they are")
        return self


class BulkMessage(_OfMany):
    """Cancel, redrive or rerun all jobs of a tenant that match a filter: page by page, without a cap, until stopped.

    Left out, the bulk's id is the SQS message id. What is requested after the message was sent is left alone.
    """

    version: Literal[1] = 1
    tenant: Name = Field(default=DEFAULT_TENANT, description="Whose jobs; no other's are touched.")
    requested_by: Asker | None = Field(default=None, description="Who asks; left out, whoever sent the message.")
    reason: Reason | None = Field(default=None, description="Why: it is told with each job's outcome.")


class BulkStop(Contract):
    """Let a bulk touch no more jobs. What it did to others stays done."""

    version: Literal[1] = 1
    verb: Literal["stop"]
    tenant: Name = DEFAULT_TENANT
    bulk_id: JobId
    requested_by: Asker | None = None
    reason: Reason | None = None


class BulkWish(_OfMany, Wish):
    """What is asked for of many jobs, over HTTP."""


class BulkSent(Published):
    """That something was asked for of many jobs. What comes of it is the bulk's: `GET` it."""

    schema_version: Literal["1"] = "1"
    verb: Literal[Verb, "stop"]
    bulk_id: str
    tenant: str
    requested_by: str | None
    message_id: str
    location: str = Field(description="Where the bulk is asked for.")


class BulkRefusal(Published):
    """Why some jobs were left as they were."""

    why: str
    jobs: int


class TrackedBulk(Published):
    """How far a bulk has come."""

    schema_version: Literal["1"] = "1"
    bulk_id: str
    tenant: str
    verb: Verb
    status: Literal["RUNNING", "FINISHED", "STOPPED"]
    jobs: BulkFilter
    requested_by: str | None
    sent_by: str | None = Field(default=None, description="Who sent the message, proven by SQS.")
    reason: str | None = None
    asked_at: Moment
    matched: int = Field(description="Of the list, as far as it was looked through.")
    done: int = Field(description="For so many it was asked; what comes of each is that job's.")
    refused: int = Field(description="So many were left as they were.")
    refusals: tuple[BulkRefusal, ...] = Field(default=(), description="Why, the first reasons that were met.")
    searched_back_to: Moment | None = Field(
        default=None,
        description="The list was looked through down to this moment; null before the first page, and at the end.",
    )
    progressed_at: Moment | None = None
    finished_at: Moment | None = None
    stopped_by: str | None = None
