"""What a list of running executions spares us: the question to Step Functions after each job that it names.

A list is late: it may name what has ended, and leave out what runs. So nothing is learnt from it, and it puts a job off
at the most: one that is owed no more than to be asked after, and of whose tasks ECS has nothing new to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.core.policy.actions import AskExecution, AskTask
from service.core.policy.owed import SWEEP, Moment, owed
from service.core.record.facts import Claimed, TaskChanged
from service.core.record.record import Record, merge

_SPARED = (AskExecution, AskTask)


def tasks_to_ask_after(job: Record, at: Moment) -> tuple[str, ...] | None:
    """The tasks of a job that a list names as running; None where more is owed to it than questions after them.

    Owed is what a sweep would owe it, by the one table that there is, and nothing may be owed to it without a sweep.
    """
    if job.execution is None or job.execution.ended or owed(job, at):
        return None
    sweep = Claimed(record_key=job.key, what=SWEEP, owner=at.me, at=at.now, seconds=at.patience.claim)
    actions = owed(job.holding(sweep), at)
    if not all(isinstance(action, _SPARED) for action in actions):
        return None
    return tuple(action.task_arn for action in actions if isinstance(action, AskTask))


def news_of(job: Record, arns: Sequence[str], told: Mapping[str, TaskChanged]) -> tuple[TaskChanged, ...] | None:
    """What ECS told of these tasks that the record does not know; None where one of them stopped, or is not known.

    What is owed for that is more than to wait.
    """
    facts = [told.get(arn) for arn in arns]
    known = tuple(fact for fact in facts if fact is not None and not fact.stopped)
    if len(known) < len(facts):
        return None
    return tuple(fact for fact in known if merge(job, fact) is not job)
