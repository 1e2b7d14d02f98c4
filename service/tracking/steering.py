"""What somebody wants done with a job, over HTTP or from the command line: sent to the control queue, with who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.base import DEFAULT_TENANT
from schemas.control import ControlMessage, Verb
from schemas.tracking import Asked
from service.aws.sender import Sender
from service.core.policy.steering import why_not
from service.core.record.record import Record
from service.tracking.errors import NotNowError, UnknownJobError


@dataclass(frozen=True)
class Steering:
    """Sends control messages. `caller` knows whose credentials these are."""

    sender: Sender
    find: Callable[[str | None, str], Awaitable[Record]]
    caller: Callable[[], Awaitable[str]]

    async def ask(
        self, verb: Verb, tenant: str | None, job_id: str, reason: str | None = None, caller: str | None = None
    ) -> Asked:
        """Ask for it in the caller's name, or in the name of whoever signed the request.

        A cancel may come before its job. Raises UnknownJobError for any other wish, and NotNowError where it would come
        to nothing.
        """
        record = await self._found(verb, tenant, job_id)
        if record is not None and (why := why_not(verb, record)) is not None:
            raise NotNowError(why)
        owner = record.request.tenant if record is not None and record.request is not None else tenant
        asked = ControlMessage(
            verb=verb,
            tenant=owner or DEFAULT_TENANT,
            job_id=job_id,
            requested_by=caller or await self.caller(),
            reason=reason,
        )
        message_id = await self.sender.send(asked.model_dump_json(exclude_none=True))
        return Asked(
            verb=verb,
            job_id=job_id,
            tenant=asked.tenant,
            requested_by=asked.requested_by,
            message_id=message_id,
            location=f"/tenants/{asked.tenant}/jobs/{job_id}",
        )

    async def _found(self, verb: Verb, tenant: str | None, job_id: str) -> Record | None:
        try:
            return await self.find(tenant, job_id)
        except UnknownJobError:
            if verb == "cancel":
                return None
            raise
