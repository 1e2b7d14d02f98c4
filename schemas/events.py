"""What EventBridge delivers: lenient models, since AWS adds fields and leaves others out.

Every key that was ever missing or null in a recording is optional here [AWS_FACTS: execution status events,
ECS task state change]. Field names are AWS's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from schemas.base import FromAws

MILLISECONDS_FROM = 100_000_000_000  # As seconds this is the year 5138; every later number is in milliseconds.


def _epoch_seconds(value: object) -> object:
    """Times come as epoch milliseconds, epoch seconds, or ISO 8601 with any number of fraction digits."""
    match value:
        case bool():
            return None
        case int() | float():
            return value / 1000 if value >= MILLISECONDS_FROM else float(value)
        case str() if value.strip():
            return _from_iso(value)
        case datetime():
            return value.timestamp()
        case _:
            return None


def _from_iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


Moment = Annotated[float | None, BeforeValidator(_epoch_seconds)]
"""A time in epoch seconds; None where AWS gave none, or none that can be read."""


def _text_or_none(value: object) -> object:
    return value if isinstance(value, str) else None


Text = Annotated[str | None, BeforeValidator(_text_or_none)]
"""A string; None where AWS gave something else: a status that we cannot read must not stop an event."""


class PayloadDetails(FromAws):
    """Whether the input or output is in the event; left out above 248 KB of escaped text."""

    included: bool = True


class ExecutionDetail(FromAws):
    """The detail of a Step Functions Execution Status Change; also the shape of DescribeExecution's answer."""

    executionArn: str
    stateMachineArn: Text = None
    name: Text = None
    status: str
    startDate: Moment = None
    stopDate: Moment = None
    output: Text = None
    outputDetails: PayloadDetails | None = None
    redriveCount: int | None = None
    error: Text = None
    cause: Text = None


class KeyValue(FromAws):
    """A variable of a container override."""

    name: Text = None
    value: Text = None


class ContainerOverride(FromAws):
    """What RunTask told one container."""

    name: Text = None
    environment: list[KeyValue] | None = None


class TaskOverrides(FromAws):
    """What RunTask told the task."""

    containerOverrides: list[ContainerOverride] | None = None


class Container(FromAws):
    """One container of a task, in no fixed order; there may be some that nobody asked for (GuardDuty's)."""

    name: Text = None
    exitCode: int | None = None
    reason: Text = None
    lastStatus: Text = None
    runtimeId: Text = None


class TaskDetail(FromAws):
    """The detail of an ECS Task State Change; also the shape of DescribeTasks' answer."""

    taskArn: str
    clusterArn: Text = None
    taskDefinitionArn: Text = None
    group: Text = None
    lastStatus: str
    desiredStatus: Text = None
    version: int = 0
    stopCode: Text = None
    stoppedReason: Text = None
    launchType: Text = None
    capacityProviderName: Text = None
    cpu: Text = None
    memory: Text = None
    createdAt: Moment = None
    pullStartedAt: Moment = None
    pullStoppedAt: Moment = None
    startedAt: Moment = None
    stoppedAt: Moment = None
    executionStoppedAt: Moment = None
    containers: list[Container] | None = None
    overrides: TaskOverrides | None = None


class _Envelope(FromAws):
    account: Text = None
    region: Text = None
    time: Moment = None


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


EVENT: TypeAdapter[ExecutionEvent | TaskEvent] = TypeAdapter(
    Annotated[ExecutionEvent | TaskEvent, Field(discriminator="source")]
)


def is_ours_by_type(body: dict[str, Any]) -> bool:
    """Whether this is one of the two kinds of event that we read at all."""
    return (body.get("source"), body.get("detail-type")) in {
        ("aws.states", "Step Functions Execution Status Change"),
        ("aws.ecs", "ECS Task State Change"),
    }
