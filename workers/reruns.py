"""Reruns: a new job of the request of another, or of a rejected one, with changes; judged like any request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from schemas.control import ControlMessage
from schemas.notification import Problem
from service.aws.errors import AwsError
from service.aws.objects import Objects, ObjectTooLargeError
from service.aws.queue import Message
from service.core.admission.admission import Admitted, Refused, admit
from service.core.admission.request_body import MAX_BODY_BYTES, BodyRefusedError, canonical, read_object
from service.core.admission.rerun import CannotChangeError, changed, new_id
from service.core.log_layout import split_s3_uri
from service.core.record.facts import Rejected, Requested
from service.core.record.kept import request_of
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.wishes import Rerun, RerunOf
from service.settle import Jobs
from service.tracking.errors import UnknownJobError
from workers.requests import HeldBack, Requests

log = structlog.stdlib.get_logger()

# S3 says AccessDenied of what is not there to a caller who may not list [S3 guide, GetObject].
_GONE = frozenset({"NoSuchKey", "AccessDenied"})
_SEND_IT = "Send the request itself again."
_SEND_THE_WISH = "It came by the control queue: mend what it asks for, and send that again."
_MOST_RERUNS = (
    20  # Of a rerun of a rerun, each rejected; one that was to be made under the id of its own first has no end.
)


@dataclass(frozen=True)
class Wanted:
    """A rerun that somebody wants: `asked_as` names the wish, so that a repeat of it makes the same job."""

    asked: ControlMessage
    asked_as: str
    asked_at: float
    sent_by: str | None

    @property
    def new_job_id(self) -> str:
        """The id of the job that is made."""
        asked = self.asked
        return asked.new_job_id or new_id(asked.job_id, asked.tenant, self.asked_as)

    @property
    def rerun_of(self) -> RerunOf:
        """What the new job's record says of it."""
        asked = self.asked
        return RerunOf(
            job_id=asked.job_id,
            asked_at=self.asked_at,
            asked_by=asked.requested_by,
            sent_by=self.sent_by,
            reason=asked.reason,
        )


@dataclass(frozen=True)
class Reruns:
    """Makes jobs of the requests of other jobs."""

    find: Callable[[str | None, str], Awaitable[Record]]
    requests: Requests
    objects: Objects
    jobs: Jobs

    async def make(
        self, wanted: Wanted, message: Message, *, tell_refusals: bool = True
    ) -> Record | HeldBack | Refused:
        """The record of the new job, or of a rejection: whoever wants a job is told why there is none.

        Without `tell_refusals` a refusal is answered and told to nobody else.
        """
        old = await self._old(wanted.asked)
        made: Record | HeldBack | None = await self._made_before(wanted, message)
        if made is None:
            verdict = await self._judged(wanted, old)
            if isinstance(verdict, Refused) and not tell_refusals:
                return verdict
            made = await self.requests.decide(message, verdict, wanted.rerun_of)
        if old is not None and isinstance(made, Record) and made.request is not None:
            await self._note(old, wanted, made)
        return made

    async def _made_before(self, wanted: Wanted, message: Message) -> Record | None:
        """The job that this very wish has made: it waits for no capacity again, whatever the catalogue says by now."""
        key = RecordKey.of_job(wanted.new_job_id)
        if (await self.jobs.read(key)).request is None:
            return None
        made = await self.jobs.read_whole(key)
        return made if made.request is not None and made.request.message_id == message.message_id else None

    async def _note(self, old: Record, wanted: Wanted, made: Record) -> None:
        asked = wanted.asked
        log.info("job_rerun", job_id=made.job_id, tenant=asked.tenant, retry_of=asked.job_id)
        await self.jobs.merge(
            Rerun(
                record_key=old.key,
                new_job_id=made.job_id,
                asked_at=wanted.asked_at,
                asked_by=asked.requested_by,
                sent_by=wanted.sent_by,
                reason=asked.reason,
            )
        )

    async def _old(self, asked: ControlMessage) -> Record | None:
        try:
            return await self.find(asked.tenant, asked.job_id)
        except UnknownJobError:
            return None

    async def _judged(self, wanted: Wanted, old: Record | None) -> Admitted | Refused:
        request = await self._request_of(wanted.asked, old)
        if isinstance(request, Problem):
            return self._refused(wanted, request)
        try:
            made = changed(request, wanted.asked.changes)
        except CannotChangeError as error:
            return self._refused(wanted, error.problem)
        made |= {"job_id": wanted.new_job_id, "tenant": wanted.asked.tenant}
        return admit(canonical(made), wanted.asked_as, self.requests.catalog)

    def _refused(self, wanted: Wanted, problem: Problem) -> Refused:
        return Refused((problem,), job_id=wanted.new_job_id, tenant=wanted.asked.tenant)

    async def _request_of(self, asked: ControlMessage, old: Record | None) -> dict[str, Any] | Problem:
        """The request as it was; a problem where it is kept no longer."""
        if old is None:
            return _gone(f"the tenant {asked.tenant} has no job {asked.job_id}, or its record was deleted with time")
        if old.request is not None:
            return await self._of_job(old.request)
        assert old.rejection is not None, "what was found is a job or a rejection"
        if old.rejection.was_control:
            return Problem(field="job_id", message=f"{asked.job_id} was no request", remedy=_SEND_THE_WISH)
        if old.rejection.retry_of is not None:
            return await self._of_first(asked, old.rejection.retry_of)
        return await self._of_rejection(old.rejection)

    async def _of_first(self, asked: ControlMessage, retry_of: str) -> dict[str, Any] | Problem:
        """The request that a rejected rerun was to change: what was kept of that one is the wish, and no request."""
        for _ in range(_MOST_RERUNS):
            first = await self._old(asked.model_copy(update={"job_id": retry_of}))
            if first is None or first.rejection is None or first.rejection.retry_of is None:
                return await self._request_of(asked.model_copy(update={"job_id": retry_of}), first)
            retry_of = first.rejection.retry_of
        return _gone(f"the job {asked.job_id} is a rerun of a rerun, and the request that was first is not found")

    async def _of_job(self, request: Requested) -> dict[str, Any] | Problem:
        if request.asked:
            return request_of(request, request.asked)
        if not request.asked_s3_key:
            return _gone(f"the job {request.job_id} was admitted before requests were kept")
        rest = await self._read(request.bucket, request.asked_s3_key)
        return rest if isinstance(rest, Problem) else request_of(request, rest)

    async def _of_rejection(self, rejection: Rejected) -> dict[str, Any] | Problem:
        place = split_s3_uri(rejection.body_s3_uri)
        if place is None:
            return _gone("the body of the rejected request was not kept")
        text = await self._read(*place)
        body = text if isinstance(text, Problem) else await self.requests.resolved(text)
        if isinstance(body, Problem | Refused):
            return body if isinstance(body, Problem) else body.problems[0]
        try:
            return read_object(body)
        except BodyRefusedError as refusal:
            return refusal.problem

    async def _read(self, bucket: str, key: str) -> str | Problem:
        try:
            return (await self.objects.get(bucket, key, MAX_BODY_BYTES)).decode(errors="surrogatepass")
        except ObjectTooLargeError as error:
            return _gone(f"what is kept of the request is too large to be one: {error}")
        except AwsError as error:
            if error.code not in _GONE:
                raise
            return _gone("the request was kept, and was deleted when its time was over")


def _gone(why: str) -> Problem:
    return Problem(field="job_id", message=why, remedy=_SEND_IT)
