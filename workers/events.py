"""The way back: an EventBridge event becomes a fact about a job, or is none of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from service.aws.queue import Message
from service.clock import seconds_between
from service.core.admission.request_body import BodyRefusedError, read_json
from service.core.record.facts import ExecutionChanged, Fact, TaskChanged
from service.core.record.hearing import Ignored, NotAnEventError, hear
from service.core.record.record import Record
from service.metrics import EVENTS_HEARD, EVENTS_IGNORED, EVENTS_UNREADABLE, Meter

HearFact = Callable[[Fact, str], Awaitable[Record]]
log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Events:
    """Reads the event queue."""

    state_machine_arn: str
    hear_fact: HearFact
    metrics: Meter

    async def hear(self, message: Message, me: str) -> Record | None:
        """The record of the job that an event speaks of, heard for this piece of work; None for what is nobody's."""
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
        job = await self.hear_fact(fact, me)
        self.metrics.count(EVENTS_HEARD)
        _log_change(fact, job)
        return job


def _log_change(fact: Fact, job: Record) -> None:
    """One line of a job's life, with what the event itself says: the record may know better by now."""
    whose = {"job_id": fact.record_key.id, "tenant": job.request.tenant if job.request else None}
    match fact:
        case TaskChanged():
            log.info(
                "task_changed",
                **whose,
                stage=fact.stage,
                attempt=fact.attempt,
                task_id=fact.task_id,
                status=fact.last_status,
                stop_code=fact.stop_code,
                exit_codes={container.name: container.exit_code for container in fact.containers},
                seconds=seconds_between(fact.started_at, fact.stopped_at),
            )
        case ExecutionChanged():
            log.info(
                "execution_changed",
                **whose,
                status=fact.status,
                redrive_count=fact.redrive_count,
                seconds=seconds_between(fact.started_at, fact.stopped_at),
            )
