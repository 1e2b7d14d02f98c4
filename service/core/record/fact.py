"""What every fact has: whose it is, which register it speaks about, and how much it knows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.record.keys import RecordKey

ObservedVia = Literal["event", "sweep", "request"]
Place = tuple[int, int | None, int]
"""Which attempt something is: redrive, stage, attempt. A redrive repeats the last two."""


class BaseFact(BaseModel):
    """One thing that we were told. Its `record_key` says whose record it belongs to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @property
    def register_name(self) -> str:
        """Which register of the record this fact speaks about."""
        raise NotImplementedError

    @property
    def rank(self) -> int:
        """How much this fact knows about its register."""
        return 0

    @property
    def beats_below(self) -> int:
        """The fact wins over a held one of a rank less than this."""
        return self.rank


class JobFact(BaseFact):
    """One thing that we were told about one job."""

    job_id: str

    @property
    def record_key(self) -> RecordKey:
        """The job's."""
        return RecordKey.of_job(self.job_id)


class Wanted(BaseModel):
    """That somebody wanted something: who, when and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    asked_at: float
    asked_by: str | None = Field(default=None, description="As the message says, or whoever sent it.")
    sent_by: str | None = Field(default=None, description="As SQS knows the sender of the message.")
    reason: str | None = None
