"""What can be owed. Each action, once performed, answers with facts: doing it is also how we learn that it is done."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.record.keys import RecordKey


@dataclass(frozen=True, slots=True)
class StartExecution:
    """Start the job's execution. Its name is the job id, so a repeat is harmless."""

    job_id: str


@dataclass(frozen=True, slots=True)
class LeaveUnstarted:
    """Say that the job ended before it was started, unless Step Functions knows of an execution."""

    job_id: str


@dataclass(frozen=True, slots=True)
class StopExecution:
    """End the job's execution. A repeat is harmless, and so is one that comes after the end."""

    job_id: str


@dataclass(frozen=True, slots=True)
class RedriveExecution:
    """Redrive the job's execution from the outcome of this redrive count."""

    job_id: str
    redrive_count: int


@dataclass(frozen=True, slots=True)
class AskExecution:
    """Ask Step Functions how the execution is."""

    job_id: str


@dataclass(frozen=True, slots=True)
class AskTask:
    """Ask ECS how a task is."""

    job_id: str
    task_arn: str


@dataclass(frozen=True, slots=True)
class AskHistory:
    """Ask Step Functions which tasks it started, and ECS how those are that we have not heard of."""

    job_id: str


@dataclass(frozen=True, slots=True)
class AskEarlierEnds:
    """Ask Step Functions how the execution had ended before it was redriven, and which tasks it had started."""

    job_id: str


@dataclass(frozen=True, slots=True)
class StopTask:
    """Stop a task whose execution has ended, or was redriven since: nobody waits for it any more."""

    job_id: str
    task_arn: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Say that we are at work on this, so that nobody does it at the same time."""

    record_key: RecordKey
    what: str


@dataclass(frozen=True, slots=True)
class ArchiveLog:
    """Copy a stopped container's whole log to S3."""

    job_id: str
    task_id: str
    container: str


@dataclass(frozen=True, slots=True)
class GiveUpLog:
    """Write a receipt that says that the log could not be archived in time."""

    job_id: str
    task_id: str
    container: str


@dataclass(frozen=True, slots=True)
class TellProgress:
    """Tell subscribers of these steps, in this order."""

    job_id: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell subscribers how the job ended, or that a request was rejected."""

    record_key: RecordKey
    redrive_count: int


@dataclass(frozen=True, slots=True)
class SteerPage:
    """Do what a bulk is for with the jobs of this page, and take the next one; or note that it is over."""

    record_key: RecordKey
    page: int


Action = (
    StartExecution
    | LeaveUnstarted
    | StopExecution
    | RedriveExecution
    | AskExecution
    | AskTask
    | AskHistory
    | AskEarlierEnds
    | StopTask
    | Claim
    | TellProgress
    | ArchiveLog
    | GiveUpLog
    | Announce
    | SteerPage
)

NEEDS_THE_WHOLE = (StartExecution, TellProgress, Announce)
"""What is done with more of a record than decisions are made on."""

UNCLAIMED = (StartExecution, LeaveUnstarted, StopExecution, RedriveExecution)
"""What nobody claims, and what is not done by what was known long ago: a wish may have changed its mind since."""

WISHED = (LeaveUnstarted, StopExecution, RedriveExecution)
"""What people asked for: where AWS fails to do it, all else that is owed to the job is done first."""
