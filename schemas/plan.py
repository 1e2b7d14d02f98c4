"""What the state machine passes to and from `plan_next_step`.

The names are those of the state machine: `input_file`, and `lambda_result` with `total_stages_count`,
`processed_stages_count`, `next_stage` and `config`. Every field of a plan is always present, null where it says
nothing, since a JSONPath that selects nothing fails the state.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.base import Moment, json_object, well_formed
from schemas.catalog import DEFAULT_CAPACITY_WAIT_SECONDS, CapacityProvider, Retries
from schemas.trace import Trace

# The names of the exceptions that the Lambda raises, hence the errors of executions.
JOB_TIMED_OUT = "JobTimedOut"
STAGE_FAILED = "StageFailed"
# Of a job that never became an execution: Step Functions refuses its start, and will refuse it again.
START_REFUSED = "Jobferry.StartRefused"
CANCELLED = "Jobferry.Cancelled"
_GROUP_PREFIX = "job:"


def group_of(job_id: str) -> str:
    """The RunTask group of a job's tasks, by which an ECS event finds its job, and the rule leaves other tasks out."""
    return f"{_GROUP_PREFIX}{job_id}"


def job_of_group(group: str | None) -> str | None:
    """The job whose tasks this group holds; None for a group of anything else."""
    return group.removeprefix(_GROUP_PREFIX) if group and group.startswith(_GROUP_PREFIX) else None


class Passed(BaseModel):
    """A value that we write and we read: checked, frozen, tolerant of a newer writer's extra fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Stage(Passed):
    """A stage resolved against the catalogue and frozen at admission, so that a plan depends on nothing else."""

    name: str
    image: str
    task_definition: str
    container: str
    integration: Literal["sync", "callback"]
    launch_type: Literal["FARGATE", "EC2"]
    capacity_providers: tuple[CapacityProvider, ...] = ()
    on_fargate: bool
    on_demand_fallback: bool = False
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    cpu: int
    memory: int
    max_memory: int
    timeout_seconds: int
    heartbeat_seconds: int
    capacity_wait_seconds: int = DEFAULT_CAPACITY_WAIT_SECONDS
    retries: Retries


class S3Object(Passed):
    """Where a value lies that is too large to travel."""

    bucket: str
    key: str


class Config(Passed):
    """The frozen job, carried from plan to plan: the stages themselves, or where they lie."""

    bucket: str
    timeout_seconds: int | None = None
    stages: tuple[Stage, ...] = ()
    stages_s3: S3Object | None = None


LaunchKind = Literal["sync", "sync_on_capacity_provider", "callback", "callback_on_capacity_provider"]


class Waiting(Passed):
    """That an attempt waits for capacity: AWS did not take it on, and it is tried again until the budget is over."""

    since: Moment = Field(description="When it was refused for the first time.")
    tries: int = Field(description="How often it was refused.")
    failure_class: str
    why: str = Field(description="The line that shows it, of the last refusal.")


class NextStage(Passed):
    """Everything the state machine needs to run one attempt of one stage."""

    stage: int = Field(description="Counted from 1.")
    attempt: int = Field(description="Counted from 1.")
    name: str
    image: str
    user: str | None
    launch: LaunchKind
    task_definition: str
    container: str
    launch_type: str
    capacity_provider_strategy: tuple[dict[str, Any], ...]
    group: str
    command: tuple[str, ...]
    environment_before_redrive: str = Field(
        description="The environment, a JSON list as text, up to where the state machine puts the redrive count."
    )
    environment_after_redrive: str = Field(description="From there to the end, or to where the task token belongs.")
    environment_after_token: str = Field(description="From there to the end; empty where there is no token.")
    cpu: str
    memory: str
    timeout_seconds: int
    heartbeat_seconds: int
    waiting: Waiting | None = None
    refusals: int = Field(default=0, description="Of the whole execution so far: each costs some of its history.")


def _is_none(value: object) -> bool:
    return value is None


class Attempt(Passed):
    """How one attempt of one stage ended, small enough to be carried a few hundred times.

    What says nothing is left out: hundreds of nulls would fill the payload of a state. A state that is redriven runs
    with the same input, so stage and attempt repeat: the redrive tells them apart.
    """

    redrive: int = Field(default=0, exclude_if=lambda redrive: redrive == 0)
    stage: int
    attempt: int
    passed: bool
    task_arn: str | None = Field(default=None, exclude_if=_is_none)
    exit_code: int | None = Field(default=None, exclude_if=_is_none)
    failure_class: str | None = Field(default=None, exclude_if=_is_none)
    error: str | None = Field(
        default=None,
        description="Empty where a container reported a failure and gave it no name.",
        exclude_if=_is_none,
    )
    waited: Literal[True] | None = Field(
        default=None,
        description="For want of capacity: another attempt followed, and none of the retries paid for it.",
        exclude_if=_is_none,
    )

    @property
    def place(self) -> tuple[int, int, int]:
        """Which attempt it is: redrive, stage, attempt."""
        return self.redrive, self.stage, self.attempt


def _readable_attempts(value: object) -> list[Attempt]:
    """The attempts that are ours: what another writer put there is told of by the tasks' own events all the same."""
    found = []
    for item in value if isinstance(value, list | tuple) else []:
        try:
            found.append(Attempt.model_validate(item))
        except ValidationError:
            continue
    return found


class PlannerReport(Passed):
    """What an execution's end tells the worker: in the output of a success, and as the cause of a failure.

    The planner writes it, and the worker keeps the cause without the attempts. Both may meet another writer's.
    """

    evidence: str | None = Field(default=None, description="The line that shows the failure.")
    attempts: Annotated[tuple[Attempt, ...], BeforeValidator(_readable_attempts)] = ()

    @classmethod
    def read(cls, text: str | None) -> PlannerReport | None:
        """What a text tells; None where it is cut, or not of the planner's making."""
        read = json_object(text)
        if not read.keys() & cls.model_fields.keys():
            return None
        evidence = read.get("evidence")
        return cls(
            evidence=evidence if isinstance(evidence, str) else None,
            attempts=read.get("attempts"),
        )

    def as_json(self) -> str:
        """The text that `read` reads."""
        return json.dumps(self.model_dump(exclude_none=True), separators=(",", ":"))


class Outcome(Passed):
    """What the end states carry: the whole story in brief, and for a failure Step Functions' error and cause."""

    error: str
    cause: str
    attempts: tuple[Attempt, ...]
    refusals: int = Field(default=0, description="How often AWS took no task on, for want of capacity or a throttle.")


Decision = Literal["run", "wait", "succeed", "fail"]


class Redrive(Passed):
    """Where the last redrive that the planner saw began: the job's time and its retries count anew from there."""

    count: int = Field(description="Step Functions' own count.")
    at: Moment
    attempts: int = Field(description="How many had been made before.")


class LambdaResult(Passed):
    """A plan: what `plan_next_step` answers, kept by the state machine under `$.lambda_result`."""

    total_stages_count: int
    processed_stages_count: int = Field(description="Stages that have passed.")
    decision: Decision = "run"
    next_stage: NextStage | None = None
    wait_seconds: int = 0
    attempts: tuple[Attempt, ...] = ()
    outcome: Outcome | None = None
    redrive: Redrive | None = None
    config: Config


def _text(value: object) -> object:
    return "" if value is None else well_formed(value)


class ErrorResult(Passed):
    """What a Catch hands over. The cause may be JSON, cut JSON, or prose.

    A container that calls SendTaskFailure without a name and a cause is caught as null and null [LocalStack
    test_sqs_failure_in_wait_for_task_tok_no_error_field].
    """

    Error: Annotated[str, BeforeValidator(_text)] = ""
    Cause: Annotated[str, BeforeValidator(_text)] = ""


class ExecutionInput(Passed):
    """The input of an execution, and with the results of a stage added, the input of every state."""

    job_id: str
    input_file: str | None = None
    user: str | None = None
    trace: Trace | None = None
    lambda_result: LambdaResult
    stage_result: dict[str, Any] | None = None
    error_result: ErrorResult | None = None


class PlanRequest(Passed):
    """The event of the `plan_next_step` Lambda."""

    step: Literal["plan_next_step", "handle_error_step", "fail_step"]
    execution_arn: str
    started_at: str
    redrive_count: int = Field(
        default=0, description="0 before any redrive [a context object recorded by datadog-lambda-python]."
    )
    now: str
    input: ExecutionInput
