"""A burst: thousands of jobs at once against an account's quotas, with real workers on virtual time.

Nothing else goes wrong here, so that what is measured is the waiting alone.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count
from random import Random
from statistics import mean
from typing import Any

from service.aws.objects import Objects
from service.aws.open_jobs import SHARDS
from service.metrics import UNMETERED
from service.runtime import wire
from tests.sim.clear_way import ClearWay, lived
from tests.sim.network import Network
from tests.sim.replicas import Clients
from tests.sim.simulation import undisturbed
from tests.support.aws.cloudwatch_logs import AWS_PAGE, SimLogs
from tests.support.aws.dynamodb import SimTable
from tests.support.aws.ecs import SimEcs, Task
from tests.support.aws.eventbridge import SimEventBridge
from tests.support.aws.integrations import SimIntegrations
from tests.support.aws.quotas import Quota, Quotas
from tests.support.aws.s3 import SimBucket
from tests.support.aws.sns import Notice, SimTopic
from tests.support.aws.sqs import SimQueue
from tests.support.aws.stepfunctions import SimStepFunctions
from tests.support.faults import Rates
from tests.support.loop import VirtualLoop
from tests.support.names import CONTROL_URL, EPOCH, EVENTS_URL, REGION, REQUESTS_URL
from tests.support.settings import default_settings
from tests.support.simulated_images import CATALOG, Script
from tests.support.trace import Trace
from workers.liveness import Liveness
from workers.worker import Worker, work_until_stopped

_NO_FAULTS = Rates(**{item.name: 0.0 for item in fields(Rates)})
_PENDING_SECONDS = 20.0  # Of a Fargate task, until its container runs.
_LOOK_SECONDS = 1.0
_HOSTLESS = "elsewhere"  # The image, and its task definition.
_STUCK = "stuck-"


@dataclass(frozen=True)
class Burst:
    """So many one-stage jobs in an account of these quotas; a task runs for so many seconds.

    They come all at once, or so many a second. `stuck` more stand in the queue before them, of an image that has no
    host for `hosts_after` seconds. Each worker reads logs `log_reads` times a second, and `log_batches` of small ones.
    """

    jobs: int
    quotas: Callable[[], Quotas]
    runs_seconds: float = 5.0
    workers: int = 2
    within_seconds: float = 100_000.0
    job: tuple[tuple[str, object], ...] = ()
    task_events_lost: float = 0.0
    stuck: int = 0
    hosts_after: float = float("inf")
    per_second: float = float("inf")
    # Of a burst all logs are read at the account's pace; that is another story, and this one is long enough.
    log_reads: float = 1000.0
    # And batches of small ones, so many times a second; none are read together where it is 0.
    log_batches: float = 0.0


# The last unlucky waits weigh more the smaller the burst, and the more calls lie between the gate and a start; of 5,000
# jobs `python -m tests.bench.burst` wants 90 %.
_LEAST_OF_A_SMALL_BURST = 0.72


@dataclass(frozen=True)
class Outcome:
    """What became of a burst. Times in virtual seconds."""

    workers: int
    statuses: Counter[str]
    failures: tuple[dict[str, Any], ...]
    launched_within: float
    ideal_launch_within: float
    run_task_calls: int
    refused: int
    most_waiting: int
    events: tuple[int, ...]
    refusals: tuple[int, ...]
    dead_letters: int
    stuck_started: int
    stuck_launched: tuple[float, ...]
    to_task: tuple[float, ...]
    to_announcement: tuple[float, ...]

    @property
    def flow(self) -> str:
        """How long jobs waited for their task, and subscribers for the outcome once it had stopped."""
        waits = {"a task made after": self.to_task, "told after its stop": self.to_announcement}
        return "; ".join(
            f"{what}: median {_ranked(seconds, 0.5):.1f} s, p99 {_ranked(seconds, 0.99):.1f} s"
            for what, seconds in waits.items()
        )

    @property
    def throughput(self) -> float:
        """Of what the quotas allow."""
        return self.ideal_launch_within / self.launched_within

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with it, for a burst that its account can well take; the last ones may wait a little longer."""
        jobs = sum(self.statuses.values())
        found = {
            f"not all succeeded: {dict(self.statuses)}": self.statuses["SUCCEEDED"] < jobs,
            f"only {100 * self.throughput:.0f} % of what the quotas allow": self.throughput < _LEAST_OF_A_SMALL_BURST,
            f"{self.most_waiting} jobs waited in Step Functions instead of the queue": self.most_waiting
            > 120 * self.workers,
            f"a history of {max(self.events)} events": max(self.events) > 2500,
            f"{self.dead_letters} dead letters": self.dead_letters > 0,
            f"{self.stuck_started} jobs without a host were started": self.stuck_started > 120 * self.workers,
        }
        return tuple(complaint for complaint, holds in found.items() if holds)

    def __str__(self) -> str:
        return (
            f"{dict(self.statuses)}, launched within {self.launched_within:.0f} s of {self.ideal_launch_within:.0f} s "
            f"({100 * self.throughput:.0f} %); RunTask {self.run_task_calls} times, {self.refused} refused, at most "
            f"{max(self.refusals)} of one job; at most {self.most_waiting} jobs waited in Step Functions; history "
            f"events a job {mean(self.events):.0f}, at most {max(self.events)}; of those without a host "
            f"{self.stuck_started} were started"
        )


def _ranked(seconds: tuple[float, ...], share: float) -> float:
    return sorted(seconds)[int(share * (len(seconds) - 1))]


def run_burst(burst: Burst, seed: int = 1) -> Outcome:
    """Let it happen."""
    with undisturbed(shards=SHARDS):  # As many as in production: a sweep takes so many jobs of each.
        place = _Place(burst, seed)
        return lived(place.loop, place.live())


class _Place:
    """The account and its workers."""

    def __init__(self, burst: Burst, seed: int) -> None:
        def chance(name: str) -> Random:
            return Random(f"{seed}:{name}")

        self.burst = burst
        self.loop = loop = VirtualLoop()
        self.quotas = replace(burst.quotas(), hostless={_HOSTLESS: burst.hosts_after})
        faults = ClearWay(chance("faults"), calm_at=float("inf"), most_kills=0)
        rates = Rates(**{**vars(_NO_FAULTS), "task_event_lost": burst.task_events_lost})
        self.bucket, self.topic, self.table = SimBucket(), SimTopic(loop.time), SimTable(loop.time, index_lag=0.0)
        queue = partial(SimQueue, loop=loop, chance=chance("sqs"), max_receives=50, manners=faults)
        self.requests, self.events = queue(REQUESTS_URL), queue(EVENTS_URL)
        bridge = SimEventBridge(loop, chance("bridge"), faults, rates, self.events)
        logs = SimLogs(loop, chance("logs"), faults, rates, self.quotas)
        logs.longest_page = AWS_PAGE
        self.ecs = SimEcs(loop, chance("ecs"), faults, rates, bridge, logs)
        script = Script(pending=_PENDING_SECONDS, runs=burst.runs_seconds, lingers=0.0, lines=1)
        self.ecs.draw_script = lambda chance, family, fails: script
        integrations = SimIntegrations(
            loop, chance("lambda"), faults, rates, self.ecs, self.bucket, self.quotas, self.events
        )
        self.states = SimStepFunctions(loop, chance("states"), faults, rates, bridge, integrations.table(), self.quotas)
        network = Network(loop, chance("network"), faults, Trace(loop.time, on=False))
        self.clients = Clients(
            network, (self.requests, self.events, queue(CONTROL_URL)), self.table, self.states, self.ecs, logs,
            self.bucket, self.topic, loop.time,
        )  # fmt: skip
        self.told: dict[str, dict[str, Any]] = {}
        self.told_at: dict[str, float] = {}
        self.sent_at: dict[str, float] = {}
        self.most_waiting = 0
        self.topic.on_publish = self._on_publish

    def _on_publish(self, notice: Notice) -> None:
        body = notice.body
        if body["status"] in {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"}:
            self.told[body["job_id"]] = body
            self.told_at.setdefault(body["job_id"], self.loop.time())

    async def _send_all(self) -> None:
        for number in range(self.burst.stuck):
            self._send(f"{_STUCK}{number}", _HOSTLESS)
        for number in range(self.burst.jobs):
            if (at := number / self.burst.per_second) > self.loop.time():
                await self.loop.pause(at - self.loop.time())
            self._send(f"job-{number}", "plain")

    async def live(self) -> Outcome:
        """Send all jobs, and work until each was announced."""
        sending = asyncio.create_task(self._send_all())
        stopping = asyncio.Event()
        names = (f"work-{number}" for number in count(1))
        workers = [asyncio.create_task(self._work(stopping, names.__next__)) for _ in range(self.burst.workers)]
        while self._open_jobs() and self.loop.time() < self.burst.within_seconds:
            await self.loop.pause(_LOOK_SECONDS)
            self.most_waiting = max(self.most_waiting, self._waiting())
            for worker in workers:
                if worker.done():
                    worker.result()
        stopping.set()
        await asyncio.gather(sending, *workers)
        return self._outcome()

    def _send(self, job_id: str, image: str) -> None:
        stages = [{"image": image, "command": ["say", "hello"]}]
        self.requests.send(json.dumps({"job_id": job_id, "stages": stages, **dict(self.burst.job)}))
        self.sent_at[job_id] = self.loop.time()

    async def _work(self, stopping: asyncio.Event, name_work: Callable[[], str]) -> None:
        def now() -> float:
            return EPOCH + self.loop.time()

        burst = self.burst
        reads = {
            "get_log_events_per_second": burst.log_reads,
            "log_batches": "on" if burst.log_batches else "off",
            "filter_log_events_per_second": burst.log_batches,
        }
        settings = default_settings().model_copy(update=reads)
        objects = Objects(self.clients.s3, self.clients.s3.session, now)  # type: ignore[arg-type]  # the simulated client
        runtime = await wire(settings, self.clients.open, objects, CATALOG, REGION, now, UNMETERED, name_work)
        await work_until_stopped(Worker(runtime, Liveness(now), stopping))

    def _open_jobs(self) -> bool:
        told = sum(not job_id.startswith(_STUCK) for job_id in self.told)
        hosts_come = self.burst.hosts_after < self.burst.within_seconds
        return told < self.burst.jobs or (hosts_come and len(self.told) < self.burst.jobs + self.burst.stuck)

    def _waiting(self) -> int:
        """Executions that were refused and have no task yet."""
        begun = {group.removeprefix("job:") for group in self.ecs.groups}
        return sum(
            bool(item.position.refusals) and not item.ended and name not in begun
            for name, item in self.states.executions.items()
        )

    def _outcome(self) -> Outcome:
        executions, every_task = list(self.states.executions.values()), list(self.ecs.tasks.values())
        late = [task for task in every_task if task.family == _HOSTLESS]
        tasks = [task for task in every_task if task.family != _HOSTLESS]
        told = [task for task in tasks if _job_of(task) in self.told_at]
        held = mean(task.times["stopped_at"] - task.times["created_at"] for task in tasks) if tasks else 0.0
        refused = sum(len(item.position.refusals) for item in executions)
        return Outcome(
            workers=self.burst.workers,
            statuses=Counter(body["status"] for body in self.told.values()),
            failures=tuple(body["failure"] for body in self.told.values() if body["failure"]),
            launched_within=max((task.times["created_at"] for task in tasks), default=0.0),
            ideal_launch_within=ideal(len(tasks), self.burst.quotas(), held),
            run_task_calls=len(every_task) + refused,
            refused=refused,
            most_waiting=self.most_waiting,
            events=tuple(item.position.events for item in executions),
            refusals=tuple(len(item.position.refusals) for item in executions),
            dead_letters=len(self.requests.dead_letters) + len(self.events.dead_letters),
            stuck_started=sum(name.startswith(_STUCK) for name in self.states.executions),
            stuck_launched=tuple(sorted(task.times["created_at"] for task in late)),
            to_task=tuple(task.times["created_at"] - self.sent_at[_job_of(task)] for task in tasks),
            to_announcement=tuple(self.told_at[_job_of(task)] - task.times["stopped_at"] for task in told),
        )


def _job_of(task: Task) -> str:
    return task.group.removeprefix("job:")


def ideal(jobs: int, quotas: Quotas, held_seconds: float, vcpus_of_a_task: float = 0.25) -> float:
    """How soon whoever knew the quotas could have launched the last of so many tasks, all of them at hand."""
    running: list[float] = []
    now, slots = 0.0, min(jobs, quotas.vcpus / vcpus_of_a_task)
    for _ in range(jobs):
        if len(running) >= slots:
            now = max(now, heapq.heappop(running))
        for quota in (quotas.run_task, quotas.launches):
            while not quota.take(now):
                now += (1 - quota.tokens) / quota.refill + 1e-9
        heapq.heappush(running, now + held_seconds)
    return now


def rate_of_run_task(burst: float, refill: float = 20.0) -> Callable[[], Quotas]:
    """An account that has all the vCPUs one could want, and this bucket of RunTask."""
    return lambda: Quotas(run_task=Quota(burst, refill), launches=Quota(100, refill), vcpus=float("inf"))


def vcpus(number: float) -> Callable[[], Quotas]:
    """An account of so many vCPUs, all else AWS's defaults."""
    return lambda: Quotas(vcpus=number)
