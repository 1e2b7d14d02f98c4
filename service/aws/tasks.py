"""ECS: ask how a task is, stop it, and look up where its containers log to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from schemas.arn import cluster_of
from schemas.events import TaskDetail
from service.aws.errors import answered, aws_errors

if TYPE_CHECKING:
    from types_aiobotocore_ecs import ECSClient


@dataclass(frozen=True)
class LogConfiguration:
    """Where a container of a task definition logs to, by its driver and options."""

    driver: str | None = None
    group: str | None = None
    stream_prefix: str | None = None
    region: str | None = None
    mode: str | None = None
    buffer: str | None = None
    sent_to: str | None = None
    is_router: bool = False


# Where a driver sends to; for FireLens one of its router's outputs, by what its plugin calls the place. Keys are left.
_ADDRESSES = ("splunk-url", "gelf-address", "syslog-address", "fluentd-address")
_PLACES = ("log_group_name", "delivery_stream", "stream", "bucket", "host")
# A cluster can be deleted only once no task of it is active [botocore, DeleteCluster].
_NO_CLUSTER = "ClusterNotFoundException"
_MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Tasks:
    """The tasks of a cluster. Task definitions never change, so what they say is kept."""

    client: ECSClient
    _known: MutableMapping[str, dict[str, LogConfiguration]] = field(default_factory=dict)
    _asking: MutableMapping[str, asyncio.Task[None]] = field(default_factory=dict)

    async def describe(self, arn: str) -> TaskDetail | None:
        """How a task is; None where ECS has forgotten it, about an hour after its end, or with its cluster."""
        with answered(_NO_CLUSTER), aws_errors():
            answer = await self.client.describe_tasks(cluster=cluster_of(arn), tasks=[arn])
            return next((TaskDetail.model_validate(task) for task in answer["tasks"]), None)
        return None

    async def describe_many(self, arns: Collection[str]) -> list[TaskDetail]:
        """How these tasks are, by one call for a hundred of a cluster [botocore, DescribeTasks: "up to 100"].

        Those that ECS does not know are left out.
        """
        found: list[TaskDetail] = []
        for cluster, of_cluster in groupby(sorted(arns, key=cluster_of), key=cluster_of):
            tasks = list(of_cluster)
            for first in range(0, len(tasks), _MOST_AT_ONCE):
                with answered(_NO_CLUSTER), aws_errors():
                    answer = await self.client.describe_tasks(
                        cluster=cluster, tasks=tasks[first : first + _MOST_AT_ONCE]
                    )
                    found.extend(map(TaskDetail.model_validate, answer["tasks"]))
        return found

    async def stop(self, arn: str, reason: str) -> TaskDetail | None:
        """Ask ECS to stop a task. Its containers get SIGTERM, and SIGKILL after their stopTimeout.

        None where ECS does not know the task any more, or its cluster, so that there is nothing to stop.
        """
        with answered("InvalidParameterException", _NO_CLUSTER), aws_errors():
            answer = await self.client.stop_task(cluster=cluster_of(arn), task=arn, reason=reason)
            return TaskDetail.model_validate(answer["task"]) if "task" in answer else None
        return None

    async def log_configurations(self, task_definition_arn: str) -> dict[str, LogConfiguration] | None:
        """The log configuration of each container of a task definition; None where it was deleted.

        One call a definition, however many ask at once: a burst of tasks that stop is of few definitions.
        """
        if task_definition_arn not in self._known:
            if task_definition_arn not in self._asking:
                asking = self._asking[task_definition_arn] = asyncio.create_task(self._ask(task_definition_arn))
                asking.add_done_callback(lambda _: self._asking.pop(task_definition_arn))
            # Who is cut off leaves the call to the others.
            await asyncio.shield(self._asking[task_definition_arn])
        return self._known.get(task_definition_arn)

    async def _ask(self, task_definition_arn: str) -> None:
        with answered("ClientException"), aws_errors():
            answer = await self.client.describe_task_definition(taskDefinition=task_definition_arn)
            containers = answer["taskDefinition"].get("containerDefinitions", [])
            self._known[task_definition_arn] = {item["name"]: _log_configuration(item) for item in containers}


def _log_configuration(container: object) -> LogConfiguration:
    assert isinstance(container, dict)
    configuration = container.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    return LogConfiguration(
        driver=configuration.get("logDriver"),
        group=options.get("awslogs-group"),
        stream_prefix=options.get("awslogs-stream-prefix"),
        region=options.get("awslogs-region"),
        mode=options.get("mode"),
        buffer=options.get("max-buffer-size"),
        sent_to=_sent_to({key.lower(): value for key, value in options.items()}),
        is_router="firelensConfiguration" in container,
    )


def _sent_to(options: Mapping[str, str]) -> str | None:
    """What a driver's options say of where it sends the log; None where they say nothing."""
    plugin = options.get("name") or options.get("@type")
    place = next((options[key] for key in (*_ADDRESSES, *_PLACES) if options.get(key)), None)
    return ", ".join(filter(None, (plugin, place))) or None
