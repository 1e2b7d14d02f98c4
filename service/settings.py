"""The settings of the worker: read once from the environment, frozen, impossible combinations refused at start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableError

from schemas.errors import SettingsError as SettingsError
from schemas.price import Price
from service.core.record.wishes import REDRIVABLE_DAYS
from service.core.redaction import checked_patterns

ENVIRONMENT_PREFIX = "JOBFERRY_"
CONSOLE_PREFIX = f"{ENVIRONMENT_PREFIX}CONSOLE_"  # Of the shared page's own settings [service/api/sharing.py].
# ECS sends SIGKILL this long after SIGTERM: 30 s by default, 120 s at most on Fargate [botocore, stopTimeout].
LONGEST_STOP_SECONDS = 120
# What a job's container is told [service/core/overrides.py]: a worker that runs in one has these too.
CONTAINER_VARIABLES = frozenset(
    {"ATTEMPT", "EXECUTION_ARN", "INPUT", "INPUT_FILE", "JOB_ID", "OUTPUT", "REDRIVE", "STAGE", "USER"}
)
_OF_CONTAINERS = frozenset(f"{ENVIRONMENT_PREFIX}{name}" for name in CONTAINER_VARIABLES)
_A_QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012"


Patterns = Annotated[tuple[str, ...], AfterValidator(checked_patterns)]


class Settings(BaseSettings):
    """What the worker must know. AWS's own variables (region, credentials, endpoint) are AWS's own business."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, allow_inf_nan=False)

    request_queue_url: str = Field(
        pattern=r"^https?://", examples=[f"{_A_QUEUE}/requests"], description="SQS queue of job requests."
    )
    event_queue_url: str = Field(
        pattern=r"^https?://", examples=[f"{_A_QUEUE}/events"], description="SQS queue that the EventBridge rules feed."
    )
    control_queue_url: str = Field(
        pattern=r"^https?://",
        examples=[f"{_A_QUEUE}/control"],
        description="SQS queue of what people want done with jobs: cancel, redrive.",
    )
    state_machine_arn: str = Field(
        pattern=r"^arn:[^:]+:states:[^:]+:[^:]*:",
        examples=["arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry"],
        description="The state machine that runs jobs.",
    )
    topic_arn: str = Field(
        pattern=r"^arn:[^:]+:sns:",
        examples=["arn:aws:sns:eu-central-1:123456789012:jobferry"],
        description="SNS topic of notifications.",
    )
    log_bucket: str = Field(
        min_length=3, max_length=63, description="S3 bucket of logs, stage outputs, rejected bodies."
    )
    jobs_table: str = Field(min_length=3, max_length=255, description="DynamoDB table of job records.")
    catalog: str = Field(min_length=1, description="The catalogue: a file, or an s3:// URI.")
    task_family_prefix: str = Field(
        default="jobferry",
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        examples=["jobferry"],
        description="What {prefix} in the catalogue stands for: the stack's output TaskFamilyPrefix.",
    )

    visibility_seconds: int = Field(
        default=60, ge=2, le=43_200, description="A message's lease; renewed while we work."
    )
    max_receives: int = Field(
        default=50, ge=1, le=1000, description="After how many receives SQS sets a message aside: the queue's own."
    )
    poll_seconds: int = Field(default=20, ge=0, le=20, description="Long poll; SIGTERM waits for it to end.")
    request_slots: int = Field(default=50, ge=1, le=1000, description="Requests worked on at once.")
    control_slots: int = Field(default=20, ge=1, le=1000, description="Control messages worked on at once.")
    event_slots: int = Field(default=200, ge=1, le=5000, description="Events worked on at once; logs wait beside them.")
    drain_seconds: int = Field(default=25, ge=1, description="From SIGTERM to the exit.")
    stop_timeout_seconds: int = Field(default=30, ge=1, le=LONGEST_STOP_SECONDS, description="ECS's stopTimeout.")
    start_execution_bucket: float = Field(default=800, ge=1, description="StartExecution calls in a burst; 800-1,300.")
    start_execution_refill: float = Field(
        default=150, gt=0, description="StartExecution calls a second, fewer after a throttle; 150-300."
    )
    get_log_events_per_second: float = Field(
        default=5, gt=0, description="The account's GetLogEvents quota is 10-30, for all workers together."
    )
    log_batches: Literal["on", "off"] = Field(
        default="on",
        description="on: small logs are read together, by FilterLogEvents (docs/log-lanes.md); off: each by itself.",
    )
    filter_log_events_per_second: float = Field(
        default=1.5, gt=0, description="The account's FilterLogEvents quota is 5-25, of which who looks takes 2."
    )
    log_quiet_seconds: float = Field(default=10, ge=0, description="A log is whole after this long without a new line.")
    log_deadline_seconds: float = Field(
        default=900, ge=1, description="Tries to read a log for so long; then it is given up."
    )
    log_memory_mebibytes: int = Field(
        default=64, ge=24, description="What all logs that are being archived hold in memory together."
    )
    task_grace_seconds: float = Field(default=30, ge=0, description="From an execution's end until we ask ECS.")
    silence_seconds: float = Field(
        default=300, ge=1, description="An open job that is silent for so long is asked about."
    )
    claim_seconds: float = Field(
        default=60, gt=0, description="From a worker's death at an archive or announcement until another takes it up."
    )
    sweep_seconds: float = Field(default=30, gt=0, description="Between two looks for silent jobs.")
    sweep_per_second: float = Field(
        default=10,
        gt=0,
        description="Questions after silent jobs a second at the most, half where few are; fewer after a throttle. "
        "DescribeExecution refills 10-15 a second.",
    )
    redrives_seconds: float = Field(
        default=300, gt=0, description="Between two looks for redrives that no event told of: one call for all jobs."
    )
    link_seconds: int = Field(default=604_800, ge=60, le=604_800, description="Life of a log link, at most 7 days.")
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description='JSON by launch type or capacity provider, for the estimate of a job: {"FARGATE": '
        '{"vcpu_hour": 0.05, "gb_hour": 0.005}}.',
    )
    secret_patterns: Patterns = Field(
        default=(),
        description="JSON list of regular expressions: what they find is hidden in every excerpt that leaves, besides "
        "credentials, tokens, passwords and private keys, which always are; of one with a group named 'secret', that.",
    )
    health_port: int = Field(default=0, ge=0, le=65_535, description="Port of GET /live and /ready; 0 for none.")
    metrics: Literal["off", "emf"] = Field(
        default="off", description="emf: a line of CloudWatch's embedded metrics on standard output, once a minute."
    )
    transport: Literal["quick", "botocore"] = Field(
        default="quick", description="How the most frequent calls are made: quick, or by botocore alone."
    )
    stack: str = Field(
        default="jobferry", min_length=1, max_length=128, description="The name that the metrics are told under."
    )
    retention_days: int = Field(
        default=90,
        ge=REDRIVABLE_DAYS,
        description="How long the record of an announced job is kept; for 14 days at least, since it may be redriven.",
    )

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if self.drain_seconds >= self.stop_timeout_seconds:
            raise ValueError(
                f"JOBFERRY_DRAIN_SECONDS ({self.drain_seconds}) must be less than JOBFERRY_STOP_TIMEOUT_SECONDS "
                f"({self.stop_timeout_seconds}), or ECS kills the worker while it drains"
            )
        if self.poll_seconds >= self.drain_seconds:
            raise ValueError(
                f"JOBFERRY_POLL_SECONDS ({self.poll_seconds}) must be less than JOBFERRY_DRAIN_SECONDS "
                f"({self.drain_seconds}): a long poll is finished before the worker leaves"
            )
        if self.log_quiet_seconds >= self.log_deadline_seconds:
            raise ValueError(
                f"JOBFERRY_LOG_QUIET_SECONDS ({self.log_quiet_seconds:g}) must be less than "
                f"JOBFERRY_LOG_DEADLINE_SECONDS ({self.log_deadline_seconds:g}), or every log is given up as it is read"
            )
        return self


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: with one sentence per setting that is missing, wrong or not known.
    """
    ours = {name for name in os.environ if not name.upper().startswith(CONSOLE_PREFIX)}
    return read_as(Settings, "the worker's", ours)


_Read = TypeVar("_Read", bound=BaseSettings)


def read_as(kind: type[_Read], whose: str, names: Iterable[str]) -> _Read:
    """Settings by their model, from the environment; `names` are the variables that may be slips of them.

    Raises:
        SettingsError: with one sentence per setting that is missing, wrong or not known.
    """
    unknown = tuple(_unknown(kind, whose, names))
    try:
        settings = kind()
    except UnreadableError as error:
        # A setting that is to be JSON, and is not; the library names the field only in its sentence.
        raise SettingsError(f"{error}: give it as JSON.") from None
    except ValidationError as error:
        wrong = (_sentence(kind, item) for item in error.errors(include_input=False))
        raise SettingsError("\n".join((*unknown, *wrong))) from None
    if unknown:
        raise SettingsError("\n".join(unknown))
    return settings


def _unknown(kind: type[BaseSettings], whose: str, names: Iterable[str]) -> Iterator[str]:
    """A sentence for each variable that bears our name and means nothing: a slip must not pass for a setting."""
    prefix, settings = _prefix_of(kind), {name.upper() for name in kind.model_fields}
    for name in sorted(names):
        ours, own = name.upper().startswith(prefix), name.upper().removeprefix(prefix)
        if ours and own not in settings and name.upper() not in _OF_CONTAINERS:
            meant = get_close_matches(own, settings, 1)
            remedy = f"Did you mean {prefix}{meant[0]}?" if meant else "Remove it."
            yield f"{name} is no setting of {whose}. {remedy}"


def _prefix_of(kind: type[BaseSettings]) -> str:
    return str(kind.model_config.get("env_prefix"))


def _sentence(kind: type[BaseSettings], item: object) -> str:
    assert isinstance(item, dict)
    name = _prefix_of(kind) + "_".join(map(str, item["loc"])).upper()
    if not item["loc"]:
        return f"{item['msg'].removeprefix('Value error, ')}."
    field = kind.model_fields[str(item["loc"][0])]
    match item["type"], field.examples:
        case "missing", _:
            problem = "is missing"
        case "string_pattern_mismatch", [example, *_]:
            problem = f"cannot be used: it does not look like {example}"
        case _:
            problem = f"cannot be used: {item['msg']}"
    return f"{name} {problem}. It is: {field.description}"
