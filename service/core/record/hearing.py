"""What an event, or an answer of AWS, tells us: facts about one of our jobs, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from schemas.arn import account_of, execution_name, region_of, state_machine_of
from schemas.base import JOB_ID_PATTERN, json_object
from schemas.errors import JobferryError
from schemas.events import (
    EVENT,
    ExecutionDetail,
    ExecutionEvent,
    TaskDetail,
    WaitDetail,
    WaitEvent,
    is_ours_by_type,
)
from schemas.plan import CANCELLED, JOB_TIMED_OUT, STAGE_FAILED, START_REFUSED, PlannerReport, job_of_group
from service.core.overrides import REDRIVE_VARIABLE
from service.core.record.fact import ObservedVia
from service.core.record.facts import (
    FORGOTTEN_VERSION,
    ContainerState,
    EndedBefore,
    ExecutionChanged,
    TaskChanged,
    WaitsForCapacity,
)
from service.core.redaction import cut, cut_in_the_middle, redact

_JOB_ID = re.compile(JOB_ID_PATTERN)
_PLANNED_FAILURES = frozenset({STAGE_FAILED, JOB_TIMED_OUT})
# An update is billed by its whole item, so what a head holds of a task is kept under 1 KB; AWS cuts reasons at 1,024
# characters itself; how they begin names what failed, and how they end says why: "..., api error AccessDenied".
_LONGEST_REASON = 400
_LONGEST_ERROR = 256  # [botocore, SensitiveError]
_LONGEST_CAUSE = 4096
# By the type of a history's event: the status, and where the error stands [botocore, GetExecutionHistory].
_ENDS: Mapping[str, tuple[Literal["FAILED", "TIMED_OUT", "ABORTED"], str]] = {
    "ExecutionFailed": ("FAILED", "executionFailedEventDetails"),
    "ExecutionTimedOut": ("TIMED_OUT", "executionTimedOutEventDetails"),
    "ExecutionAborted": ("ABORTED", "executionAbortedEventDetails"),
}


class NotAnEventError(JobferryError):
    """The message on the event queue is not an EventBridge event that can be read."""


@dataclass(frozen=True)
class Ignored:
    """An event that is none of ours, and why."""

    why: str


def hear(body: Any, state_machine_arn: str) -> ExecutionChanged | TaskChanged | WaitsForCapacity | Ignored:
    """What an event says about a job: EventBridge's, or our state machine's own.

    Raises NotAnEventError for what is no event at all.
    """
    if not isinstance(body, dict):
        raise NotAnEventError("the message is not a JSON object")
    if not is_ours_by_type(body):
        return Ignored(f"not an event that we read: {str(body.get('detail-type'))[:100]!a}")
    try:
        event = EVENT.validate_python(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False)[:5])
        raise NotAnEventError(f"the event cannot be read: {fields}") from None
    if isinstance(event, ExecutionEvent):
        return hear_execution(event.detail, state_machine_arn, "event")
    if isinstance(event, WaitEvent):
        return hear_wait(event.detail, state_machine_arn)
    if _place(event.detail.taskArn) != _place(state_machine_arn):
        return Ignored("a task of another region or account")
    return hear_task(event.detail)


def _place(arn: str) -> tuple[str, str]:
    return region_of(arn), account_of(arn)


def hear_execution(
    detail: ExecutionDetail, state_machine_arn: str, via: ObservedVia, *, final: bool = False, partial: bool = False
) -> ExecutionChanged | Ignored:
    """What an execution's status says. `final`: there is no more to know of it than this, so do not ask again.

    `partial`: it is out of a list, which has neither output nor error nor cause.
    """
    name = _job_id_of(detail.executionArn, state_machine_arn, detail.stateMachineArn)
    if isinstance(name, Ignored):
        return name
    cause = _planners_cause(detail)
    said = PlannerReport.read(detail.output if detail.status == "SUCCEEDED" else cause)
    return ExecutionChanged(
        job_id=name,
        arn=detail.executionArn,
        status=detail.status,
        redrive_count=detail.redriveCount,
        observed_via=via,
        detailed=final or (not partial and _says_all(detail)),
        started_at=detail.startDate,
        redriven_at=detail.redriveDate,
        stopped_at=detail.stopDate,
        error=(detail.error or "")[:_LONGEST_ERROR] or None,
        cause=_brief(cause),
        attempts=said.attempts if said else (),
    )


def _job_id_of(execution_arn: str, ours: str, state_machine_arn: str | None = None) -> str | Ignored:
    """The job whose execution it is, if it is one of our state machine's."""
    if (state_machine_arn or state_machine_of(execution_arn)) != ours:
        return Ignored("another state machine's execution")
    name = execution_name(execution_arn)
    if not _JOB_ID.fullmatch(name):
        return Ignored("an execution that no request of ours can have named")
    return name


def never_started(job_id: str, why: str, now: float) -> ExecutionChanged:
    """The end of a job whose start was refused for good: there is no execution, and never will be."""
    return ExecutionChanged(
        job_id=job_id,
        arn="",
        status="FAILED",
        observed_via="request",
        stopped_at=now,
        error=START_REFUSED,
        cause=cut(redact(why), _LONGEST_CAUSE),
    )


def left_unstarted(job_id: str, why: str, now: float) -> ExecutionChanged:
    """The end of a job that was cancelled before it was started: there is no execution, as far as anybody knows."""
    return ExecutionChanged(
        job_id=job_id,
        arn="",
        status="ABORTED",
        observed_via="request",
        stopped_at=now,
        error=CANCELLED,
        cause=cut(redact(why), _LONGEST_CAUSE),
    )


def _planners_cause(detail: ExecutionDetail) -> str | None:
    """The cause that the planner wrote, out of the error of its function; any other cause as it is.

    The cause of a failed Lambda function is JSON with `errorMessage`, `errorType` and `stackTrace` [Lambda guide,
    python-exceptions].
    """
    said = json_object(detail.cause).get("errorMessage") if detail.error in _PLANNED_FAILURES else None
    return said if isinstance(said, str) else detail.cause


def _says_all(detail: ExecutionDetail) -> bool:
    """Whether an event has all that DescribeExecution could add.

    A large output is left out of it, as null, as "" or altogether; and whether a failure's error and cause are in it
    has changed over the years.
    A machine-level timeout has neither anywhere [LocalStack test_global_timeout]; an abort need not have them.
    """
    match detail.status:
        case "SUCCEEDED":
            left_out = detail.outputDetails is not None and not detail.outputDetails.included
            return bool(detail.output) and not left_out
        case "FAILED":
            return detail.error is not None and detail.cause is not None
        case _:
            return True


def _brief(cause: str | None) -> str | None:
    """The cause without its secrets, and without the attempts, which are held beside it: what is left is not cut."""
    if not cause:
        return None
    said = PlannerReport.read(cause)
    if said is None or said.evidence is None:
        return cut(redact(cause), _LONGEST_CAUSE) or None
    kept = PlannerReport(evidence=redact(said.evidence))
    return kept.model_dump_json(exclude_defaults=True)[:_LONGEST_CAUSE]


def _reason(text: str | None) -> str | None:
    """What a reason begins and ends with, without the signatures of the URLs that ECS quotes in it."""
    return (cut_in_the_middle(redact(text), _LONGEST_REASON) or None) if text else None


def hear_earlier_ends(job_id: str, events: Iterable[Mapping[str, Any]]) -> tuple[EndedBefore, ...]:
    """How an execution had ended before each of its redrives, by its history: what was redriven stands before that."""
    found: list[EndedBefore] = []
    ended: EndedBefore | None = None
    for event in events:
        if event["type"] in _ENDS:
            status, details = _ENDS[event["type"]]
            error = event.get(details, {}).get("error")
            ended = EndedBefore(
                job_id=job_id,
                redrive_count=len(found),
                status="TIMED_OUT" if error == JOB_TIMED_OUT else status,
                ended_at=event["timestamp"].timestamp(),
                error=(error or "")[:_LONGEST_ERROR] or None,
            )
        elif event["type"] == "ExecutionRedriven" and ended is not None:
            found.append(ended)
    return tuple(found)


def named_tasks(job_id: str, events: Iterable[Mapping[str, Any]]) -> tuple[TaskChanged, ...]:
    """The ECS tasks that an execution started, as far as its history names them, oldest first."""
    return tuple(
        _named_task(job_id, arn, _moment_of(event))
        for event in events
        for arn in submitted_task_arns(event.get("taskSubmittedEventDetails", {}).get("output", ""))
    )


def _named_task(job_id: str, arn: str, created_at: float | None = None) -> TaskChanged:
    """A task of which no more is known yet than its name."""
    return TaskChanged(job_id=job_id, arn=arn, version=0, last_status="", created_at=created_at)


def _moment_of(event: Mapping[str, Any]) -> float | None:
    """When an event of a history came, in epoch seconds."""
    return event["timestamp"].timestamp() if "timestamp" in event else None


def submitted_task_arns(output: str) -> tuple[str, ...]:
    """The tasks in the RunTask answer that an execution's history holds [LocalStack test_ecs_task_service]."""
    tasks = json_object(output).get("Tasks")
    arns = [item.get("TaskArn") for item in tasks if isinstance(item, dict)] if isinstance(tasks, list) else []
    return tuple(arn for arn in arns if isinstance(arn, str))


def hear_wait(detail: WaitDetail, state_machine_arn: str) -> WaitsForCapacity | Ignored:
    """What the state machine says of a stage that ECS did not take on."""
    job_id = _job_id_of(detail.executionArn, state_machine_arn)
    if isinstance(job_id, Ignored):
        return job_id
    since = _seconds(detail.waiting.since)
    if detail.at is None or since is None:
        return Ignored("a wait without a time")
    return WaitsForCapacity(
        job_id=job_id,
        at=detail.at,
        redrive=detail.redrive_count,
        wait_seconds=detail.wait_seconds,
        stage=detail.stage,
        attempt=detail.attempt,
        image=detail.image or "",
        since=since,
        tries=detail.waiting.tries,
        failure_class=detail.waiting.failure_class,
        why=_reason(detail.waiting.why) or "",
    )


def _seconds(iso: str) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp()
    except ValueError:
        return None


def hear_task(detail: TaskDetail) -> TaskChanged | Ignored:
    """What a task's state says about the job in whose group it runs."""
    job_id = job_of_group(detail.group)
    if job_id is None or not _JOB_ID.fullmatch(job_id):
        return Ignored("a task of no job of ours")
    said = _environment(detail)
    return TaskChanged(
        job_id=job_id,
        arn=detail.taskArn,
        version=detail.version,
        last_status=detail.lastStatus,
        redrive=_redrive_of(said),
        stage=_number(said.get("JOBFERRY_STAGE")),
        attempt=_number(said.get("JOBFERRY_ATTEMPT")),
        task_definition_arn=detail.taskDefinitionArn,
        stop_code=detail.stopCode,
        stopped_reason=_reason(detail.stoppedReason),
        launch_type=detail.launchType,
        capacity_provider=detail.capacityProviderName,
        cpu=detail.cpu,
        memory=detail.memory,
        created_at=detail.createdAt,
        pull_started_at=detail.pullStartedAt,
        pull_stopped_at=detail.pullStoppedAt,
        started_at=detail.startedAt,
        stopped_at=detail.stoppedAt or detail.executionStoppedAt,
        containers=_containers(detail),
    )


def forgotten_task(job_id: str, arn: str, now: float, held: TaskChanged | None = None) -> TaskChanged:
    """What to hold of a task that ECS no longer describes: stopped tasks are kept for an hour or so.

    What was `held` of it before stays: its containers' logs outlive it by far.
    """
    known = held or _named_task(job_id, arn)
    return known.model_copy(
        update={
            "version": FORGOTTEN_VERSION,
            "last_status": "STOPPED",
            "stopped_reason": "ECS no longer describes this task; how it ended was not observed",
            "stopped_at": now,
        }
    )


def _environment(detail: TaskDetail) -> dict[str, str]:
    """The variables that RunTask gave, the task token left out: it must not reach a record."""
    overrides = detail.overrides.containerOverrides if detail.overrides else ()
    pairs = [pair for override in overrides for pair in override.environment]
    return {pair.name: pair.value for pair in pairs if pair.name and pair.value and pair.name.startswith("JOBFERRY_")}


def _redrive_of(said: Mapping[str, str]) -> int | None:
    return _number(said.get(REDRIVE_VARIABLE))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def _containers(detail: TaskDetail) -> tuple[ContainerState, ...]:
    return tuple(
        ContainerState(
            name=item.name,
            exit_code=item.exitCode,
            reason=_reason(item.reason),
            runtime_id=item.runtimeId,
        )
        for item in detail.containers
        if item.name
    )
