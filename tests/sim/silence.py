"""Silence: hundreds of jobs of which nothing is heard for long, against small quotas of questions, on virtual time.

Most of them run on. Some have ended, or a task of theirs has, and no event told of it. Lists of what runs are late and
not whole, and name some for ever that have ended. A worker is killed in the middle of it, and another one comes.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

from service.aws.objects import Objects
from service.aws.open_jobs import SHARDS
from service.metrics import UNMETERED
from service.runtime import wire
from tests.sim.clear_way import ClearWay, lived
from tests.sim.network import Effect, Network
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
from tests.support.aws.stepfunctions import Execution, SimStepFunctions
from tests.support.faults import Faults, Rates
from tests.support.loop import PROCESS, Process, VirtualLoop
from tests.support.names import CONTROL_URL, EPOCH, EVENTS_URL, REGION, REQUESTS_URL
from tests.support.settings import default_settings
from tests.support.simulated_images import CATALOG, Script
from tests.support.trace import Trace
from workers import roll_call
from workers.liveness import Liveness
from workers.worker import Worker, work_until_stopped

_LOOK_SECONDS = 5.0
_A_DAY = 86_400.0
# The image of a task that stops soon, and of one that runs on.
_SOON, _FOR_LONG = "lossy", "plain"
_SOON_SECONDS = 100.0
_RESTART_SECONDS = 20.0
# How late a silent job may be asked after: until a sweep has looked, the roll was called, and again for whom it left.
_MOST_OVERDUE_SECONDS = 240.0
# Of a silent job something is known by then: the silence and half of it again, that, and a task's grace and its log.
_TOLD_WITHIN_SECONDS = 450.0 + 2 * _MOST_OVERDUE_SECONDS + 60.0


@dataclass(frozen=True)
class Silence:
    """So many jobs that run on, that end, and whose first stage ends; of as many that end a task's end is heard of.

    Some that end are named by lists for ever.

    Each worker asks `per_second` times a second at the most, and so many the account allows. Whoever calls the roll
    takes shards until it has `enough`. A worker is killed at `kill_at`.
    """

    run_on: int = 300
    end: int = 10
    pass_a_stage: int = 10
    named_for_ever: int = 0
    per_second: float = 1.0
    quota: float = 1.0
    a_page: int = 40
    workers: int = 2
    enough: int = 100
    kill_at: float = 480.0
    seconds: float = 1800.0

    @property
    def jobs(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Their ids, each with the images of its stages."""
        yield from ((f"long-{number}", (_FOR_LONG,)) for number in range(self.run_on))
        yield from ((f"ends-{number}", (_SOON,)) for number in range(self.end))
        yield from ((f"ends-heard-{number}", (_SOON,)) for number in range(self.end))
        yield from ((f"named-{number}", (_SOON,)) for number in range(self.named_for_ever))
        yield from ((f"stage-{number}", (_SOON, _FOR_LONG)) for number in range(self.pass_a_stage))


@dataclass(frozen=True)
class Outcome:
    """What became of them. Times in virtual seconds."""

    overdue: float
    told_after: dict[str, float]
    untold: tuple[str, ...]
    told_too_soon: tuple[str, ...]
    stage_known_after: dict[str, float]
    stages_unknown: int
    refused: dict[str, int]
    calls_by: dict[str, Counter[str]]

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with it."""
        late = [job_id for job_id, after in self.told_after.items() if after > _TOLD_WITHIN_SECONDS]
        unlisted = [job_id for job_id in late if not job_id.startswith("named-")]
        stages = [after for after in self.stage_known_after.values() if after > _TOLD_WITHIN_SECONDS]
        found = {
            f"a silent job was not asked after for {self.overdue:.0f} s": self.overdue > _MOST_OVERDUE_SECONDS,
            f"nobody was told of {self.untold}": bool(self.untold),
            f"told before they ended: {self.told_too_soon}": bool(self.told_too_soon),
            f"{len(unlisted)} were told of late": bool(unlisted),
            f"a task that stopped was not heard of in time: {len(stages)}, {self.stages_unknown} never": bool(
                stages or self.stages_unknown
            ),
        }
        return tuple(complaint for complaint, holds in found.items() if holds)


def run_silence(silence: Silence, seed: int = 1) -> Outcome:
    """Let it happen."""
    with undisturbed(shards=SHARDS), patch.object(roll_call, "_ENOUGH", silence.enough):
        place = _Place(silence, seed)
        return lived(place.loop, place.live())


class _Place:
    """The account and its workers."""

    def __init__(self, silence: Silence, seed: int) -> None:
        def chance(name: str) -> Random:
            return Random(f"{seed}:{name}")

        self.silence = silence
        self.loop = loop = VirtualLoop(chance("loop"))
        many = Quota(10_000, 10_000)
        asked, listed = Quota(20, silence.quota), Quota(20, 2)
        self.quotas = Quotas(
            run_task=many, launches=many, vcpus=float("inf"), describe_execution=asked, list_executions=listed
        )
        faults = ClearWay(chance("faults"), calm_at=float("inf"), most_kills=0)
        rates = Rates(**({item.name: 0.0 for item in fields(Rates)} | {"stale_describe": 0.2}))
        self.bucket, self.topic, self.table = SimBucket(), SimTopic(loop.time), SimTable(loop.time, index_lag=1.0)
        queue = partial(SimQueue, loop=loop, chance=chance("sqs"), max_receives=50, manners=faults)
        self.requests, self.events = queue(REQUESTS_URL), queue(EVENTS_URL)
        bridge = SimEventBridge(loop, chance("bridge"), faults, rates, self.events)
        bridge.held_back = _held_back
        logs = SimLogs(loop, chance("logs"), faults, rates, self.quotas)
        logs.longest_page = AWS_PAGE
        self.ecs = SimEcs(loop, chance("ecs"), faults, rates, bridge, logs)
        self.ecs.draw_script = lambda chance, family, fails: _SCRIPTS[family]
        integrations = SimIntegrations(
            loop, chance("lambda"), faults, rates, self.ecs, self.bucket, self.quotas, self.events
        )
        self.states = SimStepFunctions(loop, chance("states"), faults, rates, bridge, integrations.table(), self.quotas)
        self.states.longest_list = silence.a_page
        self.network = _Counting(loop, chance("network"), faults, Trace(loop.time, on=False))
        self.clients = Clients(
            self.network, (self.requests, self.events, queue(CONTROL_URL)), self.table, self.states, self.ecs, logs,
            self.bucket, self.topic, loop.time,
        )  # fmt: skip
        self.ended_at: dict[str, float] = {}
        self.told_at: dict[str, float] = {}
        self.stage_known_at: dict[str, float] = {}
        self.overdue = 0.0
        self.topic.on_publish = self._on_publish
        self.states.on_end = self._on_end

    def _on_publish(self, notice: Notice) -> None:
        self.told_at.setdefault(notice.body["job_id"], self.loop.time())

    def _on_end(self, execution: Execution) -> None:
        self.ended_at[execution.name] = self.loop.time()
        if execution.name.startswith("named-"):
            self.states.always_listed.add(execution.name)

    async def live(self) -> Outcome:
        """Send the jobs, and let time pass."""
        for job_id, images in self.silence.jobs:
            stages = [{"image": image, "command": ["say", "hello"]} for image in images]
            self.requests.send(json.dumps({"job_id": job_id, "stages": stages}))
        first, *_ = processes = [self._start(f"worker{number}") for number in range(self.silence.workers)]
        killed = False
        while self.loop.time() < self.silence.seconds:
            await self.loop.pause(_LOOK_SECONDS)
            self._look()
            if not killed and self.loop.time() >= self.silence.kill_at:
                killed = True
                self.loop.kill(first)
                await self.loop.pause(_RESTART_SECONDS)
                processes.append(self._start("worker-again"))
        for process in processes:
            self.loop.kill(process)
        return self._outcome()

    def _start(self, name: str) -> Process:
        process = Process(name)
        self.loop.create_task(self._work(process), context=process.context)
        return process

    async def _work(self, process: Process) -> None:
        def now() -> float:
            return EPOCH + self.loop.time()

        names = (f"{process.name}-work{number}" for number in count(1))
        settings = default_settings().model_copy(update={"sweep_per_second": self.silence.per_second})
        objects = Objects(self.clients.s3, self.clients.s3.session, now)  # type: ignore[arg-type]  # the simulated client
        runtime = await wire(settings, self.clients.open, objects, _PATIENT, REGION, now, UNMETERED, names.__next__)
        await work_until_stopped(Worker(runtime, Liveness(now), asyncio.Event()))

    def _look(self) -> None:
        """How late the latest is, and which tasks that stopped are known to have."""
        now = self.loop.time()
        for job_id, _ in self.silence.jobs:
            head = self.table.item(job_id)
            if "due_at" in head and job_id.startswith("long-"):
                self.overdue = max(self.overdue, EPOCH + now - float(head["due_at"]["N"]))
            if job_id.startswith("stage-") and len(self.table.items.get(job_id, {})) > 2:
                self.stage_known_at.setdefault(job_id, now)

    def _outcome(self) -> Outcome:
        must_end = [job_id for job_id, images in self.silence.jobs if images == (_SOON,)]
        stopped = {job_id: _stopped_at(self.ecs.groups.get(f"job:{job_id}", [])) for job_id, _ in self.silence.jobs}
        known = {job_id: at - stopped[job_id] for job_id, at in self.stage_known_at.items()}
        return Outcome(
            overdue=self.overdue,
            told_after={job_id: at - self.ended_at.get(job_id, at) for job_id, at in self.told_at.items()},
            untold=tuple(job_id for job_id in must_end if job_id not in self.told_at),
            told_too_soon=tuple(
                job_id for job_id, at in self.told_at.items() if at < self.ended_at.get(job_id, _A_DAY)
            ),
            stage_known_after=known,
            stages_unknown=self.silence.pass_a_stage - len(known),
            refused={"describe": self.quotas.describe_execution.refused, "list": self.quotas.list_executions.refused},
            calls_by=self.network.made_by,
        )


class _Counting(Network):
    """Counts what each worker calls."""

    def __init__(self, loop: VirtualLoop, chance: Random, faults: Faults, trace: Trace) -> None:
        super().__init__(loop, chance, faults, trace)
        self.made_by: dict[str, Counter[str]] = defaultdict(Counter)

    async def call(self, operation: str, effect: Effect, about: object = "") -> Any:
        """Count it, and make it."""
        process = PROCESS.get()
        self.made_by[process.name if process else "aws"][operation] += 1
        return await super().call(operation, effect, about)


def _held_back(event: dict[str, Any]) -> float | None:
    """Nobody hears of an execution's end, and of a task's only where a list, or nothing, is to tell of the other."""
    detail = event["detail"]
    if detail.get("lastStatus") == "RUNNING":
        return 0.0
    return 0.0 if detail.get("group", "").startswith(("job:named-", "job:ends-heard-")) else None


def _stopped_at(tasks: list[Task]) -> float:
    return min((task.times["stopped_at"] for task in tasks if "stopped_at" in task.times), default=_A_DAY)


_SCRIPTS = {
    _SOON: Script(pending=2.0, runs=_SOON_SECONDS, lingers=1.0, lines=1),
    _FOR_LONG: Script(pending=2.0, runs=_A_DAY, lingers=1.0, lines=1),
}
_PATIENT = CATALOG.model_copy(
    update={
        "images": {
            name: image.model_copy(update={"timeout_seconds": 2 * int(_A_DAY)})
            for name, image in CATALOG.images.items()
        }
    }
)
