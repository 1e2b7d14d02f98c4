"""Whose item it is. Not every record is a job's: a request that was rejected may claim the id of another's job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

_SEPARATOR = ":"  # No job id holds one.


RecordKind = Literal["job", "rejected", "failed", "replay", "turn", "bulk"]


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What an item is kept under: an id of a job or of a message, a replay's token, a turn's name, a bulk's."""

    kind: RecordKind
    id: str

    @classmethod
    def of_job(cls, job_id: str) -> RecordKey:
        return cls("job", job_id)

    @classmethod
    def of_rejection(cls, message_id: str) -> RecordKey:
        return cls("rejected", message_id)

    @classmethod
    def of_failure(cls, message_id: str) -> RecordKey:
        return cls("failed", message_id)

    @classmethod
    def of_replay(cls, token: str) -> RecordKey:
        return cls("replay", token)

    @classmethod
    def of_turn(cls, what: str) -> RecordKey:
        return cls("turn", what)

    @classmethod
    def of_bulk(cls, tenant: str, bulk_id: str) -> RecordKey:
        """Of two tenants, each may have one of this id."""
        return cls("bulk", f"{tenant}{_SEPARATOR}{bulk_id}")

    @classmethod
    def read(cls, text: str) -> RecordKey:
        """The key that `str` wrote."""
        kind, separator, of_what = text.partition(_SEPARATOR)
        return cls(cast("RecordKind", kind), of_what) if separator else cls.of_job(text)

    def __str__(self) -> str:
        return self.id if self.kind == "job" else f"{self.kind}{_SEPARATOR}{self.id}"

    @property
    def log_fields(self) -> dict[str, str]:
        """How log lines name it: a job and a bulk by their ids, anything else by its message."""
        return {{"job": "job_id", "bulk": "bulk"}.get(self.kind, "message_id"): self.id}
