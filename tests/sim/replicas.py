"""The workers: real ones, started, told to stop, killed and started again, as ECS does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from service.aws.objects import Objects
from service.metrics import UNMETERED
from service.runtime import wire
from service.settings import Settings
from tests.sim.judge import Judge
from tests.sim.network import Network
from tests.support.aws.cloudwatch_logs import LogsClient, SimLogs
from tests.support.aws.dynamodb import DynamoDbClient, SimTable
from tests.support.aws.ecs import EcsClient, SimEcs
from tests.support.aws.s3 import S3Client, SimBucket, SimSession
from tests.support.aws.sns import SimTopic, SnsClient
from tests.support.aws.sqs import SimQueue, SqsClient
from tests.support.aws.stepfunctions import SimStepFunctions, StepFunctionsClient
from tests.support.faults import Faults
from tests.support.loop import Process, VirtualLoop, world_call_at
from tests.support.names import EPOCH, REGION
from tests.support.settings import default_settings
from tests.support.simulated_images import CATALOG
from tests.support.trace import Trace
from workers.liveness import Liveness
from workers.worker import Worker, work_until_stopped

_MOST_SKEW_SECONDS = 0.5


def draw_settings(chance: Random) -> Settings:
    """The worker's settings in one seed: mostly the defaults, at times with little room."""
    drawn = {
        "request_slots": chance.choice((50, 50, 3, 1)),
        "event_slots": chance.choice((200, 200, 10, 2)),
        "visibility_seconds": chance.choice((60, 60, 30, 6)),
        "silence_seconds": chance.choice((300, 120)),
        "sweep_seconds": chance.choice((30, 60)),
        "log_batches": chance.choice(("on", "on", "on", "off")),
    }
    return default_settings().model_copy(update=drawn)


@dataclass(frozen=True)
class Blackout:
    """A time without any worker, at times long enough for ECS to forget tasks; none in most seeds."""

    begins: float
    ends: float

    @classmethod
    def draw(cls, chance: Random) -> Blackout:
        begins = 20 + chance.random() * 200
        return cls(begins, begins + chance.choice((1500, 7200)) if chance.random() < 0.05 else begins)


class Clients:
    """AWS, as workers reach it."""

    def __init__(
        self,
        network: Network,
        queues: Sequence[SimQueue],
        table: SimTable,
        states: SimStepFunctions,
        ecs: SimEcs,
        logs: SimLogs,
        bucket: SimBucket,
        topic: SimTopic,
        clock: Callable[[], float],
        is_calm: Callable[[], bool] = lambda: False,
    ) -> None:
        self.sqs = SqsClient(network, *queues)
        self.s3 = S3Client(network, bucket, SimSession(clock))
        self._clients: dict[str, Any] = {
            "sqs": self.sqs,
            "s3": self.s3,
            "dynamodb": DynamoDbClient(network, table, is_calm),
            "stepfunctions": StepFunctionsClient(network, states),
            "ecs": EcsClient(network, ecs),
            "logs": LogsClient(network, logs),
            "sns": SnsClient(network, topic),
        }

    async def open(self, service: str) -> Any:
        """A client, by the service's name."""
        return self._clients[service]


class Replica:
    """One place of the ECS service: a worker, and after it the next."""

    def __init__(
        self,
        number: int,
        loop: VirtualLoop,
        chance: Random,
        faults: Faults,
        settings: Settings,
        clients: Clients,
        judge: Judge,
        trace: Trace,
        blackout: Blackout,
    ) -> None:
        self.name = f"worker{number}"
        self.sigterms = 0
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._settings = settings
        self._clients = clients
        self._judge = judge
        self._trace = trace
        self._blackout = blackout
        self._ended: asyncio.Future[BaseException | None] = loop.create_future()
        self._process = Process(self.name)
        self._stopping = asyncio.Event()
        self._sigterm_every = chance.choice((0, 0, 120, 600))

    async def run(self) -> None:
        """Keep a worker running, for ever."""
        world_call_at(self._loop, self._blackout.begins, self._go_dark)
        for incarnation in count(1):
            self._start(Process(f"{self.name}.{incarnation}"))
            await self._until_it_ends()
            await self._loop.pause(1 + self._chance.random() * 30)
            if self._blackout.begins <= self._loop.time() < self._blackout.ends:
                await self._loop.pause(self._blackout.ends - self._loop.time())

    @property
    def stands_still(self) -> bool:
        """Whether its worker is stopped for now, with calls that it is about to make."""
        return self._process.alive and self._process.stalled_until > self._loop.time()

    def _go_dark(self) -> None:
        if self._blackout.ends > self._blackout.begins and not self._ended.done():
            self._faults.note("worker gone for hours")
            self._loop.kill(self._process)
            self._clients.sqs.disturbed(self._process)
            self._ended.set_result(None)

    def killed(self, process: Process) -> None:
        """The network says that a process died."""
        if process is self._process and not self._ended.done():
            self._ended.set_result(None)

    def _start(self, process: Process) -> None:
        self._trace.say(process.name, "STARTED")
        self._process = process
        self._ended = self._loop.create_future()
        self._stopping = asyncio.Event()
        task = self._loop.create_task(self._work(process, self._stopping), context=process.context)
        task.add_done_callback(self._exited)

    async def _work(self, process: Process, stopping: asyncio.Event) -> None:
        skew = (self._chance.random() * 2 - 1) * _MOST_SKEW_SECONDS
        names = (f"{process.name}-work{number}" for number in count(1))

        def now() -> float:
            return EPOCH + skew + self._loop.time()

        objects = Objects(self._clients.s3, self._clients.s3.session, now)  # type: ignore[arg-type]  # the simulated client
        opened = self._clients.open
        runtime = await wire(self._settings, opened, objects, CATALOG, REGION, now, UNMETERED, names.__next__)
        await work_until_stopped(Worker(runtime, Liveness(now), stopping))

    def _exited(self, task: asyncio.Task[None]) -> None:
        process = self._process
        error = task.exception() if not task.cancelled() else asyncio.CancelledError()
        self._trace.say(process.name, "EXITED", error or "")
        self._judge.on_exit(process, error)
        if not self._ended.done():
            self._ended.set_result(error)

    async def _until_it_ends(self) -> None:
        if self._sigterm_every and not self._ended.done():
            await self._wait(self._sigterm_every * (0.2 + self._chance.random()))
        if self._ended.done() or not self._sigterm_every or self._loop.time() >= self._faults.calm_at:
            await self._ended
            return
        await self._terminate()

    async def _terminate(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        self.sigterms += 1
        self._trace.say(self._process.name, "SIGTERM")
        self._process.told_to_stop_at = self._loop.time()
        self._clients.sqs.disturbed(self._process)
        self._stopping.set()
        await self._wait(self._settings.stop_timeout_seconds)
        if not self._ended.done():
            self._faults.note("kill -9 after stopTimeout")
            self._loop.kill(self._process)
            self._judge.on_late(self._process)
            self._ended.set_result(None)

    async def _wait(self, seconds: float) -> None:
        await asyncio.wait((self._ended,), timeout=seconds)
