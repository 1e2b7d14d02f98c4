"""What happened, stage by stage: the planner's word and ECS's brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from schemas.arn import task_id_of
from schemas.notification import Status
from schemas.plan import JOB_TIMED_OUT, Attempt
from service.core.diagnosis.ending import Ending, succeeded
from service.core.diagnosis.task_ending import ending_of_task
from service.core.record.facts import ContainerState, StageBrief, TaskChanged
from service.core.record.record import Record


@dataclass(frozen=True)
class StageOutcome:
    """One stage of a record: what it is, and its attempts, each as the planner told it and as ECS told it."""

    number: int
    brief: StageBrief
    attempts: tuple[AttemptOutcome, ...]

    @cached_property
    def passed(self) -> bool:
        """Whether an attempt ended with an explicit exit code 0 of the job's own container."""
        return any(attempt.passed for attempt in self.attempts)


@dataclass(frozen=True)
class AttemptOutcome:
    """One attempt: told by the planner, by ECS, or by both.

    A redriven state numbers its attempts anew, so `redrive` belongs to which one it is. `reported` is whether nobody
    waits for a word of its container any more; that it gave its word only shows in what came after it.
    """

    redrive: int
    number: int
    own_container: str
    by_planner: Attempt | None = None
    task: TaskChanged | None = None
    reported: bool = True

    @cached_property
    def own(self) -> ContainerState | None:
        """The job's own container, as ECS last described it."""
        containers = self.task.containers if self.task else ()
        return next((item for item in containers if item.name == self.own_container), None)

    @property
    def task_arn(self) -> str | None:
        return self.task.arn if self.task else self.by_planner.task_arn if self.by_planner else None

    @property
    def exit_code(self) -> int | None:
        if self.own is not None and self.own.exit_code is not None:
            return self.own.exit_code
        return self.by_planner.exit_code if self.by_planner else None

    @cached_property
    def passed(self) -> bool:
        """By the planner's word and how the container ended; without the planner's word, by what ECS says alone.

        An execution that was ended from outside has no word of the planner's, and a long one not of every attempt.
        Of a task that Step Functions watched, the planner names the ARN, and who stopped it stopped its work. Who
        stopped one after its container's own word stopped nothing but its tidying up.
        """
        if self.by_planner is not None and self.by_planner.task_arn and self.task is not None and self.task.stopped:
            known = ending_of_task(self.task, self.own_container)
            return self.by_planner.passed and succeeded(replace(known, exit_code=self.exit_code))
        if self.by_planner is not None:
            reason = self.own.reason if self.own else None
            return self.by_planner.passed and succeeded(Ending(exit_code=self.exit_code, container_reason=reason))
        if self.task is None or not self.task.stopped or not self.reported:
            return False
        return succeeded(ending_of_task(self.task, self.own_container))


def status_of(record: Record) -> Status:
    """The status to announce. Success is not what Step Functions says alone: every stage must have exited with 0."""
    execution = record.execution
    if execution is None:  # Of a request that was rejected there is none.
        return "REJECTED"
    match execution.status:
        case "SUCCEEDED":
            return "SUCCEEDED" if all(outcome.passed for outcome in stages_of(record)) else "FAILED"
        case "TIMED_OUT":
            return "TIMED_OUT"
        case "ABORTED":
            return "ABORTED"
        case _:
            return "TIMED_OUT" if execution.error == JOB_TIMED_OUT else "FAILED"


def stages_of(record: Record) -> tuple[StageOutcome, ...]:
    """Every stage of the job, with what is known of its attempts."""
    briefs = record.request.stages if record.request else ()
    planned = record.execution.attempts if record.execution else ()
    heard_of = record.tasks
    begun = max((*(item.stage for item in planned), *(task.stage or 0 for task in heard_of)), default=0)
    return tuple(
        StageOutcome(
            number,
            brief,
            _attempts_of(
                [item for item in planned if item.stage == number],
                heard_of,
                number,
                brief,
                gone_on=number < begun,
            ),
        )
        for number, brief in enumerate(briefs, start=1)
    )


def _attempts_of(
    planned: Sequence[Attempt], heard_of: Sequence[TaskChanged], number: int, brief: StageBrief, *, gone_on: bool
) -> tuple[AttemptOutcome, ...]:
    """Its attempts in order. If the job has gone on to a later stage, the last of them gave its word, and no other."""
    by_planner = {(item.redrive, item.attempt): item for item in planned}
    tasks = {(task.redrive or 0, task.attempt or 1): task for task in heard_of if task.stage == number}
    by_id = {task.task_id: task for task in heard_of}
    known = sorted({*by_planner, *tasks})
    return tuple(
        AttemptOutcome(
            *which,
            brief.container,
            by_planner.get(which),
            tasks.get(which) or _named_by(by_planner.get(which), by_id),
            brief.integration == "sync" or (gone_on and which == known[-1]),
        )
        for which in known
    )


def _named_by(by_planner: Attempt | None, by_id: Mapping[str, TaskChanged]) -> TaskChanged | None:
    return by_id.get(task_id_of(by_planner.task_arn)) if by_planner and by_planner.task_arn else None
