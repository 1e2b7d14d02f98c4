"""How an attempt ended, gathered from what AWS says of it, so that one table can judge it.

What is shown to people goes through `one_line`, which redacts: AWS puts signed URLs and task tokens into reasons
and causes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.base import exit_code, well_formed
from service.core.overrides import REDRIVE_VARIABLE
from service.core.redaction import cut_in_the_middle, redact

_LONGEST_LINE = 400
_DEEPEST_NESTING = 64
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_MEMORY_KILL = "OutOfMemory"
# Of a task that failed to start the job's own container may have done its work, before a sidecar started
# [grand-challenge].
_ENDED_BY_ITSELF = frozenset({"", "essentialcontainerexited", "taskfailedtostart"})


@dataclass(frozen=True)
class Ending:
    """All that is known of how an attempt, or a whole execution, ended. Times in seconds, memory in MiB.

    `exit_code` and `container_reason` are the job's own container's; `other_reasons` tell how the others ended.
    `started` is whether the task ever ran. `callback` is whether the container had to report back with its token.
    `error` is Step Functions' name, `JobTimedOut`, or `Execution.ABORTED` and `Execution.TIMED_OUT` for a
    whole execution, which ends so without an error.
    """

    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None
    container_reason: str | None = None
    other_reasons: tuple[str, ...] = ()
    launch_type: str | None = None
    capacity_provider: str | None = None
    started: bool = True
    error: str | None = None
    cause: str | None = None
    other_exit_codes: tuple[int, ...] = ()
    callback: bool = False
    memory: int | None = None
    timeout_seconds: float | None = None
    heartbeat_seconds: float | None = None
    duration_seconds: float | None = None


def succeeded(ending: Ending) -> bool:
    """The one rule of success: an explicit exit code 0 of the job's own container, which nobody and no clock stopped.

    A 0 that comes with an out-of-memory kill has been seen [amazon-ecs-agent #2467], and is none.
    """
    was_killed = (ending.container_reason or "").startswith(_MEMORY_KILL)
    was_stopped = stopped_from_outside(ending) or timed_out(ending)
    return ending.exit_code == 0 and not was_killed and not was_stopped


def stopped_from_outside(ending: Ending) -> bool:
    """Whether ECS stopped the task, for a person, a service, Spot or a sick host, before it had ended by itself.

    A container may well end with 0 on SIGTERM, its work undone: so the stop code decides before the exit code. The
    codes are an open set [botocore, TaskStopCode]: one that is not known is somebody's stop, and none says nothing.
    """
    return (ending.stop_code or "").lower() not in _ENDED_BY_ITSELF


def timed_out(ending: Ending) -> bool:
    """Whether the state's clock ended the attempt."""
    return ending.error in ("States.Timeout", "States.HeartbeatTimeout")


def was_refused(error: str | None) -> bool:
    """Whether an attempt failed by this error because RunTask took no task on [Step Functions guide, connect-ecs]."""
    return (error or "").startswith(("ECS.", "AmazonECS."))


@dataclass(frozen=True)
class ContainerEnd:
    """How one container ended, as far as AWS says."""

    name: str
    exit_code: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class TaskEnd:
    """A task that has ended, as Step Functions tells of it; `whole` is false where the JSON was cut."""

    task_arn: str | None
    stop_code: str | None
    stopped_reason: str | None
    launch_type: str | None
    capacity_provider: str | None
    memory: int | None
    started: bool
    containers: tuple[ContainerEnd, ...]
    whole: bool
    redrive: int | None = None


def ending_of_cause(error: str | None, cause: str | None, own_container: str) -> Ending:
    """How the job's own container ended, by the error and cause that a Catch hands over.

    A cause that is a task is taken apart and not kept: it holds the job's whole environment, and a command that
    mentions an error must not be taken for one.
    """
    task = read_task_cause(cause or "")
    return _ending_of(task, own_container, error) if task else Ending(error=error, cause=cause)


def ending_of_result(task: TaskEnd | None, own_container: str) -> Ending:
    """How the job's own container ended, by the task that a state's result is; nothing is known without one.

    A state only succeeds with a task that started, whatever AWS leaves out of it.
    """
    return replace(_ending_of(task, own_container, None), started=True) if task else Ending()


def _ending_of(task: TaskEnd, own_container: str, error: str | None) -> Ending:
    known = ending_of_containers(task.containers, own_container)
    return replace(
        known,
        stop_code=task.stop_code,
        stopped_reason=task.stopped_reason,
        launch_type=task.launch_type,
        capacity_provider=task.capacity_provider,
        started=task.started or not task.whole or known.started,
        memory=task.memory,
        error=error,
    )


def ending_of_containers(containers: Sequence[ContainerEnd], own_container: str) -> Ending:
    """What a task's containers say of how it ended; it started for certain where one of them has an exit code."""
    own, others = _split(containers, own_container)
    return Ending(
        exit_code=own.exit_code,
        container_reason=own.reason,
        other_reasons=_told(others),
        other_exit_codes=_codes(others),
        started=bool(_codes(containers)),
    )


def _split(containers: Iterable[ContainerEnd], own: str) -> tuple[ContainerEnd, list[ContainerEnd]]:
    by_name = {container.name: container for container in containers}
    return by_name.pop(own, ContainerEnd(own)), list(by_name.values())


def _told(others: Iterable[ContainerEnd]) -> tuple[str, ...]:
    """One line a container that did not end well, or of which a reason is known."""
    telling = [item for item in others if item.reason or item.exit_code]
    return tuple(
        f"{item.name}: exit code {'unknown' if item.exit_code is None else item.exit_code}"
        + (f", {item.reason}" if item.reason else "")
        for item in telling
    )


def _codes(containers: Iterable[ContainerEnd]) -> tuple[int, ...]:
    return tuple(item.exit_code for item in containers if item.exit_code is not None)


def read_task_cause(cause: str) -> TaskEnd | None:
    """The task in the cause of a `States.TaskFailed`, or None where there is none.

    Causes are cut at 32,768 characters [botocore SensitiveCause], and a task's overrides alone may have 8,192: what
    stands before the cut is recovered. Keys are PascalCase [LS test_ecs_task_service]; camelCase is read as well.
    """
    value = parsed(cause)
    if value is not None:
        return read_task(value)
    cut = read_task(parsed(_mended(cause)))
    return replace(cut, whole=False) if cut else None


def read_task(value: object) -> TaskEnd | None:
    """The task in a JSON value, or None where there is none; whatever AWS leaves out of it is not known."""
    task = _task_in(value)
    if task is None:
        return None
    listed = task.get("containers")
    # `task_arn` is in the results of an execution that an older state machine began.
    arns = (_text(item.get("taskArn") or item.get("task_arn")) for item in (task, *_objects(listed)))
    return TaskEnd(
        task_arn=next(filter(None, arns), None),
        stop_code=_text(task.get("stopCode")),
        stopped_reason=_text(task.get("stoppedReason")),
        launch_type=_text(task.get("launchType")),
        capacity_provider=_text(task.get("capacityProviderName")),
        memory=whole_number(task.get("memory")),
        started=task.get("startedAt") is not None,
        containers=_listed(listed),
        whole=True,
        redrive=_redrive_in(task.get("overrides")),
    )


def _redrive_in(overrides: object) -> int | None:
    """Which redrive a task is of, by the environment that it was given; None where that does not say."""
    given = _objects(_folded(overrides).get("containerOverrides")) if isinstance(overrides, dict) else []
    pairs = [pair for container in given for pair in _objects(container.get("environment"))]
    return next((whole_number(pair.get("value")) for pair in pairs if pair.get("name") == REDRIVE_VARIABLE), None)


def _task_in(value: object) -> dict[str, Any] | None:
    """The task itself, also where it is wrapped as in the answer of RunTask."""
    if not isinstance(value, dict):
        return None
    task = _folded(value)
    wrapped = _objects(task.get("tasks"))
    task = wrapped[0] if wrapped else task
    return task if task.keys() & {"containers", "taskArn", "stopCode", "stoppedReason"} else None


def _listed(containers: object) -> tuple[ContainerEnd, ...]:
    return tuple(
        ContainerEnd(_text(raw.get("name")) or "", exit_code(raw.get("exitCode")), _text(raw.get("reason")))
        for raw in _objects(containers)
    )


def _objects(values: object) -> list[dict[str, Any]]:
    return [_folded(item) for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _folded(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key[:1].lower() + key[1:]: item for key, item in value.items()}


def _text(value: object) -> str | None:
    return str(well_formed(value)) if isinstance(value, str) and value.strip() else None


def whole_number(value: object) -> int | None:
    """CPU units or MiB, which AWS gives as text; None for what is no such number."""
    text = str(value)
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def parsed(text: str) -> object:
    """What a JSON text holds; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_JSON_MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)


def _mended(text: str) -> str:
    """A JSON text that was cut: up to its last comma, where every value is whole, with the open brackets closed."""
    closers: list[str] = []
    end, tail = 0, ""
    for mark in _JSON_MARK.finditer(text):
        match mark.group():
            case "{" | "[" as opener:
                closers.append("}" if opener == "{" else "]")
            case "}" | "]" if closers:
                closers.pop()
            case ",":
                end, tail = mark.start(), "".join(reversed(closers))
        if len(closers) > _DEEPEST_NESTING:
            break
    return text[:end] + tail


def one_line(text: str) -> str:
    """The text as it may be shown: redacted, printable, on one line, and not too long."""
    shown = "".join(char if char.isprintable() else " " for char in redact(text))
    return cut_in_the_middle(" ".join(shown.split()), _LONGEST_LINE)
