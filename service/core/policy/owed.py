"""What is owed to a job, by its record alone. The whole policy of the service is on this page.

| the record says                                              | what is owed            |
|--------------------------------------------------------------|-------------------------|
| nobody requested it                                          | nothing                 |
| requested, never started                                     | StartExecution          |
| ended, but its output or its error is not known              | AskExecution            |
| we are sweeping, and it has not ended                        | AskExecution            |
| ended, and a task was made since: a redrive, not heard of    | AskExecution            |
| ... or a task says that it is of a later redrive             | AskExecution            |
| ... or it waits for capacity in a later redrive              | AskExecution            |
| redriven, and another task does the work of one of before    | StopTask                |
| ... or nothing says that the one of before reported          | that, after grace time  |
| ... or nobody told of one of the run before                  | AskHistory              |
| a task is open: we are sweeping, or the grace time is over   | AskTask                 |
| ... or there may be one that nobody told of                  | AskHistory              |
| ... ended, the grace time is over, and it is not stopping    | AskExecution, StopTask  |
| ... but it reported its success, and tidies up               | that, after deadline    |
| it asked for progress, and has come further than was told    | TellProgress            |
| ... but the outcome was announced, or is about to be         | nothing                 |
| a task stopped, a log not archived                           | Claim, then ArchiveLog  |
| ... after tries for longer than the deadline                 | GiveUpLog               |
| ended, every known task settled, not announced               | Claim, then Announce    |
| ... but there may be a task that nobody told of              | that, after grace time  |
| ... but ECS forgot a task whose event may wait in a queue    | that, after deadline    |
| redriven from an outcome that nobody was told of, settled    | AskEarlierEnds          |
| ... and Step Functions does not say how that was             | Announce after deadline |
| rejected, not announced                                      | Claim, then Announce    |
| asked for of many jobs, and not over                         | Claim, then SteerPage   |

What people ask for of a job is owed to it too, and stands in steering.py.

A log that is owed is not due before its quiet time is over; until then it waits as log_work.py says.

The write of the last receipt carries the claim on the announcement where that is all that is left.

What another holds a claim on is not owed by us. They renew it for as long as they work; if they die, it expires and the
sweeper finds the work owed again.
Progress is not claimed: a claim costs a write, and one whose holder died would hide the step until the outcome. Copies
have the same id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.core.diagnosis.ending import was_refused
from service.core.policy.actions import (
    Action,
    Announce,
    ArchiveLog,
    AskEarlierEnds,
    AskExecution,
    AskHistory,
    AskTask,
    Claim,
    GiveUpLog,
    StartExecution,
    SteerPage,
    StopTask,
    TellProgress,
)
from service.core.policy.log_work import without_receipt
from service.core.policy.steering import may_be_started_yet, steering
from service.core.policy.steps import untold
from service.core.record.asked import cancel_asked
from service.core.record.bulk import bulk_asked, bulk_is_over, bulk_progress
from service.core.record.facts import (
    Claimed,
    ContainerState,
    ExecutionChanged,
    Fact,
    LogArchived,
    TaskChanged,
    task_spoken_of,
)
from service.core.record.record import Record, merge
from service.core.record.register_names import announcing as announcing_of
from service.core.record.register_names import archiving, marker_of

SWEEP, BULK = "sweep", "bulk"
_FROM_OUTSIDE = frozenset({"ABORTED", "TIMED_OUT"})
_STOPPING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"})


@dataclass(frozen=True)
class Patience:
    """How long we wait for what, in seconds."""

    task_grace: float = 30
    log_deadline: float = 900
    claim: float = 60
    log_quiet: float = 10


@dataclass(frozen=True)
class Moment:
    """When, and by whom, a record is looked at: `me` names one piece of work, not a process."""

    now: float
    me: str
    patience: Patience = Patience()


def owed(job: Record, at: Moment) -> tuple[Action, ...]:
    """Everything that is owed to the job now."""
    return tuple(owed_in_turn(job, at))


def owed_in_turn(job: Record, at: Moment) -> Iterator[Action]:
    """The same, one after the other: whoever does the first need not know of the last."""
    if job.rejection is not None:
        yield from _announcement(job, at)
    elif bulk_asked(job) is not None:
        yield from _bulk(job, at)
    elif job.request is not None:
        yield from _start(job)
        yield from steering(job, may_start=_may_start_yet(job, at))
        yield from _questions(job, at)
        yield from _progress(job, at)
        yield from _logs(job, at)
        yield from _open_tasks(job, at)
        yield from _announcement(job, at)


def must_be_whole(job: Record, at: Moment) -> bool:
    """Whether decisions on a job need more than the head of its record.

    Its progress, its end, a redrive and a sweep ask for every task. Of a job that has just ended, not before all logs
    are archived of which the head knows: whoever archives the last one looks.
    """
    if job.request is not None and job.request.progress:
        return not job.is_whole
    execution = job.execution
    if execution is None or job.has_every_task:
        return False
    if execution.redrive_count > 0 or _holds(job, at, SWEEP):
        return True
    return execution.ended and (not job.tally.logs_owed or _ended_for(job, at.patience.task_grace, at))


def carried_by(fact: Fact, at: Moment) -> Claimed | None:
    """The claim that the write of a fact carries: who hears first that a task stopped archives its logs.

    Only what was no news can have been claimed before, and that write changes nothing.
    """
    if not isinstance(fact, TaskChanged) or not fact.stopped or not fact.containers:
        return None
    what = archiving(fact.task_id)
    return Claimed(record_key=fact.record_key, what=what, owner=at.me, at=at.now, seconds=at.patience.claim)


def claimed_with(fact: Fact, job: Record, at: Moment) -> Claimed | None:
    """The claim on the announcement that the write of a task's last receipt carries: by that nothing more is owed.

    That is known of a whole record only, and holds as long as nothing else was counted since it was read.
    """
    what = announcing(job)
    if not job.is_whole or Claim(job.key, what) not in _announcement(merge(job, fact), at):
        return None
    return job.new_claim(what, at.me, at.now, at.patience.claim)


def may_be_the_last(fact: Fact, job: Record) -> bool:
    """Whether a receipt may be a job's last: as far as is known no other log is owed, and no stage comes after it."""
    if not is_last_receipt(fact, job) or job.request is None:
        return False
    [task] = (item for item in job.tasks if item.task_id == task_spoken_of(fact))
    if job.tally.logs_owed - {marker_of(task.task_id)}:
        return False
    stages = job.request.stage_count or len(job.request.stages)
    return task.stage == stages or (job.execution is not None and job.execution.ended)


def is_last_receipt(fact: Fact, job: Record) -> bool:
    """Whether a fact is the receipt with which those of a task that stopped are complete."""
    if not isinstance(fact, LogArchived):
        return False
    task = next((item for item in job.tasks if item.task_id == fact.task_id and item.stopped), None)
    if task is None:
        return False
    return all(container.name == fact.container for container in without_receipt(job, task))


def _start(job: Record) -> Iterator[Action]:
    if job.request is not None and job.execution is None and cancel_asked(job) is None:
        yield StartExecution(job.job_id)


def _questions(job: Record, at: Moment) -> Iterator[Action]:
    execution = job.execution
    if execution is None:
        return
    sweeping = _holds(job, at, SWEEP)
    if _must_be_asked_after(job, execution, at):
        yield AskExecution(job.job_id)
    yield from (StopTask(job.job_id, task.arn) for task in job.tasks if _is_outlived(job, task, at))
    if _may_have_outlived_tasks(job, at, sweeping=sweeping):
        yield AskHistory(job.job_id)


def _open_tasks(job: Record, at: Moment) -> Iterator[Action]:
    """What to ask of tasks that may have stopped: one by one, each with its logs, so that a head never holds many."""
    if job.execution is None:
        return
    if _holds(job, at, SWEEP) or _ended_for(job, at.patience.task_grace, at):
        yield from (AskTask(job.job_id, arn) for arn in job.open_task_arns())
        if may_be_started_yet(job):
            yield AskExecution(job.job_id)
        elif _may_have_untold_tasks(job):
            yield AskHistory(job.job_id)
    yield from _late_tasks(job, at)


def _late_tasks(job: Record, at: Moment) -> Iterator[Action]:
    """Stop what nobody waits for any more, once it is sure that there was no redrive."""
    execution = job.execution
    late = [task for task in job.tasks if task.last_status not in _STOPPING and _is_late(job, task, at)]
    if execution is None or not late:
        return
    if not _must_be_asked_after(job, execution, at):
        yield AskExecution(job.job_id)  # Or a task of a redrive that nobody told of is stopped.
    for task in late:
        if not _is_outlived(job, task, at) and not _started_since(execution, task, at):
            yield StopTask(job.job_id, task.arn)


def _must_be_asked_after(job: Record, execution: ExecutionChanged, at: Moment) -> bool:
    return _end_is_unknown(job, execution, at) or _may_be_redriven(job, execution)


def _end_is_unknown(job: Record, execution: ExecutionChanged, at: Moment) -> bool:
    """Whether the outcome is known in part only, or we are sweeping and there is none yet."""
    return not execution.detailed or (_holds(job, at, SWEEP) and not execution.ended)


def _may_be_redriven(job: Record, execution: ExecutionChanged) -> bool:
    """Whether a task or a wait of a later redrive was heard of, be it over, or a task younger than the end."""
    heard_of = [*(task.redrive or 0 for task in job.tasks), job.last_wait.redrive if job.last_wait else 0]
    if max(heard_of) > execution.redrive_count:
        return True
    return execution.ended and any((task.created_at or 0) > _ended_at(execution) for task in job.tasks)


def _is_outlived(job: Record, task: TaskChanged, at: Moment) -> bool:
    """Whether a task has outlived the redrive that it is of.

    Another of its stage in a later redrive does its work: Step Functions waits for that one, and both may write. If
    there is none, the grace time is for what reported, and whose next plan failed. If a later stage began, the last
    attempt of its stage reported its success, and may tidy up.
    """
    if task.redrive is None or task.redrive >= job.redrive_count or task.last_status in _STOPPING:
        return False
    later = [item for item in job.tasks if item.stage == task.stage and item.place > task.place]
    if any((item.redrive or 0) > task.redrive for item in later):
        return True
    begun = max((*(item.stage or 0 for item in job.tasks), job.waiting.stage if job.waiting else 0))
    reported = not later and begun > (task.stage or 0)
    since = job.execution.redriven_at if job.execution else None
    return not reported and at.now >= (since or 0) + at.patience.task_grace


def _may_have_outlived_tasks(job: Record, at: Moment, *, sweeping: bool) -> bool:
    """Whether a task that nobody told of may run on beside a redrive.

    The history is asked for it when we sweep; before the grace time is over also as soon as something is heard, and no
    longer: a long history is many calls.
    """
    execution = job.execution
    if execution is None or execution.ended or not execution.redrive_count:
        return False
    if sweeping:
        return True
    lately = execution.redriven_at is None or at.now < execution.redriven_at + at.patience.task_grace
    return lately and not any(task.redrive == execution.redrive_count - 1 for task in job.tasks)


def _started_since(execution: ExecutionChanged, task: TaskChanged, at: Moment) -> bool:
    """Whether a task can only be of a redrive that we have not heard of: nobody else starts tasks so late."""
    return execution.ended and (task.created_at or 0) > _ended_at(execution) + at.patience.task_grace


def _ended_for(job: Record, seconds: float, at: Moment) -> bool:
    execution = job.execution
    return bool(execution and execution.ended and at.now >= _ended_at(execution) + seconds)


def _is_late(job: Record, task: TaskChanged, at: Moment) -> bool:
    """Whether a task runs for too long after its execution's end; one that reported its success may tidy up."""
    attempts = job.execution.attempts if job.execution else ()
    by_token = {item.place for item in attempts if item.passed and not item.task_arn}
    reported = task.place in by_token
    return _ended_for(job, at.patience.log_deadline if reported else at.patience.task_grace, at)


def _ended_at(execution: ExecutionChanged) -> float:
    """When an ended execution ended; where AWS did not say, long ago: nothing is waited for that has no time."""
    return execution.stopped_at or execution.started_at or 0


def _progress(job: Record, at: Moment) -> Iterator[Action]:
    if job.announced is not None or _others_hold(job, at, announcing(job)):
        return
    if steps := untold(job):
        yield TellProgress(job.job_id, tuple(step.name for step in steps))


def _logs(job: Record, at: Moment) -> Iterator[Action]:
    for task in job.tasks:
        missing = list(without_receipt(job, task)) if task.stopped else []
        if missing:
            yield from _log_work(job, at, task, missing)


def _log_work(job: Record, at: Moment, task: TaskChanged, missing: list[ContainerState]) -> Iterator[Action]:
    what = archiving(task.task_id)
    if _was_last_try(job.claim(what), at):
        yield from (GiveUpLog(job.job_id, task.task_id, container.name) for container in missing)
    else:
        work = [ArchiveLog(job.job_id, task.task_id, container.name) for container in missing]
        yield from _once_claimed(job, at, what, *work)


def _was_last_try(claim: Claimed | None, at: Moment) -> bool:
    """Whether a try that began after the deadline came to nothing.

    The deadline counts from the first try: in an outage, or at the end of a long queue, the logs wait for us.
    """
    if claim is None or claim.owner == at.me or not claim.has_expired(at.now):
        return False
    return claim.try_began_at > claim.began_at + at.patience.log_deadline


def _announcement(job: Record, at: Moment) -> Iterator[Action]:
    if job.announced is not None or _may_hear_more(job, at):
        return
    if job.rejection is None and not is_settled(job):
        return
    if any(job.ended_before(count) is None for count in job.untold_redrives):
        yield AskEarlierEnds(job.job_id)
        if not _ended_for(job, at.patience.log_deadline, at):
            return  # Its history is eventually consistent [botocore]; and gone with the state machine.
    yield from _once_claimed(job, at, announcing(job), Announce(job.key, job.redrive_count))


def _bulk(bulk: Record, at: Moment) -> Iterator[Action]:
    if not bulk_is_over(bulk):
        progress = bulk_progress(bulk)
        yield from _once_claimed(bulk, at, BULK, SteerPage(bulk.key, progress.page + 1 if progress else 0))


def announcing(job: Record) -> str:
    """What is claimed by whoever tells of the present outcome."""
    return announcing_of(job.redrive_count)


def _may_hear_more(job: Record, at: Moment) -> bool:
    """Whether a task that nobody told of may yet be told of, or how one ended that ECS has forgotten."""
    if _may_start_yet(job, at):
        return True
    if _may_have_untold_tasks(job) and not _ended_for(job, at.patience.task_grace, at):
        return True
    return any(task.forgotten and at.now < (task.stopped_at or 0) + at.patience.log_deadline for task in job.tasks)


def _may_start_yet(job: Record, at: Moment) -> bool:
    """Whether a start that another was in the middle of may yet be heard of."""
    return may_be_started_yet(job) and not _ended_for(job, at.patience.task_grace, at)


def is_settled(job: Record) -> bool:
    """Whether all that a notification tells of is known: the execution's end, every task's, and every log's."""
    if job.execution is None or not job.execution.ended or not job.execution.detailed:
        return False
    if not job.has_every_task or job.open_task_arns():
        return False
    return all(job.receipt(task, container) for task in job.tasks for container in task.containers)


def _may_have_untold_tasks(job: Record) -> bool:
    """Whether there may have been a task that ECS has not told of, nor the execution's outcome.

    The outcome names no task of a stage that timed out, or whose container reported back: Step Functions did not see
    it stop. An execution that was ended from outside has no outcome. Nor has a run that was redriven untold; whoever
    asks how that one ended is told of all its tasks.
    """
    execution = job.execution
    if execution is None or not execution.ended or execution.was_never_to_be:
        return False
    heard_of = {task.place for task in job.tasks}
    unheard = (item for item in execution.attempts if item.place not in heard_of)
    return execution.status in _FROM_OUTSIDE or any(
        not item.task_arn and not was_refused(item.error) for item in unheard
    )


def _once_claimed(job: Record, at: Moment, what: str, *work: Action) -> Iterator[Action]:
    if _holds(job, at, what):
        yield from work
    elif not _others_hold(job, at, what):
        yield Claim(job.key, what)


def _holds(job: Record, at: Moment, what: str) -> bool:
    claim = job.claim(what)
    return claim is not None and claim.owner == at.me


def _others_hold(job: Record, at: Moment, what: str) -> bool:
    claim = job.claim(what)
    return claim is not None and claim.owner != at.me and not claim.has_expired(at.now)
