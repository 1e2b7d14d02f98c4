"""A tracker and a submission over clients of whatever AWS this is, each opened when it is first needed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.casefile import CaseSettings
from schemas.catalog import Catalog
from schemas.price import Price
from service.aws.caller import Caller
from service.aws.executions import Executions
from service.aws.job_list import JobList
from service.aws.jobs_table import JobsTable
from service.aws.log_looks import LogLooks
from service.aws.objects import Objects
from service.aws.on_demand import OnDemand
from service.aws.pace import Pace
from service.aws.sender import Sender
from service.aws.starts import Starts
from service.aws.tasks import Tasks
from service.catalog_source import read_catalog
from service.clock import Clock, wall_clock
from service.core.redaction import Redaction
from service.tracking.case import CaseFiles
from service.tracking.history import Histories
from service.tracking.logs import LogReader
from service.tracking.shared import Shared
from service.tracking.steering import Steering
from service.tracking.submission import Submission
from service.tracking.tracker import Tracker

# FilterLogEvents allows 5 to 25 a second, by region [CloudWatch Logs quotas]: so much of it is for people who look.
_LOG_LOOKS_PER_SECOND = 2.0
_CATALOG_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """The deployment that is looked at, by the names of its parts. Without a catalogue requests are judged later."""

    request_queue_url: str
    control_queue_url: str
    state_machine_arn: str
    log_bucket: str
    jobs_table: str
    catalog: str | None = None
    task_family_prefix: str = "jobferry"
    secret_patterns: tuple[str, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=dict)
    task_grace_seconds: float | None = None
    log_deadline_seconds: float | None = None


@dataclass(frozen=True)
class Tracking:
    """All that a reader, and a producer, works with."""

    tracker: Tracker
    submission: Submission
    steering: Steering
    cases: CaseFiles


def wire_tracking(
    place: Place, open_client: Callable[[str], Awaitable[Any]], credentials: Any, now: Clock = wall_clock
) -> Tracking:
    """Everything wired; nothing is asked of AWS yet."""

    def client(service: str) -> Any:
        return OnDemand(open_client, service)

    dynamodb = client("dynamodb")
    objects = Objects(client("s3"), credentials)
    # Only reads: none of the times by which records move in the sweeper's index is looked at.
    records = JobsTable(dynamodb, place.jobs_table, 0, 0, 0, now)
    states = Executions(client("stepfunctions"), place.state_machine_arn, Starts(Pace.full(1, 1)))
    reader = LogReader(LogLooks(client("logs"), Pace.even(_LOG_LOOKS_PER_SECOND)), Tasks(client("ecs")), objects)

    async def catalog(where: str) -> Catalog:
        return await read_catalog(where, objects, place.task_family_prefix)

    catalogs = Shared(catalog, _CATALOG_SECONDS, now=time.monotonic)

    async def known_catalog() -> Catalog | None:
        return await catalogs.get(place.catalog) if place.catalog else None

    tracker = Tracker(
        records=records,
        job_list=JobList(dynamodb, place.jobs_table),
        histories=Histories(states, objects),
        logs=reader,
        now=now,
        redaction=Redaction.of(place.secret_patterns),
        prices=place.prices,
    )
    sqs, caller = client("sqs"), Caller(client("sts"))
    return Tracking(
        tracker=tracker,
        submission=Submission(Sender(sqs, place.request_queue_url), records, known_catalog),
        steering=Steering(Sender(sqs, place.control_queue_url), tracker.find, caller.arn, known_catalog),
        cases=CaseFiles(tracker, objects, known_catalog, _settings(place)),
    )


def _settings(place: Place) -> CaseSettings:
    """What a case tells of the worker's settings."""
    return CaseSettings(
        prices=dict(place.prices),
        task_grace_seconds=place.task_grace_seconds,
        log_deadline_seconds=place.log_deadline_seconds,
        secret_patterns=len(place.secret_patterns),
    )
