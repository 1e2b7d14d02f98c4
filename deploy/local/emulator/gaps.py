"""Every fill, installed in one place. Import this only once the process lives in its own environment."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import router
from ministack.services import eventbridge, sns

from deploy.local.ecs import task_events
from deploy.local.ecs.container_output import Watch, nobody_watches
from deploy.local.ecs.container_start import ContainerStarter, Machine, search_path
from deploy.local.ecs.containers import Reaper
from deploy.local.ecs.docker import Docker
from deploy.local.ecs.images import ImagesOfJobs
from deploy.local.ecs.tasks import LocalTasks
from deploy.local.fills import filtered_logs, functions, index_scans, role_credentials, templates, throttled_logs
from deploy.local.fills.call_log import CallLog, nobody
from deploy.local.fills.pinned import replace, require_pin
from deploy.local.fills.quotas import NO_QUOTAS, Quotas
from deploy.local.stepfunctions import callbacks, executions, run_task, states_language, task_states

PROJECT = Path(__file__).resolve().parents[3]


def install(
    images: ImagesOfJobs,
    *,
    port: int,
    scratch: Path,
    reaper: Reaper,
    docker: Docker,
    calls: CallLog | None = None,
    watch: Watch = nobody_watches,
    quotas: Quotas = NO_QUOTAS,
) -> Callable[[], None]:
    """Fill every gap, and give back what must be called at the end: it ends all executions, then all containers.

    Raises:
        PinMovedError: another ministack is installed, or it lost a part that a fill replaces.
    """
    require_pin()
    replace(app, "_collect_scripts", no_scripts)
    replace(eventbridge, "_events_log_list", no_event_log)
    replace(sns, "_is_fifo_topic", is_fifo_topic)
    replace(router, "_is_aws_service_name", is_a_service)
    machine = Machine(
        scratch=scratch,
        endpoint_url=f"http://127.0.0.1:{port}",
        path=search_path(sys.executable, os.environ.get("PATH")),
        python_path=str(PROJECT),
        docker=docker,
    )
    tell = calls.tell if calls else nobody
    tasks = LocalTasks(ContainerStarter(images, machine, reaper, tell, watch), quotas)
    tasks.install()
    task_events.install()
    states_language.install()
    running = executions.install(quotas)
    task_states.install()
    callbacks.install()
    functions.install()
    templates.install()
    filtered_logs.install()
    index_scans.install()
    throttled_logs.install(quotas)
    role_credentials.install()
    run_task.install(tasks, tell)
    if calls:
        calls.install()

    load = replace(app, "_load_persisted_state", lambda: None)

    def load_and_tell() -> None:
        load()
        tasks.restore()
        running.restore()

    app._load_persisted_state = load_and_tell

    def close() -> None:
        # In this order, or the end of its container would be news to an execution, which would ask the planner.
        running.close()
        tasks.close()

    return close


def no_scripts(*_: Any) -> list[str]:
    """Gap: ministack runs whatever lies in /docker-entrypoint-initaws.d and /etc/localstack/init at start."""
    return []


def is_fifo_topic(topic: Mapping[str, Any]) -> bool:
    """Gap: a FIFO topic that CloudFormation made is none to ministack, though only such a topic has this suffix."""
    return str(topic["arn"]).endswith(".fifo")


def is_a_service(_: str) -> bool:
    """Gap: asked for a service that it has not, ministack reads all models of the SDK, for seconds, to learn its name.

    It answers 400 where there is one; so here does whatever a request is signed for.
    """
    return True


def no_event_log() -> deque[Any]:
    """Gap: ministack keeps every event that was ever published, and reads none of them again."""
    return deque(maxlen=0)
