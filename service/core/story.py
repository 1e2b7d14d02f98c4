"""What happened, stage by stage: the planner's word and ECS's brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.notification import Status
from schemas.plan import Attempt
from service.core.facts import ContainerState, StageBrief, TaskChanged
from service.core.planning import JOB_TIMED_OUT
from service.core.record import Record


@dataclass(frozen=True)
class StageStory:
    """One stage of a record: what it is, and its attempts, each as the planner told it and as ECS told it."""

    number: int
    brief: StageBrief
    attempts: tuple[AttemptStory, ...]

    @property
    def passed(self) -> bool:
        """Whether an attempt ended with an explicit exit code 0 of the job's own container."""
        return any(attempt.passed for attempt in self.attempts)


@dataclass(frozen=True)
class AttemptStory:
    """One attempt: told by the planner, by ECS, or by both."""

    number: int
    own_container: str
    told: Attempt | None = None
    task: TaskChanged | None = None

    @property
    def own(self) -> ContainerState | None:
        """The job's own container, as ECS last described it."""
        containers = self.task.containers if self.task else ()
        return next((item for item in containers if item.name == self.own_container), None)

    @property
    def exit_code(self) -> int | None:
        if self.own is not None and self.own.exit_code is not None:
            return self.own.exit_code
        return self.told.exit_code if self.told else None

    @property
    def passed(self) -> bool:
        return bool(self.told and self.told.passed and self.exit_code == 0)


def status_of(record: Record) -> Status:
    """The status to announce. Success is not what Step Functions says alone: every stage must have exited with 0."""
    execution = record.execution
    if record.rejection is not None or execution is None:
        return "REJECTED"
    match execution.status:
        case "SUCCEEDED":
            return "SUCCEEDED" if all(story.passed for story in stages_of(record)) else "FAILED"
        case "TIMED_OUT":
            return "TIMED_OUT"
        case "ABORTED":
            return "ABORTED"
        case _:
            return "TIMED_OUT" if execution.error == JOB_TIMED_OUT else "FAILED"


def stages_of(record: Record) -> tuple[StageStory, ...]:
    """Every stage of the job, with what is known of its attempts."""
    briefs = record.request.stages if record.request else ()
    heard_of = record.tasks
    return tuple(
        StageStory(number, brief, _attempts_of(record, heard_of, number, brief))
        for number, brief in enumerate(briefs, start=1)
    )


def _attempts_of(
    record: Record, heard_of: Sequence[TaskChanged], number: int, brief: StageBrief
) -> tuple[AttemptStory, ...]:
    told = {
        item.attempt: item for item in (record.execution.attempts if record.execution else ()) if item.stage == number
    }
    tasks = {task.attempt or 1: task for task in heard_of if task.stage == number}
    by_id = {task.task_id: task for task in heard_of}
    return tuple(
        AttemptStory(
            attempt,
            brief.container,
            told.get(attempt),
            tasks.get(attempt) or _named_by(told.get(attempt), by_id),
        )
        for attempt in sorted({*told, *tasks})
    )


def _named_by(told: Attempt | None, by_id: Mapping[str, TaskChanged]) -> TaskChanged | None:
    return by_id.get((told.task_arn or "").rsplit("/", 1)[-1]) if told else None
