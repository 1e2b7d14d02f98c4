"""When the logs of a task that stopped may be archived: once their quiet time is over. Nothing is held until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.core.policy.actions import ArchiveLog
from service.core.record.facts import Claimed, ContainerState, TaskChanged
from service.core.record.record import Record
from service.core.record.register_names import archiving

_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 2.0, 300.0


@dataclass(frozen=True)
class LogWork:
    """The logs of one task: what to archive, under which name that is claimed, and from when on, in epoch seconds."""

    job: Record
    me: str
    task_id: str
    due_at: float
    actions: tuple[ArchiveLog, ...]

    @property
    def claims(self) -> tuple[Claimed, ...]:
        """The claim that it is done under, to be kept meanwhile."""
        return tuple(claim for claim in self.job.claims_of(self.me) if claim.what == archiving(self.task_id))


def can_wait(job: Record) -> bool:
    """Whether a log of the job may wait with nothing but the record to say that it is owed.

    The sweeper comes to every job whose outcome is not announced. One that is announced it leaves alone: then the
    message that told of the task is kept until its log is archived.
    """
    return job.announced is None


def work_of(job: Record, task_id: str, me: str, quiet_seconds: float, now: float) -> LogWork:
    """All that is left to archive of a task that stopped."""
    [task] = (item for item in job.tasks if item.task_id == task_id)
    left = tuple(without_receipt(job, task))
    ready = max((_ready_at(task, container, quiet_seconds, now) for container in left), default=now)
    actions = tuple(ArchiveLog(task.job_id, task_id, container.name) for container in left)
    return LogWork(job, me, task_id, ready, actions)


def retry_after(work: LogWork, now: float) -> float:
    """After how many seconds to try again what has failed: for as long as there have been tries, within limits."""
    since = min((claim.began_at for claim in work.claims), default=now)
    return min(max(now - since, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)


def without_receipt(job: Record, task: TaskChanged) -> Iterator[ContainerState]:
    """The containers of a task of which nobody knows yet what became of their log."""
    return (container for container in task.containers if job.receipt(task, container) is None)


def _ready_at(task: TaskChanged, container: ContainerState, quiet_seconds: float, now: float) -> float:
    """Delivery lags the stop; what never started has nothing to deliver."""
    return now if task.never_ran(container) else (task.stopped_at or now) + quiet_seconds
