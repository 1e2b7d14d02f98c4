"""Do what is owed. One match over the actions; each answers with the facts that doing it taught us."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from schemas.errors import JobferryError
from schemas.events import TaskDetail
from schemas.notification import JobNotification, Link, Status
from schemas.plan import CANCELLED
from schemas.price import Price
from schemas.progress import JobProgress
from service.aws.errors import AwsError
from service.aws.executions import NOT_ALLOWED, NOT_REDRIVABLE, REFUSED_FOR_GOOD, Executions
from service.aws.objects import Objects
from service.aws.tasks import Tasks
from service.aws.topic import Topic
from service.clock import Clock, seconds_between
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
    LeaveUnstarted,
    RedriveExecution,
    StartExecution,
    SteerPage,
    StopExecution,
    StopTask,
    TellProgress,
)
from service.core.policy.owed import announcing
from service.core.policy.steps import Step, untold
from service.core.record.asked import cancel_asked, redrive_asked
from service.core.record.fact import ObservedVia
from service.core.record.facts import Announced, ExecutionChanged, Fact, LogArchived, ProgressTold, TaskChanged
from service.core.record.hearing import (
    Ignored,
    forgotten_task,
    hear_earlier_ends,
    hear_execution,
    hear_task,
    left_unstarted,
    named_tasks,
    never_started,
)
from service.core.record.record import Record, merge
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose, iso, linked_objects
from service.core.telling.letter import fingerprint, subject
from service.core.telling.progress import compose_progress
from service.core.telling.progress_text import subject_of_progress
from service.core.telling.size_limit import fitted
from service.core.telling.steered import why_cancelled
from service.core.tracking.listing import spent_of
from service.logs.archive import LogArchive
from service.metrics import ANNOUNCED, ARCHIVES, ARCHIVES_DONE, ARCHIVES_GIVEN_UP, TIME_TO_ANNOUNCE, Meter

log = structlog.stdlib.get_logger()

# DescribeExecution is eventually consistent [botocore]; an hour is far beyond that.
_LATEST_ANSWER_SECONDS = 3600
# DescribeTasks is eventually consistent too [ECS guide, RunTask]; and it knows a stopped task for an hour at least.
_LATEST_ANSWER_OF_ECS_SECONDS = 20
# The retries of a call can take minutes, and the logs and the outcome are not to wait for them.
_PROGRESS_SECONDS = 10.0
STOP_REASON = "Jobferry: the job's execution has ended"


class LogNotArchivedError(JobferryError):
    """The record holds no such task or container to archive the log of."""


class NotABulksError(JobferryError):
    """What is done with many jobs is for whoever works through bulks [workers/bulks.py]."""


@dataclass(frozen=True)
class Performer:
    """Turns actions into calls. `me` names the piece of work that a claim is made for."""

    executions: Executions
    tasks: Tasks
    archive: LogArchive
    objects: Objects
    topic: Topic
    link_seconds: int
    prices: Mapping[str, Price]
    redaction: Redaction
    claim_seconds: float
    now: Clock
    metrics: Meter

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        """Do one thing, and say what is known now."""
        match action:
            case StartExecution():
                return await self._start(action, job)
            case LeaveUnstarted():
                return await self._leave_unstarted(job)
            case StopExecution():
                return await self._stop_execution(job)
            case RedriveExecution():
                return await self._redrive(job)
            case AskExecution(job_id=job_id):
                return await self._ask_execution(job_id, job)
            case AskTask(job_id=job_id, task_arn=arn):
                return await self._ask_task(job_id, arn, job)
            case AskHistory(job_id=job_id):
                return await self._ask_history(job_id, job)
            case AskEarlierEnds(job_id=job_id):
                return await self._ask_earlier_ends(job_id, job)
            case StopTask(task_arn=arn):
                return await self._stop(arn)
            case Claim(what=what):
                return (job.new_claim(what, me, self.now(), self.claim_seconds),)
            case TellProgress(steps=names):
                return await self._tell_progress(job, names)
            case ArchiveLog(task_id=task_id, container=name):
                return (await self._archive(job, task_id, name, me),)
            case GiveUpLog(job_id=job_id, task_id=task_id, container=name):
                self.metrics.count(ARCHIVES_GIVEN_UP)
                why = "it could not be read from CloudWatch in time"
                return (LogArchived(job_id=job_id, task_id=task_id, container=name, status="absent", why=why),)
            case Announce():
                return await self._announce(job)
            case SteerPage():
                raise NotABulksError(str(action.record_key))

    async def _start(self, action: StartExecution, job: Record) -> tuple[Fact, ...]:
        job_id, request = action.job_id, job.request
        assert request is not None, "a job is started by its request"
        trace_header = request.trace.aws_trace_header if request.trace else None
        try:
            started = await self.executions.start(job_id, request.execution_input, trace_header)
        except AwsError as error:
            if error.code not in REFUSED_FOR_GOOD:
                raise
            return (never_started(job_id, str(error), self.now()),)
        if started is None:
            return await self._ask_execution(job_id, Record.of_job(job_id))
        log.info("job_started", **_whose(job), seconds=self._seconds_since_request(job))
        return (
            ExecutionChanged(
                job_id=job_id, arn=started.arn, status="STARTED", observed_via="request", started_at=started.at
            ),
        )

    async def _leave_unstarted(self, job: Record) -> tuple[Fact, ...]:
        """Another may be starting it, or have died when it had: whatever Step Functions knows is what counts."""
        known = await self._ask_execution(job.job_id, Record(job.key), asked="request")
        if known:
            return known
        log.info("job_left_unstarted", **_whose(job))
        asked = cancel_asked(job)
        assert asked is not None, "a job is left unstarted because somebody asked"
        return (_cancelled(asked, 0), left_unstarted(job.job_id, why_cancelled(job), self.now()))

    async def _stop_execution(self, job: Record) -> tuple[Fact, ...]:
        """The event tells how it ended, or the answer to our question, whichever is first.

        Where we are not allowed to, the wish stays on record, and each sweep tries again for as long as the job runs.
        """
        asked = cancel_asked(job)
        assert asked is not None, "a run is ended because somebody asked"
        try:
            await self.executions.stop(job.job_id, CANCELLED, why_cancelled(job))
        except AwsError as error:
            if error.code not in NOT_ALLOWED:
                raise
            log.error("cancel_not_allowed", **_whose(job), asked_by=asked.asked_by, why=str(error)[:200])
            return ()
        [heard] = await self._ask_execution(job.job_id, job, asked="request") or (None,)
        # It may have been redriven since we looked: whose end this was is to be known, and that nobody meant it.
        count = job.redrive_count
        if isinstance(heard, ExecutionChanged) and heard.ended and heard.error == CANCELLED:
            count = heard.redrive_count
        log.info("execution_stopped", **_whose(job), redrive_count=count)
        return (_cancelled(asked, count), *([heard] if heard is not None else []))

    async def _redrive(self, job: Record) -> tuple[Fact, ...]:
        """Redrive it, unless somebody has. The wish is told after the redrive: a wish alone is no redrive."""
        asked, execution, count = redrive_asked(job), job.execution, job.redrive_count
        assert asked is not None and execution is not None, "an outcome is redriven because somebody asked"
        if not execution.arn:
            # Or it was started after all, by one that stood still for long.
            return await self._ask_execution(job.job_id, job, asked="request") or self._not_redriven(
                job, "it was never started: run it again as a new job"
            )
        if redriven := await self._redriven_already(job, asked):
            return redriven
        try:
            at = await self.executions.redrive(job.job_id, count)
        except AwsError as error:
            if error.code in NOT_ALLOWED:
                return self._not_redriven(job, str(error), for_good=False)
            if error.code not in NOT_REDRIVABLE:
                raise
            return await self._redriven_already(job, asked) or self._not_redriven(job, str(error))
        log.info("job_redriven", **_whose(job), redrive_count=count + 1, asked_by=asked.asked_by)
        started = ExecutionChanged(
            job_id=job.job_id,
            arn=execution.arn,
            status="STARTED",
            redrive_count=count + 1,
            observed_via="request",
            started_at=execution.started_at,
            redriven_at=at,
        )
        return (_wished(asked, count + 1), started)

    async def _redriven_already(self, job: Record, asked: RedriveAsked) -> tuple[Fact, ...]:
        """How the execution is, if it was redriven from the outcome that we know; by us, if our answer was lost."""
        [heard] = await self._ask_execution(job.job_id, job) or (None,)
        if not isinstance(heard, ExecutionChanged) or heard.redrive_count <= job.redrive_count:
            return ()
        is_ours = heard.redrive_count == job.redrive_count + 1 and asked.asked_at <= (heard.redriven_at or 0)
        return (*([_wished(asked, heard.redrive_count)] if is_ours else ()), heard)

    def _not_redriven(self, job: Record, why: str, *, for_good: bool = True) -> tuple[Fact, ...]:
        log.warning("redrive_refused", **_whose(job), redrive_count=job.redrive_count, why=why[:200])
        refused = RedriveRefused(
            job_id=job.job_id, redrive_count=job.redrive_count, at=self.now(), why=why[:500], for_good=for_good
        )
        return (refused,)

    async def _ask_execution(self, job_id: str, job: Record, asked: ObservedVia = "sweep") -> tuple[Fact, ...]:
        detail = await self.executions.describe(job_id)
        if detail is None:
            return self._gone(job)
        # How we came to know of the end stays as it was: asking for the rest of an event is no sweep.
        via = job.execution.observed_via if job.execution and job.execution.ended else asked
        heard = hear_execution(detail, self.executions.state_machine_arn, via, final=True)
        return (heard,) if isinstance(heard, ExecutionChanged) else ()

    def _gone(self, job: Record) -> tuple[Fact, ...]:
        """An execution that Step Functions does not know: too new for its answers, which are late, or deleted."""
        execution = job.execution
        if execution is None or execution.ended or self.now() - (execution.started_at or 0) < _LATEST_ANSWER_SECONDS:
            return ()
        why = "Step Functions does not know this execution any more: was the state machine deleted?"
        gone = {"status": "ABORTED", "observed_via": "sweep", "detailed": True, "stopped_at": self.now(), "cause": why}
        return (execution.model_copy(update=gone),)

    async def _ask_task(self, job_id: str, arn: str, job: Record) -> tuple[Fact, ...]:
        detail = await self.tasks.describe(arn)
        if detail is not None:
            return _heard(detail)
        held = next((task for task in job.tasks if task.arn == arn), None)
        return () if self._may_be_too_new(held, job) else (forgotten_task(job_id, arn, self.now(), held),)

    def _may_be_too_new(self, task: TaskChanged | None, job: Record) -> bool:
        """Whether ECS may not know a task yet, rather than no more: it starts none after its execution's end."""
        execution = job.execution
        if task is not None and task.created_at is not None:
            since = task.created_at
        elif execution is None or not execution.ended:
            return True
        else:
            since = execution.stopped_at or execution.started_at or 0
        return self.now() - since < _LATEST_ANSWER_OF_ECS_SECONDS

    async def _ask_history(self, job_id: str, job: Record) -> tuple[Fact, ...]:
        return await self._untold_tasks(await self.executions.history(job_id), job)

    async def _ask_earlier_ends(self, job_id: str, job: Record) -> tuple[Fact, ...]:
        """The ends come last: once they are known nobody asks again, and the tasks of those runs would be missing."""
        events = await self.executions.history(job_id)
        ends = [end for end in hear_earlier_ends(job_id, events) if end.redrive_count in job.untold_redrives]
        return (*await self._untold_tasks(events, job), *ends)

    async def _untold_tasks(self, events: Sequence[Mapping[str, Any]], job: Record) -> tuple[Fact, ...]:
        known = {task.arn for task in job.tasks}
        found: list[Fact] = []
        for task in named_tasks(job.job_id, events):
            if task.arn not in known:
                # One that ECS does not know yet is held by its name, or it might be announced without it. When it was
                # started says that it is new, and not forgotten: it may be of a redrive that nobody told of.
                found.extend(await self._ask_task(job.job_id, task.arn, merge(job, task)) or (task,))
        return tuple(found)

    async def _stop(self, arn: str) -> tuple[Fact, ...]:
        detail = await self.tasks.stop(arn, STOP_REASON)
        return _heard(detail) if detail else ()

    async def _archive(self, job: Record, task_id: str, name: str, me: str) -> LogArchived:
        task = next((item for item in job.tasks if item.task_id == task_id), None)
        container = next((item for item in task.containers if item.name == name), None) if task else None
        if task is None or container is None:
            raise LogNotArchivedError(f"{task_id}/{name}")
        with self.metrics.underway(ARCHIVES, task.stopped_at or self.now()):
            archived = await self.archive.archive(task, container, me)
        self.metrics.count(ARCHIVES_DONE)
        log.info(
            "log_archived",
            **_whose(job),
            task_id=task_id,
            container=name,
            status=archived.status,
            why=archived.why,
            lines=archived.lines,
            bytes=archived.bytes,
            seconds=seconds_between(task.stopped_at, self.now()),
        )
        return archived

    async def _tell_progress(self, job: Record, names: tuple[str, ...]) -> tuple[Fact, ...]:
        """Tell of these steps. Logs and the outcome do not wait for one that cannot be told: the next pass tries again.

        It stops at the first such step, so that the later ones do not overtake it.
        """
        published: list[Fact] = []
        try:
            async with asyncio.timeout(_PROGRESS_SECONDS):
                for step in untold(job):
                    if step.name in names:
                        await self._tell(job, step)
                        published.append(ProgressTold(job_id=job.job_id, step=step.name, at=self.now()))
        except (AwsError, TimeoutError) as error:
            log.warning("progress_not_told", job_id=job.job_id, error=type(error).__name__, why=str(error)[:200])
        return tuple(published)

    async def _tell(self, job: Record, step: Step) -> None:
        progress = compose_progress(job, step, self.redaction)
        await self._publish(job, progress, subject_of_progress(progress))

    async def _announce(self, job: Record) -> tuple[Fact, ...]:
        """Tell of the outcome, unless we stood still for so long that another may be telling of it by now.

        What is not told is left to the sweeper: the job is due since its claim expired. What stands still between this
        look and SNS, or loses SNS's answer, can make a second copy all the same.
        """
        notification = fitted(compose(job, await self._links(job), self.prices, self.redaction))
        claim = job.claim(announcing(job))
        if claim is not None and claim.has_expired(self.now()):
            log.warning("claim_expired", **job.key.log_fields, what=claim.what)
            return ()
        await self._publish(job, notification, subject(notification))
        self._count_announced(job, notification.status)
        log.info(
            "job_announced",
            **_whose(job),
            status=notification.status,
            notification_id=notification.id,
            seconds=self._seconds_since_request(job),
        )
        announced = Announced(
            record_key=job.key,
            redrive_count=job.redrive_count,
            status=notification.status,
            notification_id=notification.id,
            at=self.now(),
            ended_at=job.execution.stopped_at if job.execution else None,
            failure_class=notification.failure.failure_class if notification.failure else None,
            letter=fingerprint(notification.text),
            spent=spent_of(notification),
        )
        return (announced,)

    async def _publish(self, job: Record, message: JobNotification | JobProgress, subject_line: str) -> None:
        await self.topic.publish(
            notification_id=message.id,
            group=job.key.id,
            subject=subject_line,
            body=message.model_dump_json(),
            text=message.text,
            attributes=_attributes(message),
            trace_header=message.trace.aws_trace_header if message.trace else None,
        )

    def _count_announced(self, job: Record, status: Status) -> None:
        self.metrics.count(ANNOUNCED[status])
        if job.execution and job.execution.stopped_at:
            self.metrics.measure(TIME_TO_ANNOUNCE, max(0.0, self.now() - job.execution.stopped_at))

    def _seconds_since_request(self, job: Record) -> float | None:
        asked = job.request or job.rejection
        return seconds_between(asked.submitted_at if asked else None, self.now())

    async def _links(self, job: Record) -> Links:
        signed = {where: await self.objects.link(*where, self.link_seconds) for where in linked_objects(job)}
        return Links({where: Link(url=link.url, expires_at=iso(link.expires_at)) for where, link in signed.items()})


def _wished(asked: RedriveAsked, redrive_count: int) -> Redriven:
    """Whose wish a redrive was."""
    return Redriven.model_validate({**asked.model_dump(exclude={"kind"}), "redrive_count": redrive_count})


def _cancelled(asked: CancelAsked, redrive_count: int) -> Cancelled:
    """Whose wish the end of a run was."""
    return Cancelled.model_validate({**asked.model_dump(exclude={"kind"}), "redrive_count": redrive_count})


def _whose(job: Record) -> dict[str, str | None]:
    """What every line of a job's life is found by; of a rejection, the names that its request gave."""
    if job.rejection:
        return {"job_id": job.rejection.claimed_job_id, "tenant": job.rejection.claimed_tenant}
    return {"job_id": job.job_id, "tenant": job.request.tenant if job.request else None}


def _heard(detail: TaskDetail) -> tuple[Fact, ...]:
    heard = hear_task(detail)
    return (heard,) if not isinstance(heard, Ignored) else ()


def _attributes(message: JobNotification | JobProgress) -> dict[str, str]:
    """What subscribers filter by [SNS filter policies], and the trace, where tools look for it."""
    return {
        "status": message.status,
        "job_type": message.job_type or "",
        "tenant": message.tenant or "",
        "failure_class": message.failure.failure_class if message.failure else "",
        "traceparent": (message.trace.traceparent if message.trace else None) or "",
    }
