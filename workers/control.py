"""What people want done with jobs: a message becomes a fact of a job's record, or a rejection with every reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from schemas.bulk import BulkMessage, BulkStop
from schemas.control import ControlMessage
from service.aws.objects import TEXT, Objects
from service.aws.queue import Message
from service.clock import Clock, seconds_between
from service.core.admission.admission import Refused
from service.core.admission.control_message import read_control
from service.core.log_layout import rejected_key, s3_uri
from service.core.policy.steering import Unheard, hear_control
from service.core.record.bulk import bulk_asked
from service.core.record.bulk_facts import BulkAsked, BulkStopAsked
from service.core.record.facts import Rejected
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import CONTROL_HEARD, CONTROL_IGNORED, CONTROL_REJECTED, Meter
from service.settle import Jobs
from workers.requests import HeldBack
from workers.reruns import Reruns, Wanted

log = structlog.stdlib.get_logger()

# SQS keeps no order: a stop that overtakes its bulk waits for it, longer each time, a quarter of an hour in all. An AWS
# that fails may have held the bulk up.
_WAITS_FOR_ITS_BULK, _WAITS_SECONDS, _LONGEST_WAIT_SECONDS = 20, 5, 60


@dataclass(frozen=True)
class Controls:
    """Reads the control queue."""

    objects: Objects
    bucket: str
    jobs: Jobs
    now: Clock
    metrics: Meter
    reruns: Reruns
    take_bulk: Callable[[RecordKey], None]

    async def hear(self, message: Message) -> Record | HeldBack | None:
        """The record of the job that somebody wants something done with; None where that changes nothing.

        Of a rerun the record of the new job, or of a rejection; a bulk is left to whoever works through bulks. Who asks
        is who the message says; where it says nobody, whoever sent it, as SQS knows the sender. A message that the
        operator sent again is about what was when it was sent first.
        """
        message = await self.reruns.requests.as_first_sent(message)
        asked = read_control(message.body)
        if isinstance(asked, Refused):
            return await self._reject(message, asked)
        asked = asked.model_copy(update={"requested_by": asked.requested_by or message.sender_id})
        if isinstance(asked, BulkMessage):
            await self._hear_bulk(asked, message)
            return None
        if isinstance(asked, BulkStop):
            return await self._stop_bulk(asked, message)
        if asked.verb == "rerun":
            return await self._rerun(asked, message)
        job = await self.jobs.read(RecordKey.of_job(asked.job_id))
        fact = hear_control(asked, job, message.sent_at or self.now(), message.sender_id)
        if isinstance(fact, Unheard):
            self.metrics.count(CONTROL_IGNORED)
            log.info("control_ignored", **_told(asked), why=fact.why)
            # A worker may have died when it had heard it, and before it did what is owed.
            return job if job.request is not None and job.request.tenant == asked.tenant else None
        self.metrics.count(CONTROL_HEARD)
        log.info("control_heard", **_told(asked), seconds=seconds_between(fact.asked_at, self.now()))
        return await self.jobs.merge(fact)

    async def _rerun(self, asked: ControlMessage, message: Message) -> Record | HeldBack:
        asked_at = message.sent_at or self.now()
        self.metrics.count(CONTROL_HEARD)
        log.info("control_heard", **_told(asked), seconds=seconds_between(asked_at, self.now()))
        made = await self.reruns.make(Wanted(asked, message.message_id, asked_at, message.sender_id), message)
        assert not isinstance(made, Refused), "a refusal is told as a rejection"
        return made

    async def _hear_bulk(self, asked: BulkMessage, message: Message) -> None:
        """Remember what is wanted; the first of an id is the bulk."""
        bulk_id = asked.bulk_id or message.message_id
        key = RecordKey.of_bulk(asked.tenant, bulk_id)
        self.metrics.count(CONTROL_HEARD)
        log.info("bulk_heard", **key.log_fields, verb=asked.verb, asked_by=asked.requested_by)
        await self.jobs.merge(
            BulkAsked(
                record_key=key,
                bulk_id=bulk_id,
                tenant=asked.tenant,
                verb=asked.verb,
                jobs=asked.jobs,
                changes=asked.changes,
                asked_at=message.sent_at or self.now(),
                asked_by=asked.requested_by,
                sent_by=message.sender_id,
                reason=asked.reason,
            )
        )
        self.take_bulk(key)

    async def _stop_bulk(self, asked: BulkStop, message: Message) -> HeldBack | None:
        key = RecordKey.of_bulk(asked.tenant, asked.bulk_id)
        asked_at = message.sent_at or self.now()
        stop = BulkStopAsked(record_key=key, asked_at=asked_at, asked_by=asked.requested_by, reason=asked.reason)
        known = bulk_asked(await self.jobs.merge(stop)) is not None
        if not known and message.receive_count <= _WAITS_FOR_ITS_BULK:
            return HeldBack(min(_WAITS_SECONDS * message.receive_count, _LONGEST_WAIT_SECONDS))
        self.metrics.count(CONTROL_HEARD if known else CONTROL_IGNORED)
        log.info("bulk_stop_heard" if known else "control_ignored", **key.log_fields, asked_by=asked.requested_by)
        if known:
            self.take_bulk(key)
        return None

    async def _reject(self, message: Message, refused: Refused) -> Record:
        """Keep what cannot be read, and let it be told as a request that cannot: somebody waits for what it wants.

        It takes no job's id, since the job that it names goes on as it does.
        """
        self.metrics.count(CONTROL_REJECTED)
        log.info(
            "control_rejected",
            job_id=refused.job_id,
            tenant=refused.tenant,
            problems=[f"{problem.field}: {problem.message}" for problem in refused.problems[:3]],
        )
        key = rejected_key(message.message_id)
        await self.objects.put(self.bucket, key, message.body.encode(errors="surrogatepass"), TEXT)
        return await self.jobs.merge(
            Rejected(
                message_id=message.message_id,
                submitted_at=message.sent_at or self.now(),
                claimed_job_id=refused.job_id,
                job_id_is_taken=True,
                claimed_tenant=refused.tenant,
                problems=refused.problems,
                body_s3_uri=s3_uri(self.bucket, key),
                was_control=True,
            )
        )


def _told(asked: ControlMessage) -> dict[str, str | None]:
    return {"verb": asked.verb, "job_id": asked.job_id, "tenant": asked.tenant, "asked_by": asked.requested_by}
