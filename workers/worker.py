"""The worker: two consumers and a sweeper over one runtime, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine

import structlog
from aiolimiter import AsyncLimiter

from service.aws.queue import Message, Queue
from service.clock import wall_clock
from service.core.record import Record
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from workers.consumer import Consumer, Handle
from workers.events import Events
from workers.requests import Requests
from workers.sweeper import Sweeper

log = structlog.stdlib.get_logger()


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then drain and return. A loop that crashes ends the whole: ECS starts us anew."""
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    async with open_runtime(settings) as runtime:
        log.info("worker_started", images=len(runtime.catalog.images), job_types=len(runtime.catalog.job_types))
        await _until_stopped(runtime, stopping)
    log.info("worker_stopped")


async def _until_stopped(runtime: Runtime, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as loops:
        work = [loops.create_task(loop) for loop in _loops(runtime, stopping)]
        await stopping.wait()
        log.info("draining")
        _, late = await asyncio.wait(work, timeout=runtime.settings.drain_seconds)
        for loop in late:
            # What is cut off here was not deleted, so SQS delivers it to another worker.
            loop.cancel()


def _loops(runtime: Runtime, stopping: asyncio.Event) -> tuple[Coroutine[None, None, None], ...]:
    settings = runtime.settings
    requests = Requests(runtime.catalog, runtime.objects, settings.log_bucket, runtime.table, wall_clock)
    events = Events(settings.state_machine_arn, runtime.table)
    return (
        _consumer(runtime, "requests", runtime.requests, requests.hear, settings.request_slots, stopping).run(),
        _consumer(runtime, "events", runtime.events, events.hear, settings.event_slots, stopping).run(),
        Sweeper(
            table=runtime.table,
            settling=runtime.settling,
            pace=AsyncLimiter(settings.sweep_per_second, 1),
            every_seconds=settings.sweep_seconds,
            claim_seconds=settings.sweep_seconds,
            stopping=stopping,
        ).run(),
    )


def _consumer(
    runtime: Runtime,
    name: str,
    queue: Queue,
    hear: Callable[[Message], Awaitable[Record | None]],
    slots: int,
    stopping: asyncio.Event,
) -> Consumer:
    return Consumer(name, queue, _handle(runtime, hear), slots, runtime.settings.poll_seconds, stopping)


def _handle(runtime: Runtime, hear: Callable[[Message], Awaitable[Record | None]]) -> Handle:
    """Learn what a message says, then do what its job is now owed."""

    async def handle(message: Message) -> None:
        job = await hear(message)
        if job is not None:
            await runtime.settling.settle(job)

    return handle
