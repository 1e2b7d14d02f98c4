"""ECS RunTask, StopTask and the tasks between them, on local processes.

Gaps in ministack 1.5.33 filled here: no Docker daemon is asked for anything; RunTask refuses what ECS refuses (an
unknown cluster, overrides of a container that is not there or that are too long, a missing network configuration);
StopTask answers at once and the task stops in its own time.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from ministack.core.responses import get_account_id, get_region, json_response, now_iso, request_scope
from ministack.services import ecs

from deploy.local.ecs import task_events
from deploy.local.ecs.container_start import ContainerStarter
from deploy.local.ecs.task_lifecycle import TaskLife, changing, tell_service_stopped
from deploy.local.fills.pinned import replace
from deploy.local.fills.quotas import NO_QUOTAS, Quotas, TokenBucket
from deploy.local.fills.responses import JsonObject, Response, rate_exceeded, refused

LONGEST_OVERRIDES = 8192  # characters, JSON syntax included (botocore, ECS TaskOverride)
MOST_TASKS_A_CALL = 10  # botocore, ECS RunTask
STOPPED_BY_USER = "Task stopped by user"  # what ECS says when StopTask gave no reason
NO_VCPUS = "You've reached the limit on the number of vCPUs you can run concurrently"
CPU_UNITS = 1024  # of one vCPU
STOPPED_WITH_THE_RUN = "The local run ended while this task ran"
STOPPED_TASKS_KEPT = 1000  # ECS forgets by time (an hour); the emulator walks all it keeps at every change


class NoDocker:
    """Stands where ministack keeps its Docker client; truthy, so that tasks are started, and empty."""

    def __init__(self) -> None:
        self.containers = self

    def list(self, **_: Any) -> list[Any]:
        """No container of ours is Docker's."""
        return []


class LocalTasks:
    """Every task of the emulator, and who waits for its end."""

    def __init__(self, start: ContainerStarter, quotas: Quotas = NO_QUOTAS) -> None:
        self._start = start
        self._calls = TokenBucket(quotas.run_task)
        self._launches = TokenBucket(quotas.fargate_launch)
        self._vcpus = quotas.vcpus
        self._lives: dict[str, TaskLife] = {}
        self._watchers: dict[str, Callable[[], None]] = {}
        self._stopped: deque[tuple[str, str, str]] = deque()
        self._plain_run_task: Callable[[Mapping[str, Any]], Response] = ecs._run_task
        self._plain_reset: Callable[[], None] = ecs.reset
        self._plain_describe_clusters: Callable[[Mapping[str, Any]], Response] = ecs._describe_clusters
        self._recount: Callable[[str], None] = ecs._recount_cluster
        self._lock = threading.Lock()

    def install(self) -> None:
        """Put local processes in the place of Docker."""
        replace(ecs, "_docker", NoDocker())
        self._plain_run_task = replace(ecs, "_run_task", self.run_task)
        replace(ecs, "_run_task_worker", self.live)
        replace(ecs, "_stop_task", self.stop_task)
        replace(ecs, "_maybe_mark_stopped", leave_to_the_task)
        replace(ecs, "_supports_image_resolution", no_image_digests)
        self._recount = replace(ecs, "_recount_cluster", count_when_asked)
        self._plain_describe_clusters = replace(ecs, "_describe_clusters", self.describe_clusters)
        ecs._ACTION_MAP.update(RunTask=self.run_task, StopTask=self.stop_task, DescribeClusters=self.describe_clusters)
        self._plain_reset = replace(ecs, "reset", self.reset)

    def run_task(self, request: Mapping[str, Any]) -> Response:
        """ECS RunTask."""
        if not self._calls.take():
            return rate_exceeded()
        refusal = refuse(request) or find_no_room(request)
        if refusal is not None:
            return refusal
        # The tasks' threads wait for this lock, so the answer shows them as they were before they began.
        with self._lock:
            refusal = self._over_quota(request)
            if refusal is not None:
                return refusal
            status, headers, body = self._plain_run_task(request)
            if status >= 400:
                return status, headers, body
            arns = [task["taskArn"] for task in json.loads(body)["tasks"]]
            shown = [self._register(ecs._tasks[arn]) for arn in arns]
        result: Response = json_response({"tasks": shown, "failures": []}, status)
        return result

    def stop_task(self, request: Mapping[str, Any]) -> Response:
        """ECS StopTask: answers once the stop is asked for, not once it is done."""
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        if cluster is None or cluster not in ecs._clusters:
            return refused("ClusterNotFoundException", "Cluster not found.")
        task = ecs._resolve_task(request.get("task", ""), cluster)
        if not task:
            return refused("InvalidParameterException", "The referenced task was not found.")
        self.ask_stop(task["taskArn"], request.get("reason") or STOPPED_BY_USER)
        with changing(task):
            shown = ecs._sanitize(task)
        result: Response = json_response({"task": shown})
        return result

    def describe_clusters(self, request: Mapping[str, Any]) -> Response:
        """ECS DescribeClusters, which is when a cluster's tasks are counted."""
        for cluster in request.get("clusters", ["default"]):
            self._recount(ecs._resolve_cluster_name(cluster))
        return self._plain_describe_clusters(request)

    def ask_stop(self, arn: str, reason: str) -> None:
        """Begin a task's end; a task that has ended is left alone."""
        life = self._lives.get(arn)
        if life is not None:
            life.ask_stop(reason, "UserInitiated")

    def live(
        self, task: JsonObject, _definition: Any, _overrides: Any, _docker: Any, account: str, region: str
    ) -> None:
        """Be the thread of one task."""
        arn = task["taskArn"]
        with self._lock:
            life = self._lives[arn]
        with request_scope(account, region):
            life.live()
            del self._lives[arn]
            self._tell(arn)
            tell_service_stopped(task)
            self._forget_oldest(account, region, arn)

    def _over_quota(self, request: Mapping[str, Any]) -> Response | None:
        """Why the account may not have these tasks of Fargate now, or None.

        ⚠ In which error RunTask says that the vCPUs are used up was recorded nowhere; these are ECS's own words for it.
        """
        definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", "")))
        if not definition or not on_fargate(request):
            return None
        count = int(request.get("count", 1))
        if self._vcpus is not None:
            running = sum(vcpus_of(task) for task in ecs._tasks.values() if counts(task))
            asked = count * vcpus_of({**definition, **sizes_of(request)})
            if running + asked > self._vcpus:
                return refused("ClientException", NO_VCPUS)
        return None if self._launches.take(count) else rate_exceeded()

    def _register(self, task: JsonObject) -> JsonObject:
        definition = definition_of(task)
        task_events.complete(task, definition)
        self._lives[task["taskArn"]] = TaskLife(task, definition, self._start)
        shown: JsonObject = ecs._sanitize(task)
        return shown

    def watch(self, arn: str, on_stopped: Callable[[], None]) -> None:
        """Call back once when a task has stopped, at once when it has already."""
        with self._lock:
            self._watchers[arn] = on_stopped
        if ecs._tasks.get(arn, {"lastStatus": "STOPPED"})["lastStatus"] == "STOPPED":
            self._tell(arn)

    def restore(self) -> None:
        """After a restart: what ran then was stopped, and ECS says so; ministack has marked it, and no more."""
        for (account, region, _), task in ecs._tasks.all_items():
            if task.get("stoppedAt"):
                continue
            with request_scope(account, region):
                task.update(desiredStatus="STOPPED", stoppedAt=now_iso())
                task.setdefault("stoppedReason", STOPPED_WITH_THE_RUN)
                task.setdefault("stopCode", "UserInitiated")
                for container in task["containers"]:
                    container["lastStatus"] = "STOPPED"
                task_events.publish(task)

    def close(self) -> None:
        """Kill every container there is."""
        self._start.kill_all()

    def reset(self) -> None:
        """Forget every task and kill its containers, as the emulator's own reset does with Docker's."""
        self.close()
        self._plain_reset()

    def _tell(self, arn: str) -> None:
        with self._lock:
            on_stopped = self._watchers.pop(arn, None)
        if on_stopped is not None:
            on_stopped()

    def _forget_oldest(self, account: str, region: str, arn: str) -> None:
        with self._lock:
            self._stopped.append((account, region, arn))
            if len(self._stopped) > STOPPED_TASKS_KEPT:
                ecs._tasks.pop_scoped(*self._stopped.popleft(), None)


def on_fargate(request: Mapping[str, Any]) -> bool:
    """Whether Fargate is to run the tasks that are asked for."""
    providers = [each.get("capacityProvider", "") for each in request.get("capacityProviderStrategy") or []]
    return any(name.startswith("FARGATE") for name in providers) or request.get("launchType") == "FARGATE"


def sizes_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The size that the overrides give in the place of the definition's."""
    overrides = request.get("overrides") or {}
    return {"cpu": overrides["cpu"]} if overrides.get("cpu") else {}


def vcpus_of(sized: Mapping[str, Any]) -> float:
    """What a task, or a definition, takes of the quota."""
    return int(sized.get("cpu") or 0) / CPU_UNITS


def counts(task: Mapping[str, Any]) -> bool:
    """Whether a task takes from the quota: one of Fargate's that has not stopped."""
    return task["lastStatus"] != "STOPPED" and task.get("launchType") == "FARGATE"


def leave_to_the_task(*_: Any) -> None:
    """A task's own thread knows when it stopped; nobody has to look."""


def count_when_asked(_cluster: str) -> None:
    """To walk all tasks at every change of one made each job dearer than the one before."""


def no_image_digests(*_: Any) -> bool:
    """A local image has no digest in a registry that a service's first task could resolve."""
    return False


def definition_of(task: Mapping[str, Any]) -> JsonObject:
    """The task definition a task is started from, as it is now."""
    definition: JsonObject = deepcopy(ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])])
    return definition


def refuse(request: Mapping[str, Any]) -> Response | None:
    """Why ECS refuses a RunTask, or None. What ministack checks itself is left to it."""
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    if cluster != "default" and cluster not in ecs._clusters:
        return refused("ClusterNotFoundException", "Cluster not found.")
    if not 1 <= int(request.get("count", 1)) <= MOST_TASKS_A_CALL:
        return refused("InvalidParameterException", f"Count must be between 1 and {MOST_TASKS_A_CALL}.")
    definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", "")))
    if not definition:
        return None
    return _refuse_overrides(request, definition) or _refuse_network(request, definition)


def find_no_room(request: Mapping[str, Any]) -> Response | None:
    """RunTask's answer when it is granted and no instance fits: this machine has no attribute to be a member of."""
    constraints = request.get("placementConstraints") or []
    if not any(constraint.get("type") == "memberOf" for constraint in constraints):
        return None
    instance = f"arn:aws:ecs:{get_region()}:{get_account_id()}:container-instance/this-machine"
    failure = {"arn": instance, "reason": "MemberOf placement constraint unsatisfied."}
    answer: Response = json_response({"tasks": [], "failures": [failure]})
    return answer


def _refuse_overrides(request: Mapping[str, Any], definition: Mapping[str, Any]) -> Response | None:
    overrides = request.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False)) > LONGEST_OVERRIDES:
        return refused("InvalidParameterException", "Container Overrides length must be at most 8192")
    known = {container["name"] for container in definition["containerDefinitions"]}
    for override in overrides.get("containerOverrides") or []:
        if override.get("name") not in known:
            return refused(
                "InvalidParameterException",
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition.",
            )
    return None


def _refuse_network(request: Mapping[str, Any], definition: Mapping[str, Any]) -> Response | None:
    if definition.get("networkMode") == "awsvpc" and not request.get("networkConfiguration"):
        return refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )
    return None
