"""Find what somebody asks for by an id. Nobody learns here whether another tenant has a job of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.base import DEFAULT_TENANT
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.tracking.errors import UnknownJobError

_LOOKS = 3


@dataclass(frozen=True)
class Finder:
    """Looks for jobs and rejected requests. A tenant of None is the operator, whose credentials reach every record."""

    read: Callable[[RecordKey], Awaitable[Record]]
    rejected_as: Callable[[str, str], Awaitable[RecordKey | None]]

    async def find(self, tenant: str | None, job_id: str) -> Record:
        """A job by its id; a rejected request by its message's id, or the last by the id that it claimed.

        Raises UnknownJobError, after the same reads, where there is none and where it is another tenant's.
        """
        key = RecordKey.of_job(job_id)
        for _ in range(_LOOKS):
            record = await self.read(key)
            if _is_of(record, tenant):
                return record
            if key.kind == "job":
                key = RecordKey.of_rejection(job_id)
            else:
                key = await self.rejected_as(tenant or DEFAULT_TENANT, job_id) or key
        raise UnknownJobError


def _is_of(record: Record, tenant: str | None) -> bool:
    if record.request is not None:
        return tenant in (None, record.request.tenant)
    return record.rejection is not None and (tenant is None or record.rejection.claimed_tenant == tenant)
