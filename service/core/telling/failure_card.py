"""The failure card: which stage failed, why, how sure we are, its last words, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from schemas.notification import FailureCard
from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED, PlannerReport
from service.core.diagnosis.diagnosis import Diagnosis, Ending, diagnose, diagnose_as_classified, retryable
from service.core.diagnosis.task_ending import ending_of_task
from service.core.policy.outcome import AttemptOutcome, StageOutcome
from service.core.record.facts import ExecutionChanged, StageBrief, TaskChanged
from service.core.record.record import Record

_UNKNOWN_TO_THE_STATE_MACHINE = "Jobferry.Unknown"


def failure_card(record: Record, execution: ExecutionChanged, stages: Iterable[StageOutcome]) -> FailureCard:
    """The card of a job that did not succeed."""
    failed = next((outcome for outcome in stages if outcome.attempts and not outcome.passed), None)
    last = failed.attempts[-1] if failed else None
    ending = _ending(execution, failed)
    found = _diagnosis(execution, last, ending)
    return FailureCard(
        failure_class=found.failure_class,
        confidence=found.confidence,
        stage=failed.number if failed else None,
        stage_name=failed.brief.name if failed else None,
        exit_code=ending.exit_code,
        evidence=found.evidence,
        log_tail=_tail(record, last),
        next_action=found.next_action,
        retryable=retryable(found),
    )


def _diagnosis(execution: ExecutionChanged, last: AttemptOutcome | None, ending: Ending) -> Diagnosis:
    """The planner read the task in its error's cause; of a task that ECS tells nothing of, it knows more than we do."""
    unseen = last is not None and (last.task is None or last.task.forgotten)
    if unseen and last and last.by_planner and last.by_planner.failure_class and execution.error == STAGE_FAILED:
        return diagnose_as_classified(ending, last.by_planner.failure_class, _evidence(execution.cause) or "")
    return diagnose(ending)


def _ending(execution: ExecutionChanged, failed: StageOutcome | None) -> Ending:
    last = failed.attempts[-1] if failed else None
    error, cause = _error_of(execution, last)
    if failed is None or last is None:
        return Ending(error=error, cause=cause)
    return ending_of_attempt(failed.brief, last, error, cause)


def ending_of_attempt(brief: StageBrief, attempt: AttemptOutcome, error: str | None, cause: str | None) -> Ending:
    """How an attempt ended, by what ECS told of its task, and by Step Functions' error where it is known."""
    task = attempt.task
    known = ending_of_task(task, attempt.own_container, error, cause) if task else Ending(error=error, cause=cause)
    return replace(
        known,
        exit_code=attempt.exit_code,
        callback=brief.integration == "callback",
        timeout_seconds=brief.timeout_seconds,
        heartbeat_seconds=brief.heartbeat_seconds,
        duration_seconds=_ran_for(task),
    )


def _ran_for(task: TaskChanged | None) -> float | None:
    """Unknown as well where two clocks disagree, so that it would have stopped before it started."""
    if task is None or not task.stopped_at or not task.started_at or task.stopped_at < task.started_at:
        return None
    return task.stopped_at - task.started_at


def _error_of(execution: ExecutionChanged, last: AttemptOutcome | None) -> tuple[str | None, str | None]:
    """What failed the stage, rather than the planner's own name for giving up."""
    if execution.status in {"TIMED_OUT", "ABORTED"}:
        return f"Execution.{execution.status}", execution.cause
    error = execution.error or ""
    if error == JOB_TIMED_OUT:
        return error, _evidence(execution.cause)
    if error != STAGE_FAILED and not error.startswith(_UNKNOWN_TO_THE_STATE_MACHINE):
        return execution.error, execution.cause
    return (last.by_planner.error if last and last.by_planner else None), _evidence(execution.cause)


def _evidence(cause: str | None) -> str | None:
    """The planner's own evidence line, out of the cause that it wrote; any other cause as it is."""
    report = PlannerReport.read(cause)
    return report.evidence if report and report.evidence is not None else cause


def _tail(record: Record, last: AttemptOutcome | None) -> tuple[str, ...]:
    if last is None or last.task is None or last.own is None:
        return ()
    receipt = record.receipt(last.task, last.own)
    return receipt.tail if receipt else ()
