"""What we are told. A fact is one register of a job's record, with a rank: the higher rank wins.

So facts may come late, twice or out of order, and the record is the same. The rank says which of two facts about the
same thing knows more: for a task ECS counts it for us (`detail.version`), for an execution it is the redrive count
and then how far the status has come.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.arn import task_id_of
from schemas.notification import Problem
from schemas.plan import Attempt
from schemas.trace import Trace
from service.core.record.bulk_facts import BulkAsked, BulkProgressed, BulkStopAsked
from service.core.record.fact import BaseFact, JobFact, ObservedVia, Place
from service.core.record.keys import RecordKey
from service.core.record.register_names import (
    ARCHIVING,
    announced_register,
    claim_register,
    ended_before_register,
    progress_register,
    receipt_register,
    task_register,
)
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused, Rerun, RerunOf

ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
# PENDING_REDRIVE and statuses that AWS may add are taken as running: asked about later, never announced.
_STATUS_RANK = {"STARTED": 0, "RUNNING": 1, "ABORTED": 3, "FAILED": 4, "TIMED_OUT": 5, "SUCCEEDED": 6}
_UNKNOWN_STATUS_RANK = 2
_RANKS_A_REDRIVE = 100
# Outcomes of more attempts than this lie beside the head, which is written again after the end.
_ATTEMPTS_IN_A_HEAD = 3
# Of a job that was not to be started: whatever an execution says of itself knows more.
_NEVER_TO_BE_RANK = -1
# Of a task that ECS has forgotten: higher than any version that it counted.
FORGOTTEN_VERSION = 2**31


class StageBrief(BaseModel):
    """What a notification and a reader of task events must know of a stage."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    image: str
    container: str
    integration: Literal["sync", "callback"] = "sync"
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None


class Requested(JobFact):
    """A producer asked for this job, and it was admitted. The first request with an id is the job."""

    kind: Literal["requested"] = "requested"
    digest: str = ""
    message_id: str = ""
    submitted_at: float = 0
    tenant: str
    job_type: str | None = None
    user: str | None = None
    input_file: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    trace: Trace | None = None
    progress: bool = False
    bucket: str = ""
    execution_input: str = ""
    asked: str = Field(default="", description="What else the request said, as JSON: to make it again.")
    asked_s3_key: str = Field(default="", description="Where that lies, if it is too large to lie here.")
    rerun_of: RerunOf | None = None
    stages: tuple[StageBrief, ...] = ()
    stage_count: int = 0
    is_brief: bool = Field(default=False, description="Whether all but what decisions need is left out.")

    @property
    def register_name(self) -> str:
        return "request"

    @property
    def rank(self) -> int:
        """The whole request tells more than what decisions need of it."""
        return 0 if self.is_brief else 1

    @property
    def retry_of(self) -> str | None:
        """The job that it is a rerun of."""
        return self.rerun_of.job_id if self.rerun_of else None

    def in_brief(self) -> Requested:
        """What decisions need of it: the rest is kept apart, so that writes of the head do not carry it."""
        return Requested(
            job_id=self.job_id,
            tenant=self.tenant,
            progress=self.progress,
            stage_count=len(self.stages),
            is_brief=True,
        )


class Rejected(BaseFact):
    """A request was not admitted. It has a record of its own, so a job of the same id is not touched."""

    kind: Literal["rejected"] = "rejected"
    message_id: str
    submitted_at: float
    claimed_job_id: str | None = None
    job_id_is_taken: bool = Field(default=False, description="Whether another request's job has the id already.")
    claimed_tenant: str | None = None
    claimed_job_type: str | None = None
    problems: tuple[Problem, ...]
    body_s3_uri: str | None = None
    trace: Trace | None = None
    retry_of: str | None = None
    was_control: bool = Field(
        default=False, description="Whether it was a control message that could not be read, and no request."
    )

    @property
    def record_key(self) -> RecordKey:
        """The message's own: the job that it claims to be may be another's."""
        return RecordKey.of_rejection(self.message_id)

    @property
    def register_name(self) -> str:
        return "rejection"


class ExecutionChanged(JobFact):
    """Step Functions said how an execution is: in an event, in an answer to us, or when we asked."""

    kind: Literal["execution"] = "execution"
    arn: str = Field(description="Empty where the start was refused for good, so that there is no execution.")
    status: str
    redrive_count: int = 0
    observed_via: ObservedVia
    detailed: bool = Field(
        default=True, description="Whether output, error and cause are known as far as they will be."
    )
    started_at: float | None = None
    redriven_at: float | None = Field(default=None, description="When it was redriven the last time.")
    stopped_at: float | None = None
    error: str | None = None
    cause: str | None = None
    attempts: tuple[Attempt, ...] = ()
    is_brief: bool = Field(default=False, description="Whether the attempts are left out, being kept apart.")

    @property
    def is_long(self) -> bool:
        """Whether it tells of so many attempts that they are kept apart."""
        return len(self.attempts) > _ATTEMPTS_IN_A_HEAD

    def in_brief(self) -> ExecutionChanged:
        """The same without the attempts."""
        return self.model_copy(update={"attempts": (), "is_brief": True})

    @property
    def register_name(self) -> str:
        return "execution"

    @property
    def was_never_to_be(self) -> bool:
        """Whether it was cancelled before it was started, as far as is known."""
        return not self.arn and self.status == "ABORTED"

    @property
    def rank(self) -> int:
        if self.was_never_to_be:
            return _NEVER_TO_BE_RANK
        status = 10 * _STATUS_RANK.get(self.status, _UNKNOWN_STATUS_RANK)
        return self.redrive_count * _RANKS_A_REDRIVE + status + 2 * self.detailed + (self.observed_via == "event")

    @property
    def ended(self) -> bool:
        """Whether it is over, for this redrive count."""
        return self.status in ENDED


class ContainerState(BaseModel):
    """How one container is. An exit code that AWS did not give stays unknown: it is never taken for success."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None


class TaskChanged(JobFact):
    """ECS said how a task is: in an event, or when we asked."""

    kind: Literal["task"] = "task"
    arn: str
    version: int
    last_status: str
    redrive: int | None = Field(default=None, description="Of the execution, when the task was started.")
    stage: int | None = None
    attempt: int | None = None
    task_definition_arn: str | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    launch_type: str | None = None
    capacity_provider: str | None = None
    cpu: str | None = None
    memory: str | None = None
    created_at: float | None = None
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    stopped_at: float | None = None
    containers: tuple[ContainerState, ...] = ()

    @property
    def task_id(self) -> str:
        """What ECS calls it, within the cluster."""
        return task_id_of(self.arn)

    @property
    def place(self) -> Place:
        """Which attempt it is."""
        return self.redrive or 0, self.stage, self.attempt or 1

    @property
    def register_name(self) -> str:
        return task_register(self.task_id)

    @property
    def rank(self) -> int:
        """How ECS saw it end outranks that ECS has forgotten it: the event of the end may come out of a long queue."""
        return self.version + (FORGOTTEN_VERSION if self.stopped and not self.forgotten else 0)

    @property
    def forgotten(self) -> bool:
        """Whether ECS no longer knew it when it was asked."""
        return self.version == FORGOTTEN_VERSION

    @property
    def stopped(self) -> bool:
        """Whether it is over. DEPROVISIONING already carries exit codes, but only STOPPED is final."""
        return self.last_status == "STOPPED"

    def never_ran(self, container: ContainerState) -> bool:
        """Whether one of its containers was never started, and so has nothing to say."""
        return container.exit_code is None and self.started_at is None


class LogArchived(JobFact):
    """What became of a container's log."""

    kind: Literal["log"] = "log"
    task_id: str
    container: str
    status: Literal["complete", "possibly_lossy", "absent"]
    why: str | None = None
    lines: int = 0
    bytes: int = 0
    sha256: str | None = None
    first_at: float | None = None
    last_at: float | None = None
    archived_at: float | None = Field(default=None, description="When all of it was in S3.")
    s3_bucket: str | None = None
    s3_key: str | None = None
    log_group: str | None = None
    log_stream: str | None = None
    region: str | None = None
    tail: tuple[str, ...] = ()

    _RANK: ClassVar[dict[str, int]] = {"absent": 0, "possibly_lossy": 1, "complete": 2}

    @property
    def register_name(self) -> str:
        return receipt_register(self.task_id, self.container)

    @property
    def rank(self) -> int:
        return self._RANK[self.status]


class Claimed(BaseFact):
    """Someone is doing a thing that should not be done twice at once; `seconds` after `at` anyone may.

    While the work goes on the claim is renewed. This register is a lock rather than knowledge: the one kind of fact
    for which it matters who comes first.
    """

    kind: Literal["claim"] = "claim"
    record_key: RecordKey
    what: str
    owner: str
    at: float
    seconds: float
    since: float | None = Field(default=None, description="When this was first claimed, by whomever.")
    made_at: float | None = Field(default=None, description="Of a renewal: when its owner made the claim.")
    renews: float | None = Field(default=None, description="Of a renewal: `at` of the claim that it renews.")

    @property
    def began_at(self) -> float:
        """Since when there have been tries to do the thing."""
        return self.at if self.since is None else self.since

    @property
    def try_began_at(self) -> float:
        """Since when the owner tries to do the thing."""
        return self.at if self.made_at is None else self.made_at

    def has_expired(self, at: float) -> bool:
        """Whether anyone may claim the thing by now."""
        return at > self.at + self.seconds

    def renewed(self, at: float) -> Claimed:
        """The same claim from now on. It holds only if nobody else has claimed the thing since."""
        return self.model_copy(
            update={"at": at, "since": self.began_at, "made_at": self.try_began_at, "renews": self.at}
        )

    def released(self, at: float) -> Claimed:
        """The same claim, as if it were old by now: anyone may claim the thing from this moment on."""
        return self.renewed(at).model_copy(update={"at": at - self.seconds})

    @property
    def register_name(self) -> str:
        return claim_register(self.what)

    @property
    def rank(self) -> int:
        return int(self.at * 1000)

    @property
    def beats_below(self) -> int:
        if self.renews is not None:
            return int(self.renews * 1000) + 1
        return int((self.at - self.seconds) * 1000)


class StageSpent(BaseModel):
    """How long a stage took in its last attempt, in seconds, and the MiB that it was given: what is usual, later."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: str
    stage: int
    passed: bool
    queued: float | None = None
    starting: float | None = None
    running: float | None = None
    archiving: float | None = None
    memory: int | None = None


class Announced(BaseFact):
    """Subscribers were told how the job ended, for this redrive count, or that a request was rejected."""

    kind: Literal["announced"] = "announced"
    record_key: RecordKey
    redrive_count: int
    status: str
    notification_id: str
    at: float
    ended_at: float | None = None
    failure_class: str | None = None
    letter: str | None = Field(default=None, description="The fingerprint of the text that was sent, its links apart.")
    spent: tuple[StageSpent, ...] = Field(default=(), description="Of the first stages, for lists and statistics.")

    @property
    def register_name(self) -> str:
        return announced_register(self.redrive_count)

    @property
    def redriven_rank(self) -> int:
        """An execution of this rank or a higher one was redriven after the outcome that this announces."""
        return (self.redrive_count + 1) * _RANKS_A_REDRIVE


class WaitsForCapacity(JobFact):
    """An execution waits until AWS takes a task of it on: throttles, a quota that is used up, no Spot or hosts."""

    kind: Literal["waiting"] = "waiting"
    at: float = Field(description="When it began to wait this time.")
    redrive: int = 0
    wait_seconds: int
    stage: int
    attempt: int
    image: str = ""
    since: float = Field(description="When it was refused for the first time.")
    tries: int
    failure_class: str
    why: str

    @property
    def register_name(self) -> str:
        return "waiting"

    @property
    def rank(self) -> int:
        """The later turn knows more."""
        return int(self.at * 1000)


class EndedBefore(JobFact):
    """How an execution had ended before it was redriven, of which nobody was told: then the next outcome tells it."""

    kind: Literal["ended_before"] = "ended_before"
    redrive_count: int
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    ended_at: float | None = None
    error: str | None = None

    @property
    def register_name(self) -> str:
        return ended_before_register(self.redrive_count)


class ProgressTold(JobFact):
    """Subscribers were told of one step of a job that asked for it."""

    kind: Literal["progress"] = "progress"
    step: str
    at: float

    @property
    def register_name(self) -> str:
        return progress_register(self.step)


Fact = (
    Requested
    | Rejected
    | ExecutionChanged
    | TaskChanged
    | WaitsForCapacity
    | LogArchived
    | Claimed
    | Announced
    | EndedBefore
    | ProgressTold
    | CancelAsked
    | Cancelled
    | RedriveAsked
    | Redriven
    | RedriveRefused
    | Rerun
    | BulkAsked
    | BulkProgressed
    | BulkStopAsked
)

FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="kind")])


def task_spoken_of(fact: Fact) -> str | None:
    """The id of the task that a fact speaks of: how it is, what became of a log of its, or who archives those."""
    match fact:
        case TaskChanged() | LogArchived():
            return fact.task_id
        case Claimed(what=what) if what.startswith(ARCHIVING):
            return what.removeprefix(ARCHIVING)
    return None
