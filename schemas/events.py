"""What EventBridge delivers: lenient models, since AWS adds fields and leaves others out.

Every key that was ever missing or null in a recording is optional here. Field names are AWS's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from schemas.base import FromAws, WellFormed, exit_code, well_formed
from schemas.plan import Waiting

MILLISECONDS_FROM = 100_000_000_000  # As seconds this is the year 5138; every later number is in milliseconds.
_LARGEST_COUNT = 2**31 - 1


def _epoch_seconds(value: object) -> object:
    """Times come as epoch milliseconds, epoch seconds, or ISO 8601 with any number of fraction digits."""
    match value:
        case bool():
            return None
        case int() | float() if value < 1000 * MILLISECONDS_FROM:
            return _since_the_epoch(value if value < MILLISECONDS_FROM else value / 1000)
        case str():
            return _from_iso(value)
        case datetime():
            return _since_the_epoch(value.timestamp())
        case _:
            return None


def _since_the_epoch(seconds: float) -> float | None:
    return float(seconds) if 0 <= seconds < MILLISECONDS_FROM else None


def _from_iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _since_the_epoch(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


EpochSeconds = Annotated[float | None, BeforeValidator(_epoch_seconds)]
"""A time in epoch seconds; None where AWS gave none, or none that can be read."""


def _text_or_none(value: object) -> object:
    return well_formed(value) if isinstance(value, str) else None


Text = Annotated[str | None, BeforeValidator(_text_or_none)]
"""A string; None where AWS gave something else: a status that we cannot read must not stop an event."""


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_COUNT:
        return 0
    return value


ExitCode = Annotated[int | None, BeforeValidator(exit_code)]
"""An explicit exit code; None where AWS gave something else."""

Count = Annotated[int, BeforeValidator(_count)]
"""How often something happened; 0 where AWS did not say."""


def _objects(value: object) -> object:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object_or_none(value: object) -> object:
    return value if isinstance(value, dict) else None


class PayloadDetails(FromAws):
    """Whether the input or output is in the event; left out above 248 KB of escaped text."""

    included: Annotated[bool, BeforeValidator(lambda value: value is not False)] = True


class ExecutionDetail(FromAws):
    """The detail of a Step Functions Execution Status Change; also the shape of DescribeExecution's answer."""

    executionArn: WellFormed
    stateMachineArn: Text = None
    name: Text = None
    status: WellFormed
    startDate: EpochSeconds = None
    stopDate: EpochSeconds = None
    output: Text = None
    outputDetails: Annotated[PayloadDetails | None, BeforeValidator(_object_or_none)] = None
    redriveCount: Count = 0
    # Text by the documentation, a number by AWS's own .NET model [aws-lambda-dotnet PR 2544].
    redriveDate: EpochSeconds = None
    error: Text = None
    cause: Text = None


class KeyValue(FromAws):
    """A variable of a container override."""

    name: Text = None
    value: Text = None


class ContainerOverride(FromAws):
    """What RunTask told one container."""

    name: Text = None
    environment: Annotated[tuple[KeyValue, ...], BeforeValidator(_objects)] = ()


class TaskOverrides(FromAws):
    """What RunTask told the task."""

    containerOverrides: Annotated[tuple[ContainerOverride, ...], BeforeValidator(_objects)] = ()


class Container(FromAws):
    """One container of a task, in no fixed order; there may be some that nobody asked for (GuardDuty's)."""

    name: Text = None
    exitCode: ExitCode = None
    reason: Text = None
    lastStatus: Text = None
    runtimeId: Text = None


class TaskDetail(FromAws):
    """The detail of an ECS Task State Change; also the shape of DescribeTasks' answer."""

    taskArn: WellFormed
    clusterArn: Text = None
    taskDefinitionArn: Text = None
    group: Text = None
    lastStatus: WellFormed
    desiredStatus: Text = None
    version: Count = 0
    stopCode: Text = None
    stoppedReason: Text = None
    launchType: Text = None
    capacityProviderName: Text = None
    cpu: Text = None
    memory: Text = None
    createdAt: EpochSeconds = None
    pullStartedAt: EpochSeconds = None
    pullStoppedAt: EpochSeconds = None
    startedAt: EpochSeconds = None
    stoppedAt: EpochSeconds = None
    executionStoppedAt: EpochSeconds = None
    containers: Annotated[tuple[Container, ...], BeforeValidator(_objects)] = ()
    overrides: Annotated[TaskOverrides | None, BeforeValidator(_object_or_none)] = None


class WaitDetail(FromAws):
    """What the state machine says of a stage that waits for capacity."""

    executionArn: WellFormed
    at: EpochSeconds = None
    redrive_count: Count = 0
    wait_seconds: Count = 0
    stage: Count = 0
    attempt: Count = 0
    image: Text = None
    waiting: Waiting


class _Envelope(FromAws):
    account: Text = None
    region: Text = None
    time: EpochSeconds = None


class ExecutionEvent(_Envelope):
    """A Step Functions Execution Status Change."""

    source: Literal["aws.states"]
    detail_type: Literal["Step Functions Execution Status Change"] = Field(alias="detail-type")
    detail: ExecutionDetail


class TaskEvent(_Envelope):
    """An ECS Task State Change."""

    source: Literal["aws.ecs"]
    detail_type: Literal["ECS Task State Change"] = Field(alias="detail-type")
    detail: TaskDetail


class WaitEvent(_Envelope):
    """Our own: the state machine sends it to the queue of events itself."""

    source: Literal["jobferry"]
    detail_type: Literal["Jobferry Stage Waits"] = Field(alias="detail-type")
    detail: WaitDetail


EVENT: TypeAdapter[ExecutionEvent | TaskEvent | WaitEvent] = TypeAdapter(
    Annotated[ExecutionEvent | TaskEvent | WaitEvent, Field(discriminator="source")]
)


def is_ours_by_type(body: dict[str, Any]) -> bool:
    """Whether this is one of the three kinds of event that we read at all."""
    return (body.get("source"), body.get("detail-type")) in (
        ("aws.states", "Step Functions Execution Status Change"),
        ("aws.ecs", "ECS Task State Change"),
        ("jobferry", "Jobferry Stage Waits"),
    )
