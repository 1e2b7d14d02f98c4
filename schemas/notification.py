"""JobNotification v1: what subscribers read. One JSON message an outcome, with a deterministic id."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Moment
from schemas.control import Verb
from schemas.failures import FAILURE_CLASSES, FailureClass
from schemas.trace import Trace

Status = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"]
Confidence = Literal["certain", "likely", "guess"]


class Published(BaseModel):
    """A shape that we write for others to read; fields may be added within a version, never changed.

    Each field is always sent, null or empty where it says nothing, and the exported schemas promise that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class Problem(Published):
    """One reason why a request was rejected."""

    field: str = Field(description="Where, as a path: stages.0.command.")
    message: str = Field(description="What is wrong.")
    remedy: str = Field(description="What to do about it.")


class Rejection(Published):
    """Why a request was not admitted, and where its body is kept."""

    problems: tuple[Problem, ...]
    claimed_job_id: str | None = Field(
        default=None, description="The id that the request gave, also where another request's job has it."
    )
    body_s3_uri: str | None = None
    body_link: Link | None = None


class Link(Published):
    """A presigned HTTPS link, and until when it truly works: never longer than the credentials that signed it."""

    url: str
    expires_at: Moment = Field(description="UTC.")


class LogReceipt(Published):
    """What became of one container's log."""

    container: str
    status: Literal["complete", "possibly_lossy", "absent"]
    why: str | None = Field(default=None, description="For anything but complete.")
    lines: int = 0
    bytes: int = 0
    sha256: str | None = Field(default=None, description="Of the object at s3_uri, which is written once.")
    first_at: Moment | None = None
    last_at: Moment | None = None
    s3_uri: str | None = None
    console_url: str | None = Field(default=None, description="The log stream in the CloudWatch console.")
    link: Link | None = None


class ContainerReport(Published):
    """How one container of a task ended."""

    name: str
    exit_code: int | None = None
    reason: str | None = None
    log: LogReceipt | None = None


class Durations(Published):
    """Seconds; null where AWS did not say."""

    queued: float | None = Field(default=None, description="From the task's creation until its images were pulled.")
    starting: float | None = Field(default=None, description="Pulling images and starting containers.")
    running: float | None = None
    archiving: float | None = Field(
        default=None, description="From the task's stop until the last of its logs was in S3; null where none was."
    )


class AttemptReport(Published):
    """One attempt of one stage. A redrive may count attempts from where it goes on, so the two tell them apart."""

    attempt: int
    redrive: int = Field(default=0, description="The redrive that it was made in; 0 for none.")
    passed: bool
    task_arn: str | None = None
    exit_code: int | None = Field(default=None, description="Of the job's own container.")
    stop_code: str | None = None
    stopped_reason: str | None = None
    error: str | None = None
    failure_class: FailureClass | None = Field(
        default=None, description="Why it was tried again, or given up: a class as the failure card has it."
    )
    cpu: int | None = Field(default=None, description="CPU units that it ran with; 1,024 are one vCPU.")
    memory: int | None = Field(default=None, description="MiB that it ran with; more after an out-of-memory.")
    ran_on: str | None = Field(
        default=None, description="Capacity provider or launch type: FARGATE_SPOT, then FARGATE on demand."
    )
    started_at: Moment | None = None
    stopped_at: Moment | None = None
    durations: Durations = Durations()
    containers: tuple[ContainerReport, ...] = ()


class StageReport(Published):
    """One stage, with every attempt that was made."""

    stage: int = Field(description="Counted from 1.")
    name: str
    image: str
    status: Literal["PASSED", "FAILED", "NOT_RUN"]
    output_s3_prefix: str | None = Field(default=None, description="Where this stage was told to write.")
    attempts: tuple[AttemptReport, ...] = ()


class FailureCard(Published):
    """Why it failed, how sure we are, and what to do."""

    failure_class: FailureClass = Field(description=FAILURE_CLASSES)
    confidence: Confidence
    stage: int | None = None
    stage_name: str | None = None
    exit_code: int | None = None
    evidence: str = Field(description="The one line that shows it.")
    log_tail: tuple[str, ...] = Field(default=(), description="The last lines of the job's own container.")
    next_action: str
    retryable: bool = Field(description="Whether sending the same job again may help.")


class EarlierOutcome(Published):
    """How the job had ended before somebody redrove it, which was not announced by itself."""

    redrive_count: int
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"] | None = Field(
        description="Null where Step Functions no longer knows."
    )
    ended_at: Moment | None = None
    error: str | None = None


class SteeredBy(Published):
    """What somebody asked for, by which this run began or ended, or which is still to be done."""

    verb: Verb
    by: str | None = Field(
        description="As the message says, which the HTTP API and the command line write in the caller's name; where it "
        "says nobody, `sent_by`. What a message says is a claim of whoever may send to the control queue."
    )
    sent_by: str | None = Field(
        default=None,
        description="Who sent the message, proven by SQS: the unique id of a user, or a role's with its session.",
    )
    reason: str | None
    asked_at: Moment


class Cost(Published):
    """What the job's tasks held, and what that comes to by the prices in Jobferry's settings."""

    vcpu_seconds: float
    gb_seconds: float
    estimate: float | None = Field(description="In the currency of the prices; null unless every task has a price.")
    unpriced_tasks: int = 0


class JobNotification(Published):
    """The outcome of a job, or of a request that was not admitted."""

    schema_version: Literal["1"] = "1"
    id: str = Field(
        description="<job id>:<redriveCount>:<status>. A second copy of the same outcome, sent where nobody could know "
        "that the first was taken (a worker's death or standstill, a lost answer), bears the same id: keep the first."
    )
    status: Status
    job_id: str | None = Field(
        description="Null where a rejected request named none that can be read, or one that another job has."
    )
    job_type: str | None = None
    tenant: str | None = None
    user: str | None = None
    input_file: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    trace: Trace | None = Field(default=None, description="The trace that the request came with, to be gone on with.")
    retry_of: str | None = Field(default=None, description="The job that this one is a rerun of.")
    redrive_count: int = 0
    execution_arn: str | None = None
    execution_console_url: str | None = None
    submitted_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    duration_seconds: float | None = None
    observed_via: Literal["event", "sweep", "request"] = Field(description="How we learned of this outcome.")
    failure: FailureCard | None = None
    rejection: Rejection | None = None
    earlier_outcomes: tuple[EarlierOutcome, ...] = Field(
        default=(),
        description="Outcomes that the job was redriven from before they were announced, oldest first: each outcome is "
        "told of once, by itself or here.",
    )
    steered: tuple[SteeredBy, ...] = Field(
        default=(),
        description="Who had it rerun, redrove it, and cancelled it; empty where nobody asked Jobferry for it.",
    )
    stages: tuple[StageReport, ...] = ()
    cost: Cost | None = None
    left_out: tuple[str, ...] = Field(default=(), description="What was left out to keep within SNS's size, in order.")
    text: str = Field(description="The same for a person, as e-mail subscribers get it.")


Rejection.model_rebuild()
