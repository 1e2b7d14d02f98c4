"""What still runs in a stack: CloudFormation deletes no cluster with tasks in it, and no state machine at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deploy.stacks import DeployError
from schemas.arn import name_of

_GONE = {"StateMachineDoesNotExist", "StateMachineDeleting", "ClusterNotFoundException"}
_WHY = "make destroy FORCE=1"
_NAMED_AT_MOST = 10
# A container has two minutes at most on Fargate from SIGTERM to its end; on EC2 as long as it was given.
_WITHIN_SECONDS = 900.0
_DESCRIBED_AT_ONCE = 100  # [DescribeTasks]


@dataclass(frozen=True)
class WorkUnderWay:
    """The jobs and tasks of a stack, and how to end them."""

    session: boto3.Session
    state_machine: str
    cluster: str
    worker_service: str
    every_seconds: float
    within_seconds: float = _WITHIN_SECONDS
    _clients: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, session: boto3.Session, resources: Mapping[str, str], every_seconds: float) -> WorkUnderWay:
        """That of the stack with these resources; one that was never made whole may lack any."""
        return cls(
            session,
            resources.get("StateMachine", ""),
            resources.get("Cluster", ""),
            name_of(resources.get("WorkerService", "")),
            every_seconds,
        )

    def executions(self) -> list[str]:
        """The executions that run."""
        return list(_unless_gone(self._executions())) if self.state_machine else []

    def tasks(self) -> list[str]:
        """The jobs' tasks that have not stopped."""
        return [task["taskArn"] for task in self._tasks() if not self._is_workers(task)]

    def machines(self) -> int:
        """How many machines of its owner's are registered in the cluster."""
        if not self.cluster:
            return 0
        found = self._client("ecs").describe_clusters(clusters=[self.cluster])["clusters"]
        return int(found[0].get("registeredContainerInstancesCount", 0)) if found else 0

    def lines(self) -> list[str]:
        """What runs, in words; nothing where nothing does."""
        executions, tasks = self.executions(), self.tasks()
        lines = []
        if executions:
            lines.append(f"Running {_counted(len(executions), 'job')}: {_some(map(name_of, executions))}")
        if tasks:
            lines.append(f"Running {_counted(len(tasks), 'task')}: {_some(map(name_of, tasks))}")
        return lines

    def end(self, stack: str, *, force: bool, tell: Callable[[str], None]) -> None:
        """See to it that nothing runs. Raises DeployError where something does, and may not or cannot be stopped."""
        if machines := self.machines():
            raise DeployError(
                f"{_counted(machines, 'machine')} of your own in the cluster {self.cluster}: first delete the stack "
                "that made them. See EC2 in deploy/IMAGES.md."
            )
        if not force and (lines := self.lines()):
            raise DeployError(
                "\n".join([f"The stack {stack} was not deleted, since jobs are running:", *lines])
                + f"\nWait until they have ended, or stop them with `make destroy STACK={stack} FORCE=1`."
            )
        if force:
            self._stop_all(tell)

    def _stop_all(self, tell: Callable[[str], None]) -> None:
        """The workers first, or they would start what waits in the queue meanwhile."""
        self._stop_workers()
        deadline, shown = time.monotonic() + self.within_seconds, set[str]()
        while left := [*self.executions(), *(task["taskArn"] for task in self._tasks())]:
            if time.monotonic() > deadline:
                raise DeployError(f"Told to stop, and still running after {self.within_seconds:g} s: {_some(left)}")
            for arn in left:
                if arn not in shown:
                    shown.add(arn)
                    tell(f"Stop    {name_of(arn)}")
                    self._stop(arn)
            time.sleep(self.every_seconds)

    def _stop_workers(self) -> None:
        if not self.worker_service:
            return
        self._client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{self.cluster}/{self.worker_service}",
            ScalableDimension="ecs:service:DesiredCount",
            SuspendedState={
                "DynamicScalingInSuspended": True,
                "DynamicScalingOutSuspended": True,
                "ScheduledScalingSuspended": True,
            },
        )
        self._client("ecs").update_service(cluster=self.cluster, service=self.worker_service, desiredCount=0)

    def _stop(self, arn: str) -> None:
        if ":states:" in arn:
            self._client("stepfunctions").stop_execution(executionArn=arn, cause=_WHY)
        else:
            # Scale-in protection does not hold this off.
            self._client("ecs").stop_task(cluster=self.cluster, task=arn, reason=_WHY)

    def _executions(self) -> Iterator[str]:
        pages = self._client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=self.state_machine, statusFilter="RUNNING"):
            yield from (item["executionArn"] for item in page["executions"])

    def _tasks(self) -> list[dict[str, Any]]:
        """Those that have not stopped; one that is stopping is listed among the stopped."""
        if not self.cluster:
            return []
        listed = list(_unless_gone(self._listed()))
        batches = [listed[first : first + _DESCRIBED_AT_ONCE] for first in range(0, len(listed), _DESCRIBED_AT_ONCE)]
        described = (self._client("ecs").describe_tasks(cluster=self.cluster, tasks=batch) for batch in batches)
        return [task for answer in described for task in answer["tasks"] if task["lastStatus"] != "STOPPED"]

    def _listed(self) -> Iterator[str]:
        pages = self._client("ecs").get_paginator("list_tasks")
        for status in ("RUNNING", "STOPPED"):
            for page in pages.paginate(cluster=self.cluster, desiredStatus=status):
                yield from page["taskArns"]

    def _is_workers(self, task: Mapping[str, Any]) -> bool:
        return bool(self.worker_service) and task.get("group") == f"service:{self.worker_service}"

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            kind: Any = self.session.client
            self._clients[service] = kind(service)
        return self._clients[service]


def _unless_gone(found: Iterator[str]) -> Iterator[str]:
    """What is found; nothing in a state machine or a cluster that an earlier try has deleted."""
    try:
        yield from found
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _some(names: Iterable[str]) -> str:
    """The first few; there may be thousands."""
    named = list(names)
    more = f" and {len(named) - _NAMED_AT_MOST} more" if len(named) > _NAMED_AT_MOST else ""
    return ", ".join(named[:_NAMED_AT_MOST]) + more
