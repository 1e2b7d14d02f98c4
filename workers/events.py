"""The way back: an EventBridge event becomes a fact about a job, or is none of ours."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from service.aws.queue import Message
from service.core.admission.request_body import BodyRefusedError, read_json
from service.core.record.hearing import Ignored, NotAnEventError, hear
from service.core.record.record import Record
from service.metrics import EVENTS_HEARD, EVENTS_IGNORED, EVENTS_UNREADABLE, UNMETERED, Meter
from service.settle import Jobs

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Events:
    """Reads the event queue."""

    state_machine_arn: str
    jobs: Jobs
    metrics: Meter = UNMETERED

    async def hear(self, message: Message) -> Record | None:
        """The record of the job that an event speaks of; None for what is nobody's."""
        try:
            fact = hear(read_json(message.body, well_formed=False), self.state_machine_arn)
        except (NotAnEventError, BodyRefusedError) as error:
            self.metrics.count(EVENTS_UNREADABLE)
            log.warning("event_unreadable", why=str(error)[:200])
            return None
        if isinstance(fact, Ignored):
            self.metrics.count(EVENTS_IGNORED)
            log.info("event_ignored", why=fact.why)
            return None
        job = await self.jobs.merge(fact)
        self.metrics.count(EVENTS_HEARD)
        log.info("event_heard", job_id=job.job_id, register=fact.register_name, rank=fact.rank)
        return job
