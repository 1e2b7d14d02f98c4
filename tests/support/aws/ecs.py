"""ECS: tasks with several containers, versions that count and skip, tasks that never start, Spot, and forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.aws.cloudwatch_logs import SimLogs, Stream
from tests.support.aws.errors import refusal
from tests.support.aws.eventbridge import SimEventBridge
from tests.support.aws.sqs import Calls
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop
from tests.support.names import CLUSTER_ARN, TASK_ARN, TASK_DEFINITION_ARN, iso, moment
from tests.support.simulated_images import FAMILIES, ContainerKind, Script, draw_script

# "Stopped tasks are visible for at least an hour" [ECS, DescribeTasks].
_REMEMBERED_SECONDS = 3600
_TERM_SECONDS = 2.0
_LONGEST_STALENESS_SECONDS = 5.0
# ECS's names for the moments of a task's life.
_TIMES = {
    "created_at": "createdAt",
    "pull_started_at": "pullStartedAt",
    "pull_stopped_at": "pullStoppedAt",
    "started_at": "startedAt",
    "stopped_at": "stoppedAt",
}


@dataclass
class Container:
    """A container of a task, with all it wrote."""

    kind: ContainerKind
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None
    written: str = ""
    stream: Stream | None = None

    @property
    def delivered_in_time(self) -> str:
        """What of it nobody who waits for the usual time can miss."""
        return self.stream.text_in_time if self.stream else self.written


@dataclass(eq=False)
class Task:
    """One task, from RunTask to STOPPED."""

    arn: str
    group: str
    family: str
    environment: dict[str, str]
    cpu: str
    memory: str
    capacity_provider: str | None
    script: Script
    containers: list[Container]
    stopped: asyncio.Future[None]
    overrides: list[dict[str, Any]]
    stop_asked: bool = False
    waits: asyncio.Future[None] | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    version: int = 1
    stop_code: str | None = None
    stopped_reason: str | None = None
    times: dict[str, float] = field(default_factory=dict)
    shown: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    reported: str | None = None

    @property
    def task_id(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    @property
    def own(self) -> Container:
        """The job's own container."""
        return next(item for item in self.containers if item.kind.own)


class SimEcs:
    """The cluster's tasks."""

    def __init__(
        self, loop: VirtualLoop, chance: Random, faults: Faults, rates: Rates, bridge: SimEventBridge, logs: SimLogs
    ) -> None:
        self.tasks: dict[str, Task] = {}
        self.groups: dict[str, list[Task]] = {}
        self.report: Callable[[Task, bool], None] = lambda task, passed: None
        self.heartbeat: Callable[[Task], None] = lambda task: None
        self.draw_script = draw_script
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._bridge = bridge
        self._logs = logs

    def run_task(self, parameters: dict[str, Any]) -> Task:
        """Take a task on; it lives its life from here."""
        overrides = parameters["Overrides"]
        family = parameters["TaskDefinition"]
        strategy = parameters.get("CapacityProviderStrategy")
        variables = {pair["Name"]: pair["Value"] for pair in overrides["ContainerOverrides"][0]["Environment"]}
        fails = self._rates.task_fails if self._loop.time() < self._faults.calm_at else 0.0
        task = Task(
            arn=f"{TASK_ARN}t{len(self.tasks) + 1:06d}",
            group=parameters["Group"],
            family=family,
            environment=variables,
            cpu=overrides["Cpu"],
            memory=overrides["Memory"],
            capacity_provider=strategy[0]["CapacityProvider"] if strategy else None,
            script=self.draw_script(self._chance, family, fails),
            containers=[Container(kind) for kind in FAMILIES[family]],
            stopped=self._loop.create_future(),
            overrides=overrides["ContainerOverrides"],
        )
        self.tasks[task.task_id] = task
        self.groups.setdefault(task.group, []).append(task)
        task.times["created_at"] = self._loop.time()
        task.shown.append((self._loop.time(), described(task)))
        self._loop.in_world(self._live(task))
        return task

    def stop(self, task_id: str) -> Task:
        """Ask a task to stop. Raises InvalidParameterException for one that is forgotten."""
        task = self.find(task_id)
        if task is None:
            raise refusal("InvalidParameterException", "The referenced task was not found.")
        if task.last_status != "STOPPED" and not task.stop_asked:
            task.stop_asked = True
            task.desired_status = "STOPPED"
            if task.waits is not None and not task.waits.done():
                task.waits.set_result(None)
        return task

    def find(self, task_id: str) -> Task | None:
        """A task that is not forgotten."""
        task = self.tasks.get(task_id)
        if task is None or self._loop.time() > task.times.get("stopped_at", float("inf")) + _REMEMBERED_SECONDS:
            return None
        return task

    def describe(self, task_id: str) -> dict[str, Any] | None:
        """How a task is, or was a moment ago: the API of ECS is eventually consistent [ECS, DescribeTasks]."""
        task = self.find(task_id)
        if task is None:
            return None
        stale = self._faults.happens("stale DescribeTasks", self._rates.stale_describe, self._loop.time())
        seen = self._loop.time() - (self._chance.random() * _LONGEST_STALENESS_SECONDS if stale else 0)
        told = next((told for at, told in reversed(task.shown) if at <= seen), None)
        return with_times(told, moment) if told else None

    async def _live(self, task: Task) -> None:
        script = task.script
        await self._become(task, "PENDING", pull_started_at=self._loop.time())
        stopped = await self._wait(task, script.pending)
        if script.never_starts or stopped:
            await self._end(task, "TaskFailedToStart" if script.never_starts else "UserInitiated", script.never_starts)
            return
        now = self._loop.time()
        for container in task.containers:
            container.runtime_id = f"{task.task_id}-{container.kind.name}"
        await self._become(task, "RUNNING", pull_stopped_at=now, started_at=now)
        await self._run(task)

    async def _run(self, task: Task) -> None:
        script = task.script
        seconds = script.runs if script.spot_after is None else script.spot_after
        interrupted = await self._work(task, seconds)
        if script.spot_after is not None and not interrupted:
            # The warning is an event whose last status is RUNNING still [ECS guide, Fargate Spot].
            task.desired_status, task.stop_code = "STOPPED", "SpotInterruption"
            await self._become(task, "RUNNING")
        if interrupted or script.spot_after is not None:
            await self._loop.pause(self._chance.random() * _TERM_SECONDS)
            # One that answers SIGTERM in good order exits with 0, its work undone.
            own = self._chance.choice((0, 137, 143))
            self._exit(task, own, 0 if own == 0 else 137, None)
            await self._end(task, task.stop_code or "UserInitiated", "Task stopped by user" if interrupted else "Spot")
            return
        self._report(task)
        await self._loop.pause(script.lingers)
        self._exit(task, script.exit_code, script.sidecar_exit_code, script.reason)
        await self._end(task, "EssentialContainerExited", "Essential container in task exited")

    async def _work(self, task: Task, seconds: float) -> bool:
        """Write lines and send heartbeats for so long; answers whether it was told to stop."""
        parts = task.script.lines + 1
        for number in range(parts):
            for container in task.containers if number else ():
                self._write(task, container, f"{container.kind.name} of {task.task_id} says line {number}")
            self.heartbeat(task)
            if await self._wait(task, seconds / parts):
                return True
        return False

    def _write(self, task: Task, container: Container, text: str) -> None:
        container.written += f"{text}\n"
        if container.kind.driver == "awslogs":
            name = f"{container.kind.prefix}/{container.kind.name}/{task.task_id}"
            container.stream = self._logs.open(container.kind.group, name)
            self._logs.write(container.stream, text)

    def _report(self, task: Task) -> None:
        """A callback container says how it went, unless it forgets."""
        if "TASK_TOKEN" in task.environment and task.script.reports is not None:
            self.report(task, task.script.reports)

    def _exit(self, task: Task, own: int | None, other: int | None, reason: str | None) -> None:
        for container in task.containers:
            container.exit_code = own if container.kind.own else other
            container.reason = reason if container.kind.own else None

    async def _end(self, task: Task, stop_code: str, reason: str | None) -> None:
        task.stop_code, task.stopped_reason, task.desired_status = stop_code, reason, "STOPPED"
        await self._become(task, "DEPROVISIONING")
        await self._loop.pause(self._chance.random() * 3)
        await self._become(task, "STOPPED", stopped_at=self._loop.time())
        task.stopped.set_result(None)

    async def _wait(self, task: Task, seconds: float) -> bool:
        """Let time pass; answers whether the task was told to stop, which ends the wait."""
        if not task.stop_asked:
            task.waits = self._loop.pause(seconds)
            await task.waits
        return task.stop_asked

    async def _become(self, task: Task, status: str, **times: float) -> None:
        task.last_status = status
        task.version += 1 + int(self._chance.random() * 3)  # Versions skip (arkime).
        task.times |= times
        told = described(task)
        task.shown.append((self._loop.time(), told))
        self._bridge.task_changed(with_times(told, iso))
        await self._loop.pause(self._chance.random())


def described(task: Task) -> dict[str, Any]:
    """A task as ECS tells it, but that its times are virtual ones."""
    containers = [_container(item) for item in task.containers]
    overrides = [
        {"name": item["Name"], "environment": [{"name": p["Name"], "value": p["Value"]} for p in item["Environment"]]}
        for item in task.overrides
    ]
    told = {
        "taskArn": task.arn,
        "clusterArn": CLUSTER_ARN,
        "taskDefinitionArn": f"{TASK_DEFINITION_ARN}{task.family}:1",
        "group": task.group,
        "lastStatus": task.last_status,
        "desiredStatus": task.desired_status,
        "version": task.version,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
        "launchType": None if task.capacity_provider else "FARGATE",
        "capacityProviderName": task.capacity_provider,
        "cpu": task.cpu,
        "memory": task.memory,
        "containers": containers,
        "overrides": {"containerOverrides": overrides},
    }
    told = {key: value for key, value in told.items() if value is not None}
    return told | {_TIMES[name]: at for name, at in task.times.items()}


def with_times(told: dict[str, Any], form: Callable[[float], Any]) -> dict[str, Any]:
    """A described task with its times in the form that DescribeTasks, events or Step Functions give them."""
    return told | {name: form(told[name]) for name in _TIMES.values() if name in told}


def _container(item: Container) -> dict[str, Any]:
    told = {"name": item.kind.name, "exitCode": item.exit_code, "reason": item.reason, "runtimeId": item.runtime_id}
    return {key: value for key, value in told.items() if value is not None}


class EcsClient:
    """The calls of aiobotocore's ECS client."""

    def __init__(self, calls: Calls, service: SimEcs) -> None:
        self._calls = calls
        self._service = service

    async def describe_tasks(self, *, tasks: list[str], **_: Any) -> Any:
        def effect() -> Any:
            found = [self._service.describe(arn.rsplit("/", 1)[-1]) for arn in tasks]
            return {"tasks": [told for told in found if told is not None]}

        return await self._calls.call("ecs.DescribeTasks", effect, about=" ".join(tasks))

    async def stop_task(self, *, task: str, **_: Any) -> Any:
        def effect() -> Any:
            return {"task": with_times(described(self._service.stop(task.rsplit("/", 1)[-1])), moment)}

        return await self._calls.call("ecs.StopTask", effect, about=task)

    async def describe_task_definition(self, *, taskDefinition: str) -> Any:
        family = taskDefinition.rsplit("/", 1)[-1].partition(":")[0]

        def effect() -> Any:
            return {"taskDefinition": {"containerDefinitions": [item.definition() for item in FAMILIES[family]]}}

        return await self._calls.call("ecs.DescribeTaskDefinition", effect, about=family)
