"""The composition root: opens the clients on one exit stack and wires everything. The only such place."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from schemas.catalog import Catalog
from service.aws.common_clock import CommonClock
from service.aws.configuration import check_endpoints, credentials_of, in_one_sentence, region_of
from service.aws.container_logs import ContainerLogs
from service.aws.executions import Executions
from service.aws.failures import Failures
from service.aws.jobs_table import JobsTable
from service.aws.log_batches import LogBatches
from service.aws.objects import Objects
from service.aws.opened_when_needed import OpenedWhenNeeded
from service.aws.pace import Pace
from service.aws.queue import Queue
from service.aws.quick_calls import quick
from service.aws.quick_objects import quick_objects
from service.aws.response_check import refuse_garbled
from service.aws.starts import Starts
from service.aws.tasks import Tasks
from service.aws.throttles import on_throttle
from service.aws.topic import Topic, let_traces_through
from service.aws.turns import Turns
from service.catalog_source import read_catalog
from service.clock import Clock, new_work
from service.core.policy.owed import Patience
from service.core.redaction import Redaction
from service.logs.archive import MOST_OF_ONE_LOG, LogArchive
from service.logs.due import DueLogs
from service.logs.lanes import LogLanes
from service.logs.paged import PagedLogs
from service.logs.small import MOST_OF_ONE_CALL, SmallLogs
from service.memory import Memory
from service.metrics import THROTTLES, UNMETERED, Meter, Metrics
from service.perform import Performer
from service.settings import Settings
from service.settle import Settling
from service.tracking.wiring import Place, Tracking, wire_tracking

# Building the user agent costs a fifth of a call; a constant one costs nothing.
_USER_AGENT = "jobferry"

OpenClient = Callable[[str], Awaitable[Any]]
"""Opens a client of an AWS service, by the service's name."""


@dataclass(frozen=True)
class Runtime:
    """All that a worker works with."""

    settings: Settings
    catalog: Catalog
    requests: Queue
    events: Queue
    control: Queue
    table: JobsTable
    objects: Objects
    failures: Failures
    starts: Starts
    executions: Executions
    questions: Pace
    tasks: Tasks
    turns: Turns
    settling: Settling
    due_logs: DueLogs
    log_lanes: LogLanes
    metrics: Meter


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Everything opened and wired for as long as the context lasts."""
    session = get_session()
    check_endpoints(os.environ)
    region = region_of(session, os.environ, settings.state_machine_arn)
    credentials = await credentials_of(session)
    config = _config(settings, endpoint=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
    metrics = Metrics() if settings.metrics == "emf" else UNMETERED
    clock = CommonClock()
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Any:
            with in_one_sentence(
                "AWS cannot be reached like this", "Look at the AWS_* variables and the AWS configuration file"
            ):
                opening = session.create_client(service, region_name=region, config=config)
                opened = await stack.enter_async_context(opening)
            refuse_garbled(opened)
            on_throttle(opened, partial(metrics.count, THROTTLES))
            if service == "sns":
                let_traces_through(opened)
            if service == "dynamodb":
                clock.heed(opened)
            if settings.transport != "quick":
                return opened
            return quick_objects(opened) if service == "s3" else quick(opened)

        objects = Objects(_when_needed(client, "s3"), credentials)
        catalog = await read_catalog(settings.catalog, objects, settings.task_family_prefix)
        yield await wire(settings, client, objects, catalog, region, clock, metrics)


@asynccontextmanager
async def open_tracking(place: Place) -> AsyncIterator[Tracking]:
    """What reads and submits, over clients of its own, for as long as the context lasts."""
    session = get_session()
    check_endpoints(os.environ)
    region = region_of(session, os.environ, place.state_machine_arn)
    credentials = await credentials_of(session)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Any:
            opening = session.create_client(service, region_name=region, config=_reading_config(endpoint))
            opened = await stack.enter_async_context(opening)
            refuse_garbled(opened)
            return opened

        yield wire_tracking(place, client, credentials)


async def wire(
    settings: Settings,
    client: OpenClient,
    objects: Objects,
    catalog: Catalog,
    region: str,
    now: Clock,
    metrics: Meter,
    name_work: Callable[[], str] = new_work,
) -> Runtime:
    """Everything wired, over clients of whatever AWS this is."""
    sqs = await client("sqs")
    table = JobsTable(
        client=await client("dynamodb"),
        name=settings.jobs_table,
        silence_seconds=settings.silence_seconds,
        grace_seconds=settings.task_grace_seconds,
        retention_days=settings.retention_days,
        now=now,
    )
    starts = Starts(Pace.full(settings.start_execution_bucket, settings.start_execution_refill))
    states = await client("stepfunctions")
    executions = Executions(states, settings.state_machine_arn, starts)
    questions = Pace.even(settings.sweep_per_second)
    on_throttle(states, starts.pace.throttled, ".sfn.StartExecution")
    on_throttle(states, questions.throttled, ".sfn.DescribeExecution")
    on_throttle(states, executions.lists.throttled, ".sfn.ListExecutions")
    topic = Topic(await client("sns"), settings.topic_arn)
    performer = _performer(settings, client, objects, region, executions, topic, now, metrics)
    patience = Patience(
        settings.task_grace_seconds, settings.log_deadline_seconds, performer.claim_seconds, settings.log_quiet_seconds
    )
    due_logs = DueLogs(now)
    return Runtime(
        settings=settings,
        catalog=catalog,
        requests=Queue(sqs, settings.request_queue_url, settings.visibility_seconds),
        events=Queue(sqs, settings.event_queue_url, settings.visibility_seconds),
        control=Queue(sqs, settings.control_queue_url, settings.visibility_seconds),
        table=table,
        objects=objects,
        failures=Failures(table.client, table.name, now),
        starts=starts,
        executions=executions,
        questions=questions,
        tasks=performer.tasks,
        turns=Turns(table.client, table.name, now),
        settling=Settling(table, performer, patience, now, name_work, due_logs),
        due_logs=due_logs,
        log_lanes=performer.archive.lanes,
        metrics=metrics,
    )


def _when_needed(client: OpenClient, service: str) -> Any:
    return OpenedWhenNeeded(partial(client, service))


def _performer(
    settings: Settings,
    client: OpenClient,
    objects: Objects,
    region: str,
    executions: Executions,
    topic: Topic,
    now: Clock,
    metrics: Meter,
) -> Performer:
    tasks = Tasks(_when_needed(client, "ecs"))
    memory = Memory(settings.log_memory_mebibytes * 1024 * 1024, max(MOST_OF_ONE_LOG, MOST_OF_ONE_CALL))
    redaction = Redaction.of(settings.secret_patterns)
    return Performer(
        executions=executions,
        tasks=tasks,
        archive=LogArchive(
            tasks=tasks,
            lanes=_lanes(settings, client, memory, now, metrics),
            objects=objects,
            bucket=settings.log_bucket,
            region=region,
            memory=memory,
            now=now,
            redaction=redaction,
        ),
        objects=objects,
        redaction=redaction,
        topic=topic,
        link_seconds=settings.link_seconds,
        prices=settings.prices,
        claim_seconds=max(settings.claim_seconds, 3 * settings.log_quiet_seconds),
        now=now,
        metrics=metrics,
    )


def _lanes(settings: Settings, client: OpenClient, memory: Memory, now: Clock, metrics: Meter) -> LogLanes:
    quiet = settings.log_quiet_seconds
    singly = Pace.even(settings.get_log_events_per_second)
    together = Pace.even(settings.filter_log_events_per_second)

    async def logs(service: str) -> Any:
        opened = await client(service)
        on_throttle(opened, singly.throttled, ".cloudwatch-logs.GetLogEvents")
        on_throttle(opened, together.throttled, ".cloudwatch-logs.FilterLogEvents")
        return opened

    reader = _when_needed(logs, "logs")
    paged = PagedLogs(ContainerLogs(reader, singly), quiet, now)
    if settings.log_batches == "off":
        return LogLanes(paged, None, metrics)
    return LogLanes(paged, SmallLogs(LogBatches(reader, together), quiet, memory, now), metrics)


def _config(settings: Settings, endpoint: str | None) -> AioConfig:
    """Retries of a call are botocore's business, and theirs alone.

    Not adaptive: one throttled call then slows every call of its client, polls and leases too, to as little as one in
    two seconds; and a call that is cancelled while it waits its turn can leave aiobotocore's lock held for ever.
    """
    return AioConfig(
        user_agent=_USER_AGENT,
        retries={"mode": "standard", "max_attempts": 8},
        connect_timeout=5,
        read_timeout=settings.poll_seconds + 15,
        max_pool_connections=max(50, settings.event_slots),
        tcp_keepalive=True,
    ).merge(_addressing(endpoint))


def _reading_config(endpoint: str | None) -> AioConfig:
    """People wait for an answer: they are told soon that AWS cannot be asked, and ask again."""
    return AioConfig(
        user_agent=_USER_AGENT,
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=3,
        read_timeout=15,
        max_pool_connections=50,
    ).merge(_addressing(endpoint))


def _addressing(endpoint: str | None) -> AioConfig:
    """Links name the bucket's region: the global endpoint only redirects to a new bucket elsewhere, and the redirect
    breaks the signature. An endpoint of one's own need not know names of buckets as hosts.
    """
    return AioConfig(signature_version="v4", s3={"addressing_style": "path" if endpoint else "virtual"})
