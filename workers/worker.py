"""The worker: three consumers, a sweeper and what keeps them company, over one runtime, until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property

import structlog

from service.aws.errors import AwsError
from service.aws.job_list import JobList
from service.aws.queue import Message, Queue
from service.aws.replays import Replays
from service.clock import wall_clock
from service.core.record.record import Record
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.tracking.finding import Finder
from workers.archiver import Archiver
from workers.bulks import PAGE_JOBS, Bulks, SteersMany
from workers.consumer import Consumer, Gate, Handle, NoteFailure
from workers.control import Controls
from workers.events import Events
from workers.health import health_page
from workers.liveness import Liveness
from workers.log_checks import LogChecks
from workers.protection import Protection
from workers.redrives import Redrives
from workers.reporting import metrics_reported
from workers.requests import HeldBack, Requests
from workers.reruns import Reruns
from workers.roll_call import RollCall
from workers.single_flight import SingleFlight
from workers.stopping import told_to_stop, unless_told_to_stop
from workers.sweeper import Sweeper

log = structlog.stdlib.get_logger()

_GATE_SECONDS = 0.1
# For how long messages may gather where many come: a request is to start at once, an event's job waits for its log.
_GATHER_SECONDS = {"requests": 0.01, "events": 0.1, "control": 0.0}


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then drain and return. A loop that crashes ends the whole: ECS starts us anew."""
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    liveness = Liveness(wall_clock)
    async with AsyncExitStack() as opened:
        # Nothing is in hand yet, and S3 may be slow.
        runtime = await unless_told_to_stop(stopping, _open(opened, settings))
        if runtime is not None:
            await opened.enter_async_context(health_page(liveness, settings.health_port))
            reporting = metrics_reported(runtime.metrics, settings.stack, wall_clock, _to_standard_output)
            await opened.enter_async_context(reporting)
            log.info("worker_started", images=len(runtime.catalog.images), job_types=len(runtime.catalog.job_types))
            await work_until_stopped(Worker(runtime, liveness, stopping))
    log.info("worker_stopped")


async def _open(opened: AsyncExitStack, settings: Settings) -> Runtime:
    """Everything opened, and its table looked at: a wrong one would fail every message instead."""
    runtime = await opened.enter_async_context(open_runtime(settings))
    await runtime.table.check()
    return runtime


async def work_until_stopped(worker: Worker) -> None:
    """Run the worker's loops until it is told to stop; then drain, and cut off what is late."""
    clock = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as loops:
        work = [loops.create_task(loop) for loop in worker.loops()]
        archiving = loops.create_task(worker.archiver.run())
        await worker.stopping.wait()
        log.info("draining")
        ends_at = clock() + worker.runtime.settings.drain_seconds
        # What is cut off here was not deleted, so SQS delivers it to another worker.
        await _ended_or_cut_off(work, ends_at - clock())
        worker.runtime.due_logs.close()
        # The claim of a log that is cut off expires, and another archives it.
        await _ended_or_cut_off([archiving], ends_at - clock())


async def _ended_or_cut_off(work: Sequence[asyncio.Task[None]], within_seconds: float) -> None:
    _, late = await asyncio.wait(work, timeout=max(0.0, within_seconds))
    for loop in late:
        loop.cancel()


@dataclass(frozen=True)
class Worker:
    """The loops of a worker, and what they share."""

    runtime: Runtime
    liveness: Liveness
    stopping: asyncio.Event

    @cached_property
    def single_flight(self) -> SingleFlight:
        """The passes over jobs that requests, events and logs have in common."""
        settling = self.runtime.settling
        return SingleFlight(settling.settle, self.runtime.table.read, settling.claims_kept)

    @cached_property
    def archiver(self) -> Archiver:
        """Who archives the logs that the loops leave until they are due; ends after them."""
        return Archiver(
            due=self.runtime.due_logs,
            settling=self.runtime.settling,
            single_flight=self.single_flight,
            new_work=self.runtime.settling.new_work,
            liveness=self.liveness,
            metrics=self.runtime.metrics,
            stopping=self.stopping,
        )

    def loops(self) -> tuple[Coroutine[None, None, None], ...]:
        """Everything that runs until told to stop."""
        settings, table = self.runtime.settings, self.runtime.table
        now, metrics = self.runtime.settling.now, self.runtime.metrics
        replays = Replays(table.client, table.name)
        requests = Requests(
            catalog=self.runtime.catalog,
            objects=self.runtime.objects,
            bucket=settings.log_bucket,
            jobs=table,
            replays=replays,
            now=now,
            metrics=metrics,
            may_start=self.runtime.starts.may_start,
            most_receives=settings.max_receives,
        )
        events = Events(settings.state_machine_arn, self.runtime.settling.hear, metrics)
        name_work = self.runtime.settling.new_work
        settling = self.runtime.settling
        admit = _handle(lambda message, _: requests.hear(message), self.single_flight, name_work)
        follow = _handle(events.hear, self.single_flight, name_work, self._note)
        job_list = JobList(table.client, table.name)
        reruns = Reruns(Finder(table.read_whole, job_list.rejected_as).find, requests, self.runtime.objects, table)
        bulks, roll_call = self._bulks(job_list, reruns), self._roll_call()
        controls = Controls(
            objects=self.runtime.objects,
            bucket=settings.log_bucket,
            jobs=table,
            now=now,
            metrics=metrics,
            reruns=reruns,
            take_bulk=bulks.take_up,
        )
        # A wish does not wait for a log.
        steering = SingleFlight(settling.settle, table.read)
        steer = _handle(lambda message, _: controls.hear(message), steering, name_work)
        return (
            self._consumer("requests", self.runtime.requests, admit, settings.request_slots, self._starts_left),
            self._consumer("events", self.runtime.events, follow, settings.event_slots, _always_open),
            self._consumer("control", self.runtime.control, steer, settings.control_slots, _always_open),
            self._sweeper(bulks, roll_call).run(),
            roll_call.run(),
            bulks.run(),
            self._redrives().run(),
            LogChecks(self.runtime.log_lanes, self.stopping).run(),
            Protection(os.environ.get("ECS_AGENT_URI"), self.liveness, self.stopping).run(),
        )

    def _consumer(self, name: str, queue: Queue, handle: Handle, slots: int, gate: Gate) -> Coroutine[None, None, None]:
        return Consumer(
            name=name,
            queue=queue,
            handle=handle,
            slots=slots,
            poll_seconds=self.runtime.settings.poll_seconds,
            stopping=self.stopping,
            liveness=self.liveness,
            gate=gate,
            note_failure=self._note_failure(name),
            metrics=self.runtime.metrics,
            gather_seconds=_GATHER_SECONDS[name],
        ).run()

    def _note(self, job: Record) -> None:
        self.runtime.starts.heard_of(job, self.runtime.settling.now())

    async def _starts_left(self) -> None:
        """Wait while Step Functions or ECS takes no more on: what cannot be started is better left in the queue."""
        while not (self.stopping.is_set() or self.runtime.starts.has_capacity()):
            await told_to_stop(self.stopping, _GATE_SECONDS)

    def _note_failure(self, queue: str) -> NoteFailure:
        async def note(message: Message, error: Exception) -> None:
            # It is in the log already; that it cannot be noted must not keep the message from being tried again.
            with suppress(AwsError):
                await self.runtime.failures.note(message.message_id, queue, error)

        return note

    def _redrives(self) -> Redrives:
        return Redrives(
            executions=self.runtime.executions,
            table=self.runtime.table,
            turns=self.runtime.turns,
            every_seconds=self.runtime.settings.redrives_seconds,
            stopping=self.stopping,
            metrics=self.runtime.metrics,
        )

    def _bulks(self, job_list: JobList, reruns: Reruns) -> Bulks:
        """Bulks are settled as jobs are, by somebody else who performs what they are owed."""
        settling, claim_seconds = self.runtime.settling, self.runtime.settling.patience.claim
        many = SteersMany(
            job_list, settling.jobs, settling, reruns, self.stopping, claim_seconds, settling.now, PAGE_JOBS
        )
        return Bulks(replace(settling, performer=many), settling.jobs, self.stopping)

    def _roll_call(self) -> RollCall:
        return RollCall(
            executions=self.runtime.executions,
            tasks=self.runtime.tasks,
            table=self.runtime.table,
            turns=self.runtime.turns,
            settling=self.runtime.settling,
            every_seconds=self.runtime.settings.sweep_seconds,
            stopping=self.stopping,
            metrics=self.runtime.metrics,
        )

    def _sweeper(self, bulks: Bulks, roll_call: RollCall) -> Sweeper:
        settings = self.runtime.settings
        return Sweeper(
            table=self.runtime.table,
            settling=self.runtime.settling,
            pace=self.runtime.questions,
            every_seconds=settings.sweep_seconds,
            claim_seconds=settings.sweep_seconds,
            stopping=self.stopping,
            liveness=self.liveness,
            metrics=self.runtime.metrics,
            take_bulk=bulks.take_up,
            call_the_roll=roll_call.wanted.set,
        )


def _to_standard_output(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


_Hear = Callable[[Message, str], Awaitable[Record | HeldBack | None]]


def _note_nothing(_job: Record) -> None:
    """For messages that say nothing of what was started."""


def _handle(
    hear: _Hear,
    single_flight: SingleFlight,
    name_work: Callable[[], str],
    note: Callable[[Record], None] = _note_nothing,
) -> Handle:
    """Learn what a message says, then do what its job is now owed."""

    async def handle(message: Message) -> int | None:
        me = name_work()
        job = await hear(message, me)
        if isinstance(job, HeldBack):
            return job.seconds
        if job is not None:
            note(job)
            await single_flight.settle(job, me)
        return None

    return handle


async def _always_open() -> None:
    """Events have no rate to keep within: what they cause is paced where it is done."""
