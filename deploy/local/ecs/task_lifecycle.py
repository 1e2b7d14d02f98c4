"""What happens to one ECS task from PROVISIONING to STOPPED, told truthfully at every step.

Gap in ministack 1.5.33: a task needs a Docker daemon; it is marked STOPPED before its containers are, all containers
are given the exit code of one (0 after a StopTask), and its state is found out by polling. Here a task is a thread that
starts local processes, hears of their ends, and changes the record and publishes the event in one step.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region, now_iso
from ministack.services import ecs, ecs_metadata

from deploy.local.ecs import task_events
from deploy.local.ecs.containers import Container
from deploy.local.fills.responses import JsonObject
from schemas.errors import JobferryError

ESSENTIAL_EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
RELAUNCH_AFTER = 5.0  # seconds; ECS throttles a service whose tasks keep failing


class TaskStartError(JobferryError):
    """A task cannot start; its message is the stoppedReason. `container` names the culprit where there is one."""

    def __init__(self, reason: str, container: str | None = None) -> None:
        super().__init__(reason)
        self.container = container


class StartedContainers(Protocol):
    """Starts a task's containers, in order; tells `on_exit` of each one's end."""

    def __call__(
        self, task: JsonObject, definition: JsonObject, on_exit: Callable[[Container], None]
    ) -> dict[str, Container]:
        """Raises TaskStartError, having stopped what it started."""


@dataclass(frozen=True)
class Exited:
    """A container has ended."""

    container: Container


@dataclass(frozen=True)
class StopAsked:
    """Somebody asked for the task's end."""


class TaskLife:
    """One task's life. `live` is its thread; `ask_stop` may be called from any other."""

    def __init__(self, task: JsonObject, definition: JsonObject, start: StartedContainers) -> None:
        self._task = task
        self._definition = definition
        self._start = start
        self._containers: dict[str, Container] = {}
        self._inbox: queue.SimpleQueue[Exited | StopAsked] = queue.SimpleQueue()
        self._changing = threading.RLock()

    def live(self) -> None:
        """See the task from its first event to its last."""
        task_events.publish(self._task)
        try:
            if self._provision():
                self._await_end()
        except TaskStartError as failure:
            self._note_reason(failure)
            self._stopping(str(failure), "TaskFailedToStart", seen=False)
        self._stop_containers()
        self._deprovision()

    def ask_stop(self, reason: str, stop_code: str) -> None:
        """Begin the task's end; asking again changes nothing."""
        if self._stopping(reason, stop_code, seen=True):
            self._inbox.put(StopAsked())

    def _provision(self) -> bool:
        arn = self._task["taskArn"]
        with self._changing:
            if not ecs._mark_task_pending(arn, self._task):
                return False
            task_events.publish(self._task)
            if not ecs._mark_task_activating(arn, self._task):
                return False
        self._containers = self._start(self._task, self._definition, self._on_exit)
        return self._running()

    def _running(self) -> bool:
        with self._changing:
            with changing(self._task):
                task_events.attach_interface(self._task)
            if not ecs._mark_task_running(self._task["taskArn"], self._task):
                return False
            task_events.publish(self._task)
        tell_service_running(self._task)
        return True

    def _on_exit(self, container: Container) -> None:
        self._inbox.put(Exited(container))

    def _await_end(self) -> None:
        while True:
            message = self._inbox.get()
            if isinstance(message, StopAsked):
                return
            self._note_exit(message.container)
            if self._is_over(message.container):
                self._stopping(ESSENTIAL_EXITED, "EssentialContainerExited", seen=bool(self._still_running()))
                return
            with self._changing:
                ecs._bump_task_version(self._task)
                task_events.publish(self._task)

    def _is_over(self, container: Container) -> bool:
        return self._is_essential(container.spec.name) or not self._still_running()

    def _is_essential(self, name: str) -> bool:
        definitions = self._definition["containerDefinitions"]
        return any(each["name"] == name and each.get("essential", True) for each in definitions)

    def _still_running(self) -> list[Container]:
        return [container for container in self._containers.values() if not container.exited.is_set()]

    def _stopping(self, reason: str, stop_code: str, *, seen: bool) -> bool:
        """Turn the desired status; `seen` says whether ECS shows that as a change of its own."""
        with self._changing:
            if self._task["desiredStatus"] == "STOPPED":
                return False
            with changing(self._task):
                self._task.update(
                    desiredStatus="STOPPED", stoppingAt=now_iso(), stoppedReason=reason, stopCode=stop_code
                )
            if seen:
                ecs._bump_task_version(self._task)
                task_events.publish(self._task)
            return True

    def _stop_containers(self) -> None:
        running = self._still_running()
        for container in running:
            container.terminate()
        asked_at = time.monotonic()
        for container in sorted(running, key=lambda each: each.spec.stop_timeout):
            left = asked_at + container.spec.stop_timeout - time.monotonic()
            if not container.exited.wait(max(left, 0)):
                container.kill()
        for container in self._containers.values():
            container.exited.wait()
            self._note_exit(container)

    def _note_exit(self, container: Container) -> None:
        with self._changing, changing(self._task):
            shown = self._shown(container.spec.name)
            shown.update(lastStatus="STOPPED", exitCode=container.exit_code)
            if container.out_of_memory:
                shown["reason"] = OUT_OF_MEMORY

    def _note_reason(self, failure: TaskStartError) -> None:
        if failure.container is not None:
            self._shown(failure.container)["reason"] = str(failure)

    def _shown(self, name: str) -> JsonObject:
        return next(container for container in self._task["containers"] if container["name"] == name)

    def _deprovision(self) -> None:
        with changing(self._task):
            self._task["executionStoppedAt"] = now_iso()
            for container in self._task["containers"]:
                container["lastStatus"] = "STOPPED"
        self._move("DEPROVISIONING")
        for container in self._containers.values():
            container.remove()
        with changing(self._task):
            task_events.detach_interface(self._task)
            self._task["stoppedAt"] = now_iso()
        forget_metadata(self._task)
        self._move("STOPPED")

    def _move(self, status: str) -> None:
        with self._changing:
            self._task["lastStatus"] = status
            ecs._bump_task_version(self._task)
            task_events.publish(self._task)


def changing(task: JsonObject) -> threading.Lock:
    """The lock under which a task's record changes, which is also the one under which DescribeTasks reads it."""
    lock: threading.Lock = resource_lock("ecs-task", task["taskArn"])
    return lock


def forget_metadata(task: JsonObject) -> None:
    """Close the metadata endpoints of a stopped task's containers."""
    ecs_metadata.set_task_status(task["taskArn"], known_status="STOPPED", desired_status="STOPPED")
    for token in task.pop("_metadata_tokens", None) or []:
        ecs_metadata.unregister_token(token)


def tell_service_running(task: JsonObject) -> None:
    """Let the service scheduler see a task of its that came up."""
    service = service_key(task)
    if service is not None:
        cluster = service.partition("/")[0]
        ecs._schedule_service_deployment_completion(cluster, service, get_account_id(), get_region(), healthy_task=task)


def tell_service_stopped(task: JsonObject) -> None:
    """Let the service scheduler replace a stopped task of its, though not at once if it failed."""
    service = service_key(task)
    if service is None:
        return
    cluster = ecs._cluster_name_from_arn(task["clusterArn"])
    ecs._refresh_service_state(cluster, task["group"])
    if task["stopCode"] == "UserInitiated":
        ecs._reconcile_service_tasks(cluster, service)
    else:
        time.sleep(RELAUNCH_AFTER)
        ecs._record_service_task_failure(task)


def service_key(task: JsonObject) -> str | None:
    """Where the emulator keeps the service that a task belongs to, if it belongs to one."""
    kind, _, name = task.get("group", "").partition(":")
    return f"{ecs._cluster_name_from_arn(task['clusterArn'])}/{name}" if kind == "service" else None
