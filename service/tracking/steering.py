"""What somebody wants done with a job, over HTTP or from the command line: sent to the control queue, with who asks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.base import DEFAULT_TENANT
from schemas.bulk import BulkMessage, BulkSent, BulkStop, BulkWish
from schemas.catalog import Catalog
from schemas.control import ControlMessage, Verb
from schemas.errors import SettingsError
from schemas.tracking import Asked, RerunWish
from service.aws.sender import Sender
from service.core.admission.admission import Refused, admit
from service.core.admission.request_body import canonical
from service.core.admission.rerun import CannotChangeError, changed, id_by_key, new_id
from service.core.policy.steering import why_not
from service.core.record.kept import request_of
from service.core.record.record import Record
from service.tracking.errors import NotAllowedError, NotNowError, RefusedError, UnknownJobError

# A redrive is heard within a second or two; who cancels what is over in truth is told so when that has passed.
_LOOKS = 3
_LOOK_SECONDS = 1.0


async def _no_catalog() -> Catalog | None:
    return None


@dataclass(frozen=True)
class Steering:
    """Sends control messages. `caller` knows whose credentials these are; `catalog` is None where it is unknown.

    `reruns`: whether new jobs may be made of others, which comes to the same as submitting them.
    """

    sender: Sender
    find: Callable[[str | None, str], Awaitable[Record]]
    caller: Callable[[], Awaitable[str]]
    catalog: Callable[[], Awaitable[Catalog | None]] = _no_catalog
    reruns: bool = True

    async def ask(
        self, verb: Verb, tenant: str | None, job_id: str, reason: str | None = None, caller: str | None = None
    ) -> Asked:
        """Ask for it in the caller's name, or in the name of whoever signed the request.

        A cancel may come before its job. Raises UnknownJobError for any other wish, and NotNowError where it would come
        to nothing.
        """
        record = await self._found(verb, tenant, job_id)
        if record is not None and (why := await self._why_not(verb, tenant, job_id, record)) is not None:
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

    async def rerun(
        self,
        tenant: str | None,
        job_id: str,
        wish: RerunWish,
        idempotency_key: str | None = None,
        caller: str | None = None,
    ) -> Asked:
        """Ask for a new job of a job's request. A repeat with the same key, or the same new id, is the same job.

        Raises UnknownJobError, NotAllowedError, and RefusedError where it can be seen here that the changed request is
        not admitted: what is kept elsewhere than in the record is for admission to judge.
        """
        self._check("rerun")
        record = await self.find(tenant, job_id)
        owner = tenant or _owner(record) or DEFAULT_TENANT
        asked = ControlMessage(
            verb="rerun",
            tenant=owner,
            job_id=job_id,
            requested_by=caller or await self.caller(),
            reason=wish.reason,
            new_job_id=wish.new_job_id or new_id(job_id, owner, idempotency_key or str(uuid.uuid4())),
            changes=wish.changes,
        )
        await self._judge(record, asked)
        message_id = await self.sender.send(asked.model_dump_json(exclude_none=True))
        return Asked(
            verb="rerun",
            job_id=job_id,
            tenant=owner,
            requested_by=asked.requested_by,
            message_id=message_id,
            location=f"/tenants/{owner}/jobs/{asked.new_job_id}",
            new_job_id=asked.new_job_id,
        )

    async def many(
        self, tenant: str, wish: BulkWish, idempotency_key: str | None = None, caller: str | None = None
    ) -> BulkSent:
        """Ask for something of all jobs that match. A repeat with the same key, or the same id, is the same bulk.

        Raises NotAllowedError.
        """
        self._check(wish.verb)
        bulk_id = wish.bulk_id or (id_by_key(tenant, idempotency_key) if idempotency_key else str(uuid.uuid4()))
        asked = BulkMessage(
            verb=wish.verb,
            tenant=tenant,
            jobs=wish.jobs,
            bulk_id=bulk_id,
            changes=wish.changes,
            requested_by=caller or await self.caller(),
            reason=wish.reason,
        )
        return await self._send_bulk(asked, bulk_id)

    async def stop_many(self, tenant: str, bulk_id: str, reason: str | None, caller: str | None = None) -> BulkSent:
        """Ask that a bulk touches no more jobs."""
        by = caller or await self.caller()
        return await self._send_bulk(
            BulkStop(verb="stop", tenant=tenant, bulk_id=bulk_id, requested_by=by, reason=reason), bulk_id
        )

    async def _send_bulk(self, asked: BulkMessage | BulkStop, bulk_id: str) -> BulkSent:
        message_id = await self.sender.send(asked.model_dump_json(exclude_none=True))
        return BulkSent(
            verb=asked.verb,
            bulk_id=bulk_id,
            tenant=asked.tenant,
            requested_by=asked.requested_by,
            message_id=message_id,
            location=f"/tenants/{asked.tenant}/bulk/{bulk_id}",
        )

    def _check(self, verb: Verb) -> None:
        if verb == "rerun" and not self.reruns:
            raise NotAllowedError

    async def _known_catalog(self) -> Catalog | None:
        """The catalogue; one that cannot be read is admission's to know."""
        try:
            return await self.catalog()
        except SettingsError:
            return None

    async def _judge(self, record: Record, asked: ControlMessage) -> None:
        kept, catalog = record.request, await self._known_catalog()
        if kept is None or not kept.asked:
            return
        try:
            request = changed(request_of(kept, kept.asked), asked.changes)
        except CannotChangeError as error:
            raise RefusedError((error.problem,)) from None
        if catalog is None:
            return
        verdict = admit(canonical(request | {"job_id": asked.new_job_id}), asked.job_id, catalog)
        if isinstance(verdict, Refused):
            raise RefusedError(verdict.problems)

    async def _why_not(self, verb: Verb, tenant: str | None, job_id: str, record: Record) -> str | None:
        """Why it would come to nothing. A cancel may follow at once on a redrive, which is soon on record."""
        for _ in range(_LOOKS):
            may_go_on = why_not("redrive", record) is None
            if verb != "cancel" or why_not(verb, record) is None or not may_go_on:
                break
            await asyncio.sleep(_LOOK_SECONDS)
            record = await self.find(tenant, job_id)
        return why_not(verb, record)

    async def _found(self, verb: Verb, tenant: str | None, job_id: str) -> Record | None:
        try:
            return await self.find(tenant, job_id)
        except UnknownJobError:
            if verb == "cancel":
                return None
            raise


def _owner(record: Record) -> str | None:
    if record.request is not None:
        return record.request.tenant
    return record.rejection.claimed_tenant if record.rejection is not None else None
