"""Control messages v1: what people ask for of a job that there is, or is to be. They come by a queue of their own."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from schemas.base import DEFAULT_TENANT, PRINTABLE_PATTERN, Contract, JobId, Name

Verb = Literal["cancel", "redrive"]
VERBS: tuple[Verb, ...] = get_args(Verb)
Asker = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=PRINTABLE_PATTERN)]
Reason = Annotated[str, StringConstraints(max_length=512, pattern=PRINTABLE_PATTERN)]


class ControlMessage(Contract):
    """What somebody wants done with a job. A repeat is harmless, and so is one that comes too late.

    `cancel` ends the job. It may come before the job's request: then nothing is started. `redrive` lets a job that did
    not succeed go on from the state that it failed in, under its own id.
    """

    version: Literal[1] = 1
    verb: Verb
    tenant: Name = Field(default=DEFAULT_TENANT, description="Whose job it is; of another tenant's it is not heard.")
    job_id: JobId
    requested_by: Asker | None = Field(default=None, description="Who asks; the HTTP API and the command line know it.")
    reason: Reason | None = Field(default=None, description="Why, in words for whoever reads the outcome.")
