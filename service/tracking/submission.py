"""A request over HTTP or from the command line: judged as admission will judge it, then sent as any other."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from schemas.base import JOB_ID_PATTERN
from schemas.catalog import Catalog
from schemas.notification import Problem
from schemas.trace import Trace
from schemas.tracking import StagePlan, Submitted, Validated
from service.aws.sender import Sender
from service.core.admission.admission import Admitted, Refused, admit, conflict
from service.core.admission.request_body import BodyRefusedError, canonical, read_object
from service.core.admission.rerun import id_by_key
from service.core.record.keys import RecordKey
from service.tracking.errors import CatalogUnknownError, RefusedError, TakenError
from service.tracking.tracker import ReadsRecords

MAX_KEY_CHARACTERS = 255
# Of a request that names no job id; SQS gives it one when it is sent.
_NOT_SENT = "not-sent-yet"


@dataclass(frozen=True)
class Submission:
    """Sends requests of a tenant to the request queue. `catalog` answers None where it is not known here."""

    sender: Sender
    records: ReadsRecords
    catalog: Callable[[], Awaitable[Catalog | None]]

    async def submit(
        self, tenant: str, body: str, idempotency_key: str | None = None, trace: Trace | None = None
    ) -> Submitted:
        """Send it. A repeat with the same job id, or the same key, is the same job.

        Raises RefusedError where admission would refuse it, and TakenError where the tenant has another job of the id.
        """
        request = _of_tenant(tenant, body)
        if idempotency_key and request.get("job_id") is None:
            request["job_id"] = id_by_key(tenant, idempotency_key)
        admitted = await self._judged(request)
        job_id = request.get("job_id")
        if job_id is not None and not (isinstance(job_id, str) and re.fullmatch(JOB_ID_PATTERN, job_id)):
            # Where the catalogue is not at hand nobody has judged it yet, and it is to be a part of a path.
            raise RefusedError.of("job_id", "it cannot be a job's id", "Give 1 to 64 letters, digits, _ and -.")
        if job_id is None or not await self._is_there(tenant, job_id, admitted):
            message_id = await self.sender.send(canonical(request), trace)
            job_id = job_id or message_id
        return Submitted(job_id=job_id, tenant=tenant, location=f"/tenants/{tenant}/jobs/{job_id}")

    async def validate(self, tenant: str, body: str) -> Validated:
        """Judge it, and send nothing. Raises RefusedError, and CatalogUnknownError where it cannot be judged here."""
        admitted = await self._judged(_of_tenant(tenant, body))
        if admitted is None:
            raise CatalogUnknownError
        return Validated(
            tenant=tenant,
            stages=tuple(
                StagePlan(
                    stage=number,
                    name=stage.name,
                    image=stage.image,
                    command=stage.command,
                    cpu=stage.cpu,
                    memory=stage.memory,
                    timeout_seconds=stage.timeout_seconds,
                )
                for number, stage in enumerate(admitted.stages, start=1)
            ),
        )

    async def _judged(self, request: dict[str, Any]) -> Admitted | None:
        catalog = await self.catalog()
        if catalog is None:
            return None  # Admission has it, and judges the request when it comes.
        verdict = admit(canonical(request), _NOT_SENT, catalog)
        if isinstance(verdict, Refused):
            raise RefusedError(verdict.problems)
        return verdict

    async def _is_there(self, tenant: str, job_id: str, admitted: Admitted | None) -> bool:
        """Whether this very request was admitted already. Of another tenant's job nothing is said here.

        A request whose id that one has is sent, and rejected as any second one with an id is.
        """
        job = await self.records.read_whole(RecordKey.of_job(job_id))
        if admitted is None or job.request is None or job.request.tenant != tenant:
            return False
        if job.request.digest != admitted.digest:
            raise TakenError((conflict(job_id),))
        return True


def _of_tenant(tenant: str, body: str) -> dict[str, Any]:
    """The request, which is the tenant's whose path it was sent to."""
    try:
        request = read_object(body)
    except BodyRefusedError as refusal:
        raise RefusedError((refusal.problem,)) from None
    if request.setdefault("tenant", tenant) != tenant:
        message = f"the request is sent to the jobs of the tenant {tenant}, and names another"
        raise RefusedError((Problem(field="tenant", message=message, remedy="Leave it out, or send it there."),))
    return request
