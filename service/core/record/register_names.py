"""What the registers of a record are called, and what a claim is about."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b

REDRIVE_REGISTER, RERUN_REGISTER = "redrive", "rerun"
BULK_REGISTER, BULK_PROGRESS_REGISTER, BULK_STOP_REGISTER = "bulk", "bulk_progress", "bulk_stop"
ARCHIVING = "archive#"
_OF_TASKS = frozenset({"task", "receipt", "archive"})


def claim_register(what: str) -> str:
    """The register that holds who is at work on a thing, or was last."""
    return f"claim#{what}"


def announcing(redrive_count: int) -> str:
    """What is claimed by whoever tells of an outcome."""
    return f"announce#{redrive_count}"


def archiving(task_id: str) -> str:
    """What is claimed by whoever archives a task's logs."""
    return f"{ARCHIVING}{task_id}"


def task_register(task_id: str) -> str:
    """The register that holds how a task is."""
    return f"task#{task_id}"


def task_of_register(name: str) -> str | None:
    """The id of the task that a register is of; None where it is of something else."""
    kind, _, rest = name.removeprefix("claim#").partition("#")
    return rest.partition("#")[0] if kind in _OF_TASKS else None


def marker_of(task_id: str) -> str:
    """A short name of a task, by which a head owes its logs.

    Of a hundred tasks in one job two have the same once in three thousand jobs: then nothing seems to be owed when the
    first of them is settled, and others look at the whole sooner than they need.
    """
    return urlsafe_b64encode(blake2b(task_id.encode(), digest_size=3).digest()).decode()


def receipt_register(task_id: str, container: str) -> str:
    """The register that holds what became of one container's log."""
    return f"receipt#{task_id}#{container}"


def announced_register(redrive_count: int) -> str:
    """The register that holds that one outcome was announced."""
    return f"announced#{redrive_count}"


def ended_before_register(redrive_count: int) -> str:
    """The register that holds how the job had ended before it was redriven."""
    return f"ended_before#{redrive_count}"


def progress_register(step: str) -> str:
    """The register that holds that one step was told of."""
    return f"progress#{step}"


def cancel_register(tenant: str) -> str:
    """The register that holds what a tenant asked for: before there is a job, nobody knows whose it will be."""
    return f"cancel#{tenant}"


def cancelled_register(redrive_count: int) -> str:
    """The register that holds who wanted the end of a run that was ended."""
    return f"cancelled#{redrive_count}"


def redriven_register(redrive_count: int) -> str:
    """The register that holds who wanted a redrive that was made."""
    return f"redriven#{redrive_count}"


def redrive_refused_register(redrive_count: int) -> str:
    """The register that holds why an outcome cannot be redriven."""
    return f"redrive_refused#{redrive_count}"
