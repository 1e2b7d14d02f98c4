"""Control messages v1: what people ask for of a job that there is, or is to be. They come by a queue of their own."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import DEFAULT_TENANT, PRINTABLE_PATTERN, Contract, JobId, Name

Verb = Literal["cancel", "redrive", "rerun"]
VERBS: tuple[Verb, ...] = get_args(Verb)
Asker = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=PRINTABLE_PATTERN)]
Reason = Annotated[str, StringConstraints(max_length=512, pattern=PRINTABLE_PATTERN)]
ChangedField = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=PRINTABLE_PATTERN)]
CHANGES = (
    "What is to be different in the request, by the path of each field as problems name it (`parameters.size`, "
    "`sizes.resize.memory`, `stages.0.command`); null takes a field away."
)
MOST_CHANGED_BYTES = 16_384


def _within_bounds(changes: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """They travel in a record, of which DynamoDB holds 400 KB with all else that is known [DynamoDB quotas]."""
    size = len(json.dumps(changes).encode())
    if size > MOST_CHANGED_BYTES:
        raise PydanticCustomError(
            "too_many_bytes",
            "the changes are {size} bytes of JSON, and may be {most}",
            {"size": f"{size:,}", "most": f"{MOST_CHANGED_BYTES:,}"},
        )
    return changes


Changes = Annotated[dict[ChangedField, JsonValue], Field(max_length=64), AfterValidator(_within_bounds)]


class ControlMessage(Contract):
    """What somebody wants done with a job. A repeat is harmless, and so is one that comes too late.

    `cancel` ends the job. It may come before the job's request: then nothing is started. `redrive` lets a job that did
    not succeed go on from the state that it failed in, under its own id. `rerun` makes a new job of its request.
    """

    version: Literal[1] = 1
    verb: Verb
    tenant: Name = Field(default=DEFAULT_TENANT, description="Whose job it is; of another tenant's it is not heard.")
    job_id: JobId
    requested_by: Asker | None = Field(
        default=None, description="Who asks; left out, whoever sent the message, as SQS knows the sender."
    )
    reason: Reason | None = Field(default=None, description="Why, in words for whoever reads the outcome.")
    new_job_id: JobId | None = Field(
        default=None, description="Of a rerun: the new job's id; left out, one made of this message's id."
    )
    changes: Changes = Field(
        default_factory=dict, description=f"Of a rerun. {CHANGES}", exclude_if=lambda changes: not changes
    )

    @model_validator(mode="after")
    def _only_a_rerun_makes_a_job(self) -> Self:
        if self.verb != "rerun" and (self.new_job_id is not None or self.changes):
            raise ValueError(f"new_job_id and changes are for a rerun: a {self.verb} leaves the request as it is")
        return self
