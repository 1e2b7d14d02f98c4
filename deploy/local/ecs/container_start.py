"""From a task definition and its overrides to running containers."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, get_region, now_iso, request_scope
from ministack.services import cloudwatch_logs, ecs

from deploy.local.ecs.container_logs import LogEvent, LogPump
from deploy.local.ecs.container_output import Watch, nobody_watches
from deploy.local.ecs.containers import (
    Container,
    ContainerSpec,
    ContainerStartError,
    InDocker,
    Reaper,
    start_container,
)
from deploy.local.ecs.docker import Docker, DockerRefusedError, ToCreate
from deploy.local.ecs.images import Image, Images, ImagesOfJobs
from deploy.local.ecs.task_lifecycle import TaskStartError
from deploy.local.fills.call_log import Tell, nobody
from deploy.local.fills.responses import JsonObject
from deploy.local.fills.role_credentials import SECRET, access_key
from schemas.arn import task_id_of

MEBIBYTE = 1 << 20
DEFAULT_STOP_TIMEOUT = 30.0  # seconds (botocore, ContainerDefinition.stopTimeout)
REDRIVE = "JOBFERRY_REDRIVE"
OUTPUT_DRAIN = 5.0  # seconds a container's output may take after its end
# They would outrank the static keys for no SDK, but they point at an endpoint that gives no usable credentials.
UNUSABLE_CREDENTIALS = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN")


@dataclass(frozen=True)
class Machine:
    """What every container gets from where it runs: search paths, scratch space, the emulator's endpoint."""

    scratch: Path
    endpoint_url: str
    path: str
    python_path: str
    docker: Docker

    def surroundings(self, image: Image) -> dict[str, str]:
        """What a process here needs of this machine, and one in Docker brings itself. Ours find our modules."""
        if image.docker:
            return {}
        ours = {} if image.own else {"PYTHONPATH": self.python_path}
        return {"PATH": self.path, "LANG": "C.UTF-8", **ours}

    def environment(self, account: str, region: str, role: str | None = None) -> dict[str, str]:
        """What a container knows of AWS; nothing of the emulator's own environment is among it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": access_key(role, account),
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }


@dataclass(frozen=True)
class Planned:
    """A container that can be started, once its turn comes."""

    definition: Mapping[str, Any]
    image: Image


class ContainerStarter:
    """Starts the containers of tasks, and can end all of them."""

    def __init__(
        self, images: ImagesOfJobs, machine: Machine, reaper: Reaper, tell: Tell = nobody, watch: Watch = nobody_watches
    ) -> None:
        self._images = images
        self._machine = machine
        self._reaper = reaper
        self._tell = tell
        self._watch = watch
        self._running: set[Container] = set()
        self._lock = threading.Lock()

    def __call__(
        self, task: JsonObject, definition: JsonObject, on_exit: Callable[[Container], None]
    ) -> dict[str, Container]:
        """Start every container of a task, in the definition's order.

        Raises:
            TaskStartError: one of them cannot start; those before it are stopped.
        """
        images = self._images.of_job(job_of(task))
        planned = [self._plan(each, images) for each in definition["containerDefinitions"]]
        task["pullStoppedAt"] = now_iso()
        started: dict[str, Container] = {}
        for plan in planned:
            with self._stopping_all(started):
                container = self._start_one(task, definition, plan, on_exit)
                started[container.spec.name] = container
        return started

    def kill_all(self) -> None:
        """End every container at once."""
        with self._lock:
            running = list(self._running)
        for container in running:
            container.kill()
        for container in running:
            container.exited.wait()
            container.remove()

    def _plan(self, definition: Mapping[str, Any], images: Images) -> Planned:
        image = images.find(definition["image"])
        if image is None:
            raise TaskStartError(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                f"{definition['image']}: {definition['image']}: not found"
            )
        if image.docker:
            try:
                self._machine.docker.pull(image.docker)
            except DockerRefusedError as refusal:
                raise TaskStartError(f"CannotPullContainerError: {image.docker}: {refusal}") from refusal
        return Planned(definition, image)

    @contextmanager
    def _stopping_all(self, started: Mapping[str, Container]) -> Iterator[None]:
        try:
            yield
        except TaskStartError:
            for container in started.values():
                container.kill()
                container.exited.wait()
                container.remove()
            raise

    def _start_one(
        self, task: JsonObject, definition: JsonObject, plan: Planned, on_exit: Callable[[Container], None]
    ) -> Container:
        name = plan.definition["name"]
        spec = ContainerSpec(
            name=name,
            argv=argv_of(plan, override_of(task, name)),
            environment=self._environment(task, definition, plan),
            stop_timeout=float(plan.definition.get("stopTimeout") or DEFAULT_STOP_TIMEOUT),
            memory_limit=memory_limit_of(task, plan),
            directory=plan.image.directory,
        )
        if plan.image.docker:
            spec = self._in_docker(task, plan, spec)
        tell = partial(self._tell, definition.get("executionRoleArn") or "")
        pump = open_log(task, plan.definition, tell, partial(self._watch, task, name))
        container = self._spawn(spec, pump)
        self._show(task, container, plan.definition["image"])
        threading.Thread(
            target=self._supervise, args=(container, pump, on_exit), daemon=True, name=f"container-{name}"
        ).start()
        return container

    def _in_docker(self, task: JsonObject, plan: Planned, spec: ContainerSpec) -> ContainerSpec:
        """The same container, to be made by Docker; what is started here is the client that runs it."""
        entry_point, command = words_of(plan, override_of(task, spec.name))
        made = ToCreate(
            name=f"jobferry-{task_id_of(task['taskArn'])}-{spec.name}",
            image=str(plan.image.docker),
            entry_point=entry_point,
            command=command,
            variables=spec.environment,
            memory=spec.memory_limit,
            stop_timeout=spec.stop_timeout,
        )
        docker = self._machine.docker
        return replace(spec, environment=docker.environment, in_docker=InDocker(docker, made))

    def _spawn(self, spec: ContainerSpec, pump: LogPump | None) -> Container:
        output = subprocess.DEVNULL if pump is None else pump.sink
        try:
            container = start_container(spec, self._machine.scratch, self._reaper, output)
        except ContainerStartError as refusal:
            if pump is not None:
                pump.abandon()
            raise TaskStartError(f"CannotStartContainerError: {refusal}", spec.name) from refusal
        if pump is not None:
            pump.start()
        with self._lock:
            self._running.add(container)
        return container

    def _supervise(self, container: Container, pump: LogPump | None, on_exit: Callable[[Container], None]) -> None:
        settle = (lambda: None) if pump is None else partial(pump.join, OUTPUT_DRAIN)
        container.supervise(self._reaper, settle, on_exit)
        with self._lock:
            self._running.discard(container)

    def _environment(self, task: JsonObject, definition: JsonObject, plan: Planned) -> dict[str, str]:
        container = plan.definition
        given = pairs(container) | secrets_of(container) | pairs(override_of(task, container["name"]))
        env: dict[str, str] = {}
        role = override_role_of(task) or definition.get("taskRoleArn")
        token = ecs._register_metadata(
            task["taskArn"], task["clusterArn"], definition, container, task.get("launchType", "EC2"), env,
            host_mode=True, ministack_net_ip=None,
        )  # fmt: skip
        task.setdefault("_metadata_tokens", []).append(token)
        for name in UNUSABLE_CREDENTIALS:
            env.pop(name, None)
        known = self._machine.surroundings(plan.image) | self._machine.environment(get_account_id(), get_region(), role)
        return env | known | dict(plan.image.environment) | given

    def _show(self, task: JsonObject, container: Container, image: str) -> None:
        shown = next(each for each in task["containers"] if each["name"] == container.spec.name)
        task_id = task_id_of(task["taskArn"])
        shown["lastStatus"] = "RUNNING"
        shown["runtimeId"] = f"{task_id.replace('-', '')}-{container.group}"
        shown["imageDigest"] = f"sha256:{sha256(image.encode()).hexdigest()}"


def argv_of(plan: Planned, override: Mapping[str, Any]) -> tuple[str, ...]:
    """What a container executes."""
    entry_point, command = words_of(plan, override)
    return entry_point + command


def words_of(plan: Planned, override: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entry point and command: an override's command replaces the definition's, that the image's, as in Docker."""
    entry_point = tuple(plan.definition.get("entryPoint") or plan.image.entry_point)
    default = () if plan.definition.get("entryPoint") else plan.image.command
    return entry_point, tuple(override.get("command") or plan.definition.get("command") or default)


def job_of(task: Mapping[str, Any]) -> str:
    """Who keeps the images that it began with: a job, and each redrive of it anew, which may be there to mend them."""
    overrides = task["overrides"].get("containerOverrides") or []
    redrives = [pairs(each)[REDRIVE] for each in overrides if REDRIVE in pairs(each)]
    return f"{task.get('group', '')}#{redrives[0] if redrives else 0}"


def override_of(task: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A container's part of the task's overrides."""
    given = task["overrides"].get("containerOverrides") or []
    return next((override for override in given if override.get("name") == name), {})


def override_role_of(task: Mapping[str, Any]) -> str | None:
    """The task role that RunTask gave in the place of the definition's."""
    role: str | None = task["overrides"].get("taskRoleArn")
    return role


def memory_limit_of(task: Mapping[str, Any], plan: Planned) -> int | None:
    """The container's memory limit in bytes, where its image is to be held to one."""
    if not plan.image.memory_limit:
        return None
    override = override_of(task, plan.definition["name"])
    mebibytes = override.get("memory") or plan.definition.get("memory") or task.get("memory")
    return int(mebibytes) * MEBIBYTE if mebibytes else None


def pairs(holder: Mapping[str, Any]) -> dict[str, str]:
    """An ECS `environment` list as a mapping."""
    return {entry["name"]: entry["value"] for entry in holder.get("environment") or []}


def secrets_of(container: Mapping[str, Any]) -> dict[str, str]:
    """A container's secrets, resolved.

    Raises:
        TaskStartError: one cannot be read.
    """
    try:
        resolved: dict[str, str] = ecs._resolve_container_secrets(container)
    except ecs._SecretResolutionError as error:
        raise TaskStartError(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            f"failed: {error}"
        ) from error
    return resolved


def open_log(
    task: Mapping[str, Any],
    container: Mapping[str, Any],
    tell: Callable[..., None],
    watch: Callable[[Sequence[LogEvent]], None],
) -> LogPump | None:
    """The way of a container's output to its log stream and to who watches, or None when it keeps no log.

    Raises:
        TaskStartError: the log group does not exist.
    """
    task_id = task_id_of(task["taskArn"])
    config = ecs._awslogs_config(container, task_id, container["name"])
    if config is None:
        return None
    account, region = get_account_id(), config["region"] or get_region()
    with request_scope(account, region):
        if not ecs._ensure_awslogs_stream(config):
            raise TaskStartError(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
                "exist. : exit status 1"
            )
    stream = f"arn:aws:logs:{region}:{account}:log-group:{config['group']}:log-stream:{config['stream']}"
    tell("logs:CreateLogStream", stream)
    put = partial(put_log_events, config, account, region, partial(tell, "logs:PutLogEvents", stream))

    def send(events: Sequence[LogEvent]) -> None:
        put(events)
        watch(events)

    return LogPump(f"{task_id[:8]}-{container['name']}", send)


def put_log_events(
    config: Mapping[str, str], account: str, region: str, tell: Callable[[], None], events: Sequence[LogEvent]
) -> None:
    """Append a batch to a log stream. A group that was deleted meanwhile swallows it, as it does on AWS."""
    tell()
    with request_scope(account, region):
        cloudwatch_logs._put_log_events(
            {
                "logGroupName": config["group"],
                "logStreamName": config["stream"],
                "logEvents": [{"timestamp": event.timestamp, "message": event.message} for event in events],
            }
        )


def search_path(python: str, inherited: str | None) -> str:
    """The PATH of containers: this interpreter first, so that `python` means it."""
    return os.pathsep.join([str(Path(python).parent), inherited or os.defpath])
