"""Real workers on virtual time: their loops, their consumers and their adapters, over simulated SQS and DynamoDB."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import structlog
from botocore.exceptions import ClientError

from service.aws.objects import Objects
from service.core.pace import Bucket
from service.metrics import UNMETERED, Meter
from service.runtime import wire
from tests.support.aws.dynamodb import DynamoDbClient, SimTable
from tests.support.aws.errors import refusal
from tests.support.aws.s3 import S3Client, SimBucket
from tests.support.aws.sqs import SimQueue, SqsClient
from tests.support.aws.stepfunctions import StepFunctionsClient
from tests.support.builders import body, catalog
from tests.support.loop import VirtualLoop
from tests.support.names import CONTROL_URL, EPOCH, EVENTS_URL, EXECUTION_ARN, REGION, REQUESTS_URL
from tests.support.settings import default_settings
from workers.liveness import Liveness
from workers.worker import Worker, work_until_stopped

# The template's MaxReceives.
MAX_RECEIVES = 50
_LAST_BACKOFF = 2.0**6  # Of eight tries.
_LONGEST_BACKOFF_SECONDS = 20.0
# Neither events nor sweeps: what is started here never ends, and nobody asks after it.
SETTINGS = default_settings().model_copy(update={"silence_seconds": 1_000_000, "sweep_seconds": 1_000_000})


@dataclass
class Execution:
    """What StartExecution answers with."""

    name: str
    input: str
    started_at: float

    @property
    def arn(self) -> str:
        return EXECUTION_ARN + self.name


@dataclass
class Account:
    """StartExecution of an account: one quota for all who call, and one execution a name."""

    loop: VirtualLoop
    quota: Bucket
    executions: dict[str, Execution] = field(default_factory=dict)
    throttles: int = 0
    on_start: Callable[[Execution], None] = lambda execution: None

    def start(self, name: str, text: str) -> Execution:
        """Start it, or answer with the one of this name."""
        if not self.quota.has_token(self.loop.time()):
            self.throttles += 1
            raise refusal("ThrottlingException", "Rate exceeded")
        self.quota, _ = self.quota.take(self.loop.time())
        if name in self.executions:
            return self.executions[name]
        self.executions[name] = Execution(name, text, self.loop.time())
        self.on_start(self.executions[name])
        return self.executions[name]

    def redriven(self, token: str | None) -> dict[str, Any]:
        """Nobody redrives here."""
        return {"executions": []}


@dataclass
class Sdk:
    """The way to AWS: some latency, and the SDK's own tries where it is throttled."""

    loop: VirtualLoop
    chance: Random
    longest_seconds: Callable[[str], float] = lambda operation: 0.05

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        """One call, its effect somewhere in its middle."""
        backoff = 1.0
        while True:
            await self._pass(operation)
            try:
                answer = effect()
                break
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ThrottlingException" or backoff > _LAST_BACKOFF:
                    raise
            await self.loop.pause(self.chance.random() * min(backoff, _LONGEST_BACKOFF_SECONDS))
            backoff *= 2
        answer = await answer if isinstance(answer, asyncio.Future) else answer
        await self._pass(operation)
        return answer

    async def _pass(self, operation: str) -> None:
        await self.loop.pause(self.chance.random() * self.longest_seconds(operation) / 2)


class _Unswept(DynamoDbClient):
    """The table without its index: no worker sweeps here, and each would look at its start."""

    async def query(self, *, IndexName: str | None = None, **given: Any) -> Any:
        return {"Items": []} if IndexName else await super().query(**given)


class Place:
    """An account with its queues and its table, and the workers that are started in it."""

    def __init__(self, loop: VirtualLoop, seed: int, quota: Bucket, max_receives: int = MAX_RECEIVES) -> None:
        self.loop = loop
        self.sdk = Sdk(loop, Random(f"{seed}:sdk"))
        self.account = Account(loop, quota)
        self.requests = SimQueue(REQUESTS_URL, loop, Random(f"{seed}:sqs"), max_receives=max_receives)
        self.events = SimQueue(EVENTS_URL, loop, Random(f"{seed}:events"))
        control = SimQueue(CONTROL_URL, loop, Random(f"{seed}:control"))
        self.receives: Counter[int] = Counter()
        self.requests.on_delete = lambda _, held: self.receives.update([held.receives])
        self._clients: dict[str, Any] = {
            "sqs": SqsClient(self.sdk, self.requests, self.events, control),
            "dynamodb": _Unswept(self.sdk, SimTable(loop.time)),
            "stepfunctions": StepFunctionsClient(self.sdk, cast(Any, self.account)),
            "s3": S3Client(self.sdk, SimBucket()),
        }

    def send(self, first: int, last: int) -> None:
        """Put in the requests of so many jobs."""
        for number in range(first, last):
            self.requests.send(body(job_id=f"job-{number}"))

    async def work(self, stopping: asyncio.Event, metrics: Meter = UNMETERED, **changed: Any) -> None:
        """A worker, until it is told to stop and has left."""
        settings = SETTINGS.model_copy(update=changed)
        objects = Objects(self._clients["s3"], None, self._now)
        runtime = await wire(settings, self._client, objects, catalog(), REGION, self._now, metrics)
        await work_until_stopped(Worker(runtime, Liveness(self._now), stopping))

    async def _client(self, service: str) -> Any:
        return self._clients.get(service, object())

    def _now(self) -> float:
        return EPOCH + self.loop.time()


def on_virtual_time(story: Callable[[VirtualLoop], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    """Let a story happen; nobody waits for its time."""
    loop = VirtualLoop(Random(f"{seed}:loop"))
    asyncio.set_event_loop(loop)
    try:
        with _unlogged():
            loop.run_until_complete(story(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.bury()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Thousands of log lines are half of the cost, and nobody reads them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
