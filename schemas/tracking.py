"""What one sees of a job while it runs and afterwards: the answers of the HTTP API, and of `jobferry ... --json`.

Fields may be added within a version, never changed. Times are RFC 3339 in UTC, durations are seconds.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from schemas.base import Contract, JobId, Moment
from schemas.control import CHANGES, Changes, Reason, Verb
from schemas.failures import FAILURE_CLASSES, FailureClass
from schemas.notification import AttemptReport, Cost, FailureCard, Problem, Published, Rejection, SteeredBy
from schemas.trace import Trace

JobStatus = Literal[
    "QUEUED", "RUNNING", "WAITING", "SETTLING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"
]
JOB_STATUSES = (
    "QUEUED: admitted, and no task of it was made yet. RUNNING. WAITING: for capacity. SETTLING: over, and its logs "
    "are archived before its outcome is told. The others are outcomes, as notifications have them."
)
ListedStatus = Literal["OPEN", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"]


class TrackedAttempt(AttemptReport):
    """One attempt of one stage, which may still be under way."""

    status: Literal["RUNNING", "PASSED", "FAILED"]
    task_status: str | None = Field(default=None, description="ECS's own lastStatus, as far as it was told.")


class TrackedStage(Published):
    """One stage, with every attempt that was made so far."""

    stage: int = Field(description="Counted from 1.")
    name: str
    image: str
    container: str = Field(description="The job's own among the containers of its tasks.")
    status: Literal["NOT_RUN", "RUNNING", "WAITING", "PASSED", "FAILED"]
    output_s3_prefix: str | None = Field(default=None, description="Where a stage that passed was told to write.")
    attempts: tuple[TrackedAttempt, ...] = ()


class TrackedJob(Published):
    """A job as it is now, or a request that was rejected."""

    schema_version: Literal["1"] = "1"
    job_id: str | None = Field(description="Null for a rejected request that named none, or one that another job has.")
    message_id: str | None = Field(description="The SQS message that asked for it; a rejected one is found by it.")
    tenant: str | None
    status: JobStatus = Field(description=JOB_STATUSES)
    settled: bool = Field(description="Whether its outcome was told: nothing changes any more, unless it is redriven.")
    job_type: str | None = None
    user: str | None = None
    input_file: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    trace: Trace | None = None
    redrive_count: int = 0
    execution_arn: str | None = None
    execution_console_url: str | None = None
    submitted_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    duration_seconds: float | None = Field(default=None, description="From the request to the end.")
    stages_passed: int = 0
    stages: tuple[TrackedStage, ...] = ()
    failure: FailureCard | None = None
    rejection: Rejection | None = None
    cost: Cost | None = None
    retry_of: str | None = Field(default=None, description="The job that this one is a rerun of.")
    rerun_as: str | None = Field(default=None, description="The job that was made last by a rerun of this one.")
    steered: tuple[SteeredBy, ...] = Field(
        default=(),
        description="Who had it rerun, redrove it, and cancelled it; empty where nobody asked Jobferry for it.",
    )
    asked_for: tuple[SteeredBy, ...] = Field(
        default=(), description="What was asked for of it, whatever came of that: the last wish of each kind."
    )


class ListedJob(Published):
    """A job in a list. What is written at admission and at the end only; `GET` the job for how it is now."""

    id: str = Field(description="What it is asked for by: the job id, or of a rejected request the message id.")
    job_id: str | None = Field(description="Null for a rejected request.")
    tenant: str
    status: ListedStatus = Field(description="OPEN until the outcome was told.")
    job_type: str | None = None
    user: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    submitted_at: Moment
    ended_at: Moment | None = None
    duration_seconds: float | None = None
    failure_class: FailureClass | None = Field(default=None, description=FAILURE_CLASSES)


class JobPage(Published):
    """Jobs of one tenant, the youngest first."""

    schema_version: Literal["1"] = "1"
    jobs: tuple[ListedJob, ...]
    cursor: str | None = Field(
        description="Ask for what follows by `cursor`; null at the end. A page may hold few jobs, or none, and go on: "
        "how many are looked through for one page is bounded."
    )
    searched_back_to: Moment | None = Field(description="No younger job that matches is missing; null at the end.")


class StepLinks(Published):
    """Where to look further."""

    task_console_url: str | None = None
    logs: tuple[str, ...] = Field(default=(), description="Paths of this API: the logs of the step's containers.")


class StepView(Published):
    """One state of the state machine, once: entered, left, what went in and what came out."""

    step: int = Field(description="Counted from 1.")
    name: str
    redrive: int = 0
    entered_at: Moment
    left_at: Moment | None = None
    seconds: float | None = None
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"]
    stage: int | None = None
    attempt: int | None = None
    input: JsonValue = Field(default=None, description="Without secrets; a text where it is no JSON.")
    output: JsonValue = Field(default=None, description="Without secrets; a text where it is no JSON.")
    error: str | None = None
    cause: str | None = None
    task_arn: str | None = None
    links: StepLinks = StepLinks()


class StepsPage(Published):
    """The states that the execution went through, oldest first."""

    schema_version: Literal["1"] = "1"
    job_id: str
    steps: tuple[StepView, ...]
    more: bool = Field(description="Whether there are more: ask again with `after`, the number of the last step.")
    as_of: Moment = Field(description="When Step Functions was asked.")


class JobEvent(Published):
    """One thing that happened to a job. Its name is the same in every copy."""

    name: str
    at: Moment | None
    kind: Literal[
        "REQUESTED", "REJECTED", "CANCEL_ASKED", "REDRIVE_ASKED", "RERUN_ASKED", "STARTED", "WAITING", "TASK_CREATED",
        "TASK_STARTED", "TASK_STOPPED", "LOG_ARCHIVED", "ENDED", "ANNOUNCED",
    ]  # fmt: skip
    text: str = Field(description="The same for a person.")
    redrive: int = 0
    stage: int | None = None
    attempt: int | None = None
    container: str | None = None
    task_arn: str | None = None


class EventsSeen(Published):
    """What one message of the stream `/events` holds: what came since, and how the job is now."""

    job: TrackedJob
    events: tuple[JobEvent, ...]


class LogLines(Published):
    """Some lines of a container's log."""

    schema_version: Literal["1"] = "1"
    job_id: str
    stage: int
    attempt: int
    redrive: int
    container: str
    first_line: int = Field(description="The number of the first of these lines, counted from 1.")
    lines: tuple[str, ...]
    times: tuple[Moment | None, ...] = Field(
        default=(),
        description="When each of these lines was written, where that is known: of each while the log is written, of "
        "some of a large archived one, and of none of a small one, for which this is empty.",
    )
    more: bool = Field(description="Whether there is more to read now: ask again from the next line.")
    complete: bool = Field(description="Whether the log is archived, so that no line will be added.")
    status: Literal["running", "archiving", "complete", "possibly_lossy", "absent"]
    why: str | None = Field(default=None, description="Why there is no log, or may be less than was written.")
    s3_uri: str | None = None


class Spent(Published):
    """Where the time went, in seconds; null where AWS did not say."""

    starting_execution: float | None = Field(
        default=None, description="From the request until the execution was started."
    )
    waiting_for_capacity: float | None = Field(default=None, description="Refused by AWS for want of capacity.")
    queued: float | None = Field(default=None, description="Tasks that waited for a host, all stages together.")
    starting: float | None = Field(default=None, description="Pulling images and starting containers.")
    running: float | None = None
    between: float | None = Field(default=None, description="Between tasks: planning, and waits before a retry.")
    archiving: float | None = Field(default=None, description="From the end until the last log was in S3.")


class Usual(Published):
    """How long such a stage ran lately."""

    image: str
    jobs: int = Field(description="Of how many finished jobs of the type, at most fifty.")
    p50_seconds: float
    p90_seconds: float
    memory: int | None = Field(default=None, description="MiB that most of them were given.")


class Unusual(Published):
    """What took far longer, or more, than it did lately."""

    what: Literal["queued", "starting", "running", "archiving", "memory"]
    stage: int
    stage_name: str
    value: float = Field(description="Seconds, or MiB.")
    usual: float = Field(description="The median of the last fifty.")
    times: float


class Why(Published):
    """Why a job is not running yet, not finished, or where its time went."""

    schema_version: Literal["1"] = "1"
    job_id: str | None
    status: JobStatus
    as_of: Moment
    text: tuple[str, ...] = Field(description="The answer in sentences.")
    waits_for: (
        Literal["start", "planner", "capacity", "host", "image", "container", "archive", "announcement"] | None
    ) = None
    since: Moment | None = None
    waited_seconds: float | None = None
    stage: int | None = None
    stage_name: str | None = None
    redrive: int | None = None
    attempt: int | None = None
    tries: int | None = Field(default=None, description="How often AWS refused it for want of capacity.")
    failure_class: FailureClass | None = Field(default=None, description=FAILURE_CLASSES)
    evidence: str | None = None
    usual: Usual | None = Field(default=None, description="Of the stage that it is at.")
    spent: Spent = Spent()
    unusual: tuple[Unusual, ...] = ()
    memory_used: Literal["unknown"] = Field(
        default="unknown",
        description="ECS tells what a task was given, not what it used; Container Insights would, in CloudWatch.",
    )


class Submitted(Published):
    """That a request was sent. Whether it becomes a job is said by admission: `GET` the job."""

    schema_version: Literal["1"] = "1"
    job_id: str
    tenant: str
    location: str = Field(description="Where the job is asked for.")


class Wish(Contract):
    """What somebody may say beside what they ask for."""

    reason: Reason | None = Field(default=None, description="Why: subscribers are told, and whoever looks at the job.")


class RerunWish(Wish):
    """What is to be different in a job that is run again."""

    new_job_id: JobId | None = Field(
        default=None, description="The new job's id; left out, one by the Idempotency-Key, or of its own."
    )
    changes: Changes = Field(default_factory=dict, description=CHANGES)


class Asked(Published):
    """That something was asked for. What comes of it is the job's: `GET` it."""

    schema_version: Literal["1"] = "1"
    verb: Verb
    job_id: str
    tenant: str
    requested_by: str | None = Field(description="Whose credentials asked.")
    message_id: str
    location: str = Field(description="Where the job is asked for; of a rerun, the new one.")
    new_job_id: str | None = Field(default=None, description="Of a rerun: the job that is made.")


class StagePlan(Published):
    """A stage as it would run."""

    stage: int
    name: str
    image: str
    command: tuple[str, ...]
    cpu: int
    memory: int
    timeout_seconds: int


class Validated(Published):
    """That a request would be admitted, by the catalogue of now, and what would run."""

    schema_version: Literal["1"] = "1"
    tenant: str
    stages: tuple[StagePlan, ...]


class ApiProblem(Published):
    """Why a call is refused, as RFC 9457 has it (`application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    problems: tuple[Problem, ...] = Field(default=(), description="Each thing that is wrong, with its field's path.")
