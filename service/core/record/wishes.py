"""What somebody wants done with one job, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.core.record.fact import BaseFact, JobFact, Wanted
from service.core.record.keys import RecordKey
from service.core.record.register_names import (
    REDRIVE_REGISTER,
    RERUN_REGISTER,
    cancel_register,
    cancelled_register,
    redrive_refused_register,
    redriven_register,
)

# For so long after its end an execution can be redriven [botocore, RedriveExecution]: its record is kept no shorter.
REDRIVABLE_DAYS = 14


class RerunOf(Wanted):
    """Of which job a job was made again, and who wanted that."""

    job_id: str = Field(description="Of a request that was rejected, what it was asked for by.")


class Asked(Wanted, JobFact):
    """Somebody asked for something at a moment, which says what it is about: the run that went on then.

    So a message may come twice, late, or out of order, and means the same. What was asked for last is held.
    """

    tenant: str

    @property
    def rank(self) -> int:
        return int(self.asked_at * 1000)


class CancelAsked(Asked):
    """Somebody wants the job ended, or never begun. It may come before the job, and is heard in its tenant's name."""

    kind: Literal["cancel"] = "cancel"
    came_first: bool = Field(
        default=False, description="Whether it was on record before the request was, so that nobody starts the job."
    )

    @property
    def register_name(self) -> str:
        return cancel_register(self.tenant)


class RedriveAsked(Asked):
    """Somebody wants the job to go on from the state in which it failed."""

    kind: Literal["redrive"] = "redrive"

    @property
    def register_name(self) -> str:
        return REDRIVE_REGISTER


class Redriven(Asked):
    """The job was redriven because somebody asked for it: whose wish a run is."""

    kind: Literal["redriven"] = "redriven"
    redrive_count: int

    @property
    def register_name(self) -> str:
        return redriven_register(self.redrive_count)


class Cancelled(Asked):
    """The run was ended because somebody asked for it: whose wish its end is. A later cancel comes to nothing."""

    kind: Literal["cancelled"] = "cancelled"
    redrive_count: int

    @property
    def register_name(self) -> str:
        return cancelled_register(self.redrive_count)


class Rerun(Wanted, BaseFact):
    """A new job was made of the request of this one, or of one that was rejected. The last one is held."""

    kind: Literal["rerun"] = "rerun"
    record_key: RecordKey
    new_job_id: str

    @property
    def register_name(self) -> str:
        return RERUN_REGISTER

    @property
    def rank(self) -> int:
        return int(self.asked_at * 1000)


class RedriveRefused(JobFact):
    """Step Functions will not redrive this outcome; `for_good`, or it does not let us, and may let us one day."""

    kind: Literal["redrive_refused"] = "redrive_refused"
    redrive_count: int
    at: float
    why: str
    for_good: bool = True

    @property
    def register_name(self) -> str:
        return redrive_refused_register(self.redrive_count)

    @property
    def rank(self) -> int:
        """The answer to a later wish."""
        return int(self.at * 1000)
