"""How an attempt ended, by what ECS told us of its task. The planner never hears from ECS, so this is the worker's."""

from __future__ import annotations

from dataclasses import replace

from service.core.diagnosis.ending import ContainerEnd, Ending, ending_of_containers, read_task_cause, whole_number
from service.core.record.facts import TaskChanged


def ending_of_task(task: TaskChanged, own_container: str, error: str | None = None, cause: str | None = None) -> Ending:
    """How the job's own container ended, by what ECS says of its task, and by Step Functions' error if there is one."""
    known = ending_of_containers(
        [ContainerEnd(item.name, item.exit_code, item.reason) for item in task.containers], own_container
    )
    return replace(
        known,
        stop_code=task.stop_code,
        stopped_reason=task.stopped_reason,
        launch_type=task.launch_type,
        capacity_provider=task.capacity_provider,
        started=task.started_at is not None or known.started,
        memory=whole_number(task.memory),
        error=error,
        cause=None if cause and read_task_cause(cause) else cause,
    )
