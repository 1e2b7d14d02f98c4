"""Amazon Resource Names, taken apart and put together in this one place.

`arn:partition:service:region:account:resource`; the resource may hold colons and slashes [AWS general reference].
"""

from __future__ import annotations

_STATE_MACHINE, _EXECUTION = ":stateMachine:", ":execution:"
_FIELDS = 6


def region_of(arn: str) -> str:
    """The region that it names; empty where it names none, or is no ARN."""
    return _fields(arn)[3]


def account_of(arn: str) -> str:
    """The account that it names; empty where it names none, or is no ARN."""
    return _fields(arn)[4]


def name_of(arn: str) -> str:
    """The last part of it, which names the thing: a queue, a role, a task, an execution. A name stays as it is."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def family_of(task_definition_arn: str) -> str:
    """The family that a revision of a task definition is of."""
    return task_definition_arn.rpartition("/")[2].partition(":")[0]


def task_id_of(arn: str) -> str:
    """The id of a task, in the old form of its ARN and in the new one, which names the cluster before it."""
    return arn.rpartition("/")[2]


def cluster_of(task_arn: str) -> str:
    """The cluster in a task ARN of the new form; `default` for the old form, which names none."""
    segments = _fields(task_arn)[5].split("/")
    return segments[1] if len(segments) > 2 else "default"


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN that a state machine's execution of this name has."""
    return f"{state_machine_arn.replace(_STATE_MACHINE, _EXECUTION)}:{name}"


def execution_name(arn: str) -> str:
    """The name of an execution."""
    return arn.rpartition(":")[2]


def state_machine_of(execution_arn: str) -> str:
    """The ARN of the state machine that an execution is of."""
    return execution_arn.rpartition(":")[0].replace(_EXECUTION, _STATE_MACHINE)


def _fields(arn: str) -> list[str]:
    fields = arn.split(":", _FIELDS - 1)
    return fields if len(fields) == _FIELDS else [""] * _FIELDS
