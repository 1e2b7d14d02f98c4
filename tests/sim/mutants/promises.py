"""Mistakes that break one of the nine promises; some only in crowds, by redrives, or at a job's last facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any

from schemas.notification import EarlierOutcome, JobNotification
from schemas.plan import STAGE_FAILED, LambdaResult
from service import perform, settle
from service.aws import executions, jobs_table, objects, queue, record_writes
from service.aws.log_batches import BatchPage, LogBatches
from service.aws.open_jobs import IndexChange
from service.aws.queue import Message
from service.aws.record_items import REQUEST, item_key, part_of, record_of, registers_of
from service.aws.starts import Starts
from service.core import log_layout
from service.core.admission.admission import Admitted
from service.core.diagnosis.ending import Ending
from service.core.log_lanes import Gathered, LogEvent, StoppedLog, Verdict, Whole
from service.core.planning import planning, waiting
from service.core.policy import outcome as story
from service.core.policy import owed
from service.core.policy.actions import Action, Announce, AskExecution
from service.core.policy.log_work import LogWork, work_of
from service.core.policy.outcome import AttemptOutcome
from service.core.record import hearing
from service.core.record.facts import Announced, Claimed, ExecutionChanged, Fact, LogArchived, Requested, TaskChanged
from service.core.record.record import Record, merge
from service.core.record.wishes import RerunOf
from service.core.telling import compose as announce
from service.core.window import Window
from service.logs import archive, paged
from service.logs.small import SmallLogs
from service.memory import Memory, Share
from service.perform import Performer
from service.settle import Settling
from tests.sim.mutants.mutant import mutant
from workers import consumer, events, redrives, requests, sweeper
from workers.guard import failure_of


async def _deletes_first(self: consumer.Consumer, message: Message) -> None:
    await self._settled.put(message)
    await failure_of(self._handle(message), "message_failed")


async def _deletes_what_failed(self: consumer.Consumer, message: Message) -> None:
    await failure_of(self._handle(message), "message_failed")
    await self._settled.put(message)


async def _deletes_a_neighbour_too(self: queue.Queue, messages: Sequence[Message]) -> tuple[Message, ...]:
    mixed_up = [replace(message, receipt_handle=_neighbour(message.receipt_handle)) for message in messages]
    await _deleted_in_truth(self, mixed_up)
    return await _deleted_in_truth(self, messages)


_deleted_in_truth = queue.Queue.delete


def _neighbour(handle: str) -> str:
    """The handle of the message that came after this one."""
    name, _, number = handle.partition("/")[0].rpartition("-m")
    return f"{name}-m{int(number) + 1}/1"


async def _remembers_nothing(
    self: requests.Requests, message: Message, admitted: Admitted, rerun_of: RerunOf | None
) -> Record:
    fact = await self._requested(message, admitted, rerun_of)
    return Record(fact.record_key, {"request": fact})


async def _takes_rivals_for_repeats(
    self: requests.Requests, message: Message, admitted: Admitted, rerun_of: RerunOf | None
) -> Record:
    return await self.jobs.merge(await self._requested(message, admitted, rerun_of))


def _claims_nothing(job: Record, at: owed.Moment, what: str, *work: Action) -> Iterator[Action]:
    yield from work


_announced_in_truth = Performer._announce
_background: set[asyncio.Task[object]] = set()


async def _notes_first(self: Performer, job: Record) -> tuple[Fact, ...]:
    task = asyncio.create_task(_announced_in_truth(self, job))
    _background.add(task)
    task.add_done_callback(_background.discard)
    status = story.status_of(job)
    note = f"{job.key.id}:{job.redrive_count}:{status}"
    announced = Announced(
        record_key=job.key, redrive_count=job.redrive_count, status=status, notification_id=note, at=self.now()
    )
    return (announced,)


async def _notes_nothing(self: Performer, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
    facts = await _performed_in_truth(self, action, job, me)
    return () if isinstance(action, Announce) else facts


_performed_in_truth = Performer.perform


def _claims_for_a_moment(self: Record, what: str, owner: str, at: float, seconds: float) -> Claimed:
    return Claimed(record_key=self.key, what=what, owner=owner, at=at, seconds=0.001)


async def _announces_past_its_claim(self: Performer, job: Record) -> tuple[Fact, ...]:
    claim = job.claim(owed.announcing(job))
    assert claim is not None
    return await _announced_in_truth(replace(self, now=lambda: claim.at), job)


async def _cuts_its_poll_off(self: consumer.Consumer, at_most: int) -> tuple[Message, ...]:
    poll = asyncio.ensure_future(self.queue.receive(at_most, self.poll_seconds))
    stop = asyncio.ensure_future(self.stopping.wait())
    await asyncio.wait((poll, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not poll.done():
        poll.cancel()
    with suppress(Exception, asyncio.CancelledError):
        return await poll
    return ()


async def _keeps_what_it_took(self: consumer.Consumer, message: Message) -> None:
    return None


async def _leaves_without_deleting(self: consumer.Consumer, batch: list[Message]) -> None:
    if not self.stopping.is_set():
        await failure_of(self._try_to_delete(batch), "delete_failed")
    for _ in batch:
        self._settled.task_done()


def _takes_a_sidecars_code(ending: Ending) -> bool:
    return ending.exit_code == 0 or 0 in ending.other_exit_codes


def _takes_no_code_for_success(ending: Ending) -> bool:
    return not ending.exit_code


def _takes_the_exit_code_of_who_was_stopped(ending: Ending) -> bool:
    return ending.exit_code == 0


def _lets_a_sidecar_decide(ending: Ending) -> bool:
    return ending.exit_code == 0 and not any(ending.other_exit_codes)


def _asks_after_no_silent_job(job: Record, at: owed.Moment) -> Iterator[Action]:
    silent = job.execution is None or not job.execution.ended
    return (action for action in _asked_in_truth(job, at) if not (silent and isinstance(action, AskExecution)))


_asked_in_truth = owed._questions


def _opens_nothing(self: jobs_table.JobsTable, fact: Fact) -> IndexChange:
    return replace(_indexed_in_truth(self, fact), opens=False)


_indexed_in_truth = jobs_table.JobsTable._index


async def _closes_whatever_is_heard_of(
    self: jobs_table.JobsTable, fact: Fact, carrying: Claimed | None = None, **more: Any
) -> Record:
    job = await _merged_in_truth(self, fact, carrying, **more)
    if isinstance(fact, ExecutionChanged) and fact.ended:
        await self.close(job)
    return job


_merged_in_truth = jobs_table.JobsTable.merge


async def _never_sweeps(self: sweeper.Sweeper) -> None:
    await self.stopping.wait()


def _waits_for_no_log(job: Record) -> bool:
    return bool(job.execution and job.execution.ended and job.execution.detailed and not job.open_task_arns())


async def _lets_one_spoil_all(work: Awaitable[object], event: str, **context: object) -> None:
    await work


async def _is_back_at_once(self: consumer.Consumer, message: Message) -> None:
    await self._set_visibility(message, 0)


_stored_in_truth = objects.Objects.stream


async def _stores_later(
    self: objects.Objects, bucket: str, key: str, chunks: AsyncIterator[bytes], held: Share
) -> None:
    whole = b"".join([chunk async for chunk in chunks])

    async def again() -> AsyncIterator[bytes]:
        yield whole

    task = asyncio.create_task(_stored_in_truth(self, bucket, key, again(), Share(Memory(0, 0))))
    _background.add(task)
    task.add_done_callback(_background.discard)


def _archives_under_one_key(
    job_id: str, stage: int | None, attempt: int | None, container: str, task_id: str, _work: str
) -> str:
    return log_layout.log_key(job_id, stage, attempt, container, task_id, "log")


async def _keeps_no_body(self: objects.Objects, bucket: str, key: str, body: bytes, content_type: str) -> None:
    if not key.startswith("rejected/"):
        await self.client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)


async def _hears_nothing(self: events.Events, message: Message, me: str) -> None:
    return None


@asynccontextmanager
async def _renews_nothing(self: queue.Queue, message: Message) -> AsyncIterator[None]:
    yield


_names = count(1)
_started_in_truth = executions.Executions.start


async def _starts_under_new_names(
    self: executions.Executions, job_id: str, text: str, trace_header: str | None
) -> executions.Started | None:
    return await _started_in_truth(self, f"{job_id}-{next(_names)}", text, trace_header)


async def _stops_at_a_repeated_token(
    self: paged.PagedLogs, log: StoppedLog, write: paged.Write, held: Share
) -> AsyncIterator[bytes]:
    token: str | None = None
    while (page := await self.logs.page(log.group, log.stream, token)) and page.next_token != token:
        token = page.next_token
        chunk = b"".join(map(write, page.events))
        await held.take(len(chunk))
        yield chunk


async def _leaves_each_to_the_other_lane(_self: SmallLogs, _wanted: StoppedLog, _held: Share) -> None:
    return None


async def _asks_before_it_is_quiet(self: SmallLogs, wanted: StoppedLog, held: Share) -> Whole | None:
    return await _read_in_truth(self, replace(wanted, ended_at=0.0), held)


_read_in_truth = SmallLogs.read


def _is_due_at_once(job: Record, task_id: str, me: str, _quiet_seconds: float, now: float) -> LogWork:
    return work_of(job, task_id, me, 0.0, now)


def _takes_what_is_there(self: Gathered, log: StoppedLog, asked_at: float, _quiet_seconds: float) -> Verdict:
    return _judged_in_truth(self, log, asked_at, float("-inf"))


_judged_in_truth = Gathered.verdict


def _keeps_what_comes_twice(self: Gathered, stream: str, event: LogEvent) -> int:
    known = self.lines.get(stream, {})
    return _added_in_truth(self, stream, replace(event, id=event.id + "0") if event.id in known else event)


_added_in_truth = Gathered.add


async def _takes_the_first_page_for_all(self: LogBatches, group: str, streams: Sequence[str], token: str | None) -> Any:
    page = await _paged_in_truth(self, group, streams, token)
    return replace(page, next_token=None) if isinstance(page, BatchPage) and page.events else page


_paged_in_truth = LogBatches.page


async def _signs_for_a_minute(self: objects.Objects, bucket: str, key: str, seconds: int) -> objects.SignedLink:
    return await _linked_in_truth(self, bucket, key, 60)


_linked_in_truth = objects.Objects.link


async def _forgets_its_session(self: objects.Objects) -> None:
    return None


def _loses_no_line(configuration: object) -> None:
    return None


def _counts_no_redrives(record: Record) -> str:
    return f"{record.key.id}:0:{story.status_of(record)}"


_composed_in_truth = announce.compose


def _believes_step_functions(record: Record, *more: Any) -> JobNotification:
    told = _composed_in_truth(record, *more)
    status = record.execution.status if record.execution else told.status
    changed: dict[str, Any] = {"status": status, "id": told.id.rsplit(":", 1)[0] + f":{status}"}
    return told.model_copy(update=changed)


_requested_in_truth = requests.Requests._requested


async def _tells_everybody(
    self: requests.Requests, message: Message, admitted: Admitted, rerun_of: RerunOf | None
) -> Requested:
    return (await _requested_in_truth(self, message, admitted, rerun_of)).model_copy(update={"progress": True})


_waited_in_truth = planning._Progress._wait_for_capacity


def _gives_up_after_three_tries(self: planning._Progress, learned: planning._Learned) -> LambdaResult:
    if self._waiting(learned).tries > 3:
        return self._fail(STAGE_FAILED, learned.evidence)
    return _waited_in_truth(self, learned)


async def _lets_the_last_win(self: jobs_table.JobsTable, fact: Requested) -> Requested:
    item = {**item_key(fact.record_key, REQUEST), **registers_of(fact)}
    await self.client.put_item(TableName=self.name, Item=item)
    return fact


def _waits_for_ever(tries: int, refusals: int, seconds_left: float, execution_arn: str, *, account_wide: bool) -> int:
    return min(4 * tries, 120)


def _says_no_redrive(told: dict[str, str]) -> int:
    return 0


def _nothing_before(record: Record) -> tuple[EarlierOutcome, ...]:
    return ()


async def _finds_no_redrive(self: redrives.Redrives) -> int:
    return 0


def _lets_tasks_of_before_run_on(job: Record, task: TaskChanged, at: owed.Moment) -> bool:
    return False


_SEES_NO_REDRIVE_IN_A_WAIT = property(lambda record: None)
_TAKES_STOPPED_FOR_FINISHED = property(lambda attempt: attempt.task is not None and attempt.task.stopped)


_WINS_ALWAYS = property(lambda fact: 2**62)


async def _writes_nothing_beside(self: jobs_table.JobsTable, fact: Fact, carrying: Claimed | None = None) -> Any:
    return jobs_table._Beside({}, {**item_key(fact.record_key, part_of(fact)), **registers_of(fact)})


def _takes_all_news_for_the_first(task: TaskChanged, *, is_first: bool) -> Any:
    return _stop_counted_in_truth(task, is_first=True)


_stop_counted_in_truth = record_writes.stop_counted


def _owes_a_log_for_ever(receipt: LogArchived, *, is_last: bool) -> Any:
    return _receipt_counted_in_truth(receipt, is_last=False)


_receipt_counted_in_truth = record_writes.receipt_counted


def _claims_whatever_was_counted_since(receipt: LogArchived, claim: Claimed, known: Record) -> Any:
    change = record_writes.last_receipt_counted(receipt, claim, known)
    return {
        **change,
        "ConditionExpression": change["ConditionExpression"].replace("changes = :known", "changes >= :known"),
    }


async def _counts_before_it_is_written(self: jobs_table.JobsTable, fact: LogArchived, *_: Any, is_last: bool) -> Record:
    head = await self._count(fact, record_writes.receipt_counted(fact, is_last=is_last))
    told = await self._write_beside(fact)
    return record_of(fact.record_key, head, told.after).having_seen(1)


def _sees_all_at_once(self: Record, known: Record) -> Record:
    return replace(self.joined(known), seen=self.tally.changes)


async def _decides_on_what_it_read(self: Settling, fact: Fact, me: str) -> Record:
    before = await self.jobs.read(fact.record_key)
    await _heard_in_truth(self, fact, me)
    return merge(before, fact)


_heard_in_truth = Settling.hear


MUTANTS = (
    mutant("deletes a message before its effects", (1,), (consumer.Consumer, "_settle", _deletes_first)),
    mutant("deletes a message that failed", (1,), (consumer.Consumer, "_handle_or_retry", _deletes_what_failed)),
    mutant("deletes a neighbour with it", (1, 5), (queue.Queue, "delete", _deletes_a_neighbour_too)),
    mutant("lets old news win", (1,), (TaskChanged, "beats_below", _WINS_ALWAYS)),
    mutant("hears an event and remembers nothing", (1,), (events.Events, "hear", _hears_nothing)),
    mutant("does not renew a lease", (1,), (queue.Queue, "lease", _renews_nothing)),
    mutant("starts what is not on record", (1, 2), (requests.Requests, "_remember", _remembers_nothing)),
    mutant("starts under a new name each time", (2,), (executions.Executions, "start", _starts_under_new_names)),
    mutant("takes a rival for a repeat", (1, 2), (requests.Requests, "_remember", _takes_rivals_for_repeats)),
    # Or the job, whose request is now another, never settles.
    mutant("lets the last of rivals win", (1, 2, 4), (jobs_table.JobsTable, "_first_request", _lets_the_last_win)),
    mutant("announces without a claim", (3,), (owed, "_once_claimed", _claims_nothing)),
    mutant("notes an announcement before it is made", (3,), (Performer, "_announce", _notes_first)),
    mutant("does not note what it announced", (3,), (Performer, "perform", _notes_nothing)),
    mutant("announces past its claim", (3,), (Performer, "_announce", _announces_past_its_claim)),
    mutant("claims for a moment only", (3, 4), (Record, "new_claim", _claims_for_a_moment)),
    mutant("announces a redrive under the first id", (3, 4, 9), (announce, "notification_id", _counts_no_redrives)),
    mutant("matches attempts without their redrive", (3, 6, 9), (hearing, "_redrive_of", _says_no_redrive)),
    mutant("tells nobody of an outcome that was redriven", (3,), (announce, "_earlier_outcomes", _nothing_before)),
    mutant("never sweeps", (4,), (sweeper.Sweeper, "run", _never_sweeps)),
    mutant("asks after no silent job", (4,), (owed, "_questions", _asks_after_no_silent_job)),
    mutant("hides jobs from the sweeper", (1, 4), (jobs_table.JobsTable, "_index", _opens_nothing)),
    mutant("closes a job before it is announced", (4,), (jobs_table.JobsTable, "merge", _closes_whatever_is_heard_of)),
    mutant("lets one message spoil all", (5, 8), (consumer, "failure_of", _lets_one_spoil_all)),
    mutant("keeps no rejected body", (5,), (objects.Objects, "put", _keeps_no_body)),
    mutant("announces before the logs are archived", (6,), (owed, "is_settled", _waits_for_no_log)),
    mutant("sends links before the objects are there", (6,), (objects.Objects, "stream", _stores_later)),
    mutant("archives each try under one key", (6,), (archive, "log_key", _archives_under_one_key)),
    mutant(
        "does not wait for late lines",
        (6,),
        (paged.PagedLogs, "chunks", _stops_at_a_repeated_token),
        (SmallLogs, "read", _leaves_each_to_the_other_lane),
        (settle, "work_of", _is_due_at_once),
    ),
    mutant(
        "takes small logs before they are quiet",
        (6,),
        (SmallLogs, "read", _asks_before_it_is_quiet),
        (settle, "work_of", _is_due_at_once),
        (Gathered, "verdict", _takes_what_is_there),
    ),
    mutant("takes a page of many logs for all", (6,), (LogBatches, "page", _takes_the_first_page_for_all)),
    mutant("keeps what comes twice", (6,), (Gathered, "add", _keeps_what_comes_twice)),
    mutant("signs links that end at once", (6,), (objects.Objects, "link", _signs_for_a_minute)),
    mutant("forgets that its session ends", (6,), (objects.Objects, "_credentials_end", _forgets_its_session)),
    mutant("calls every log complete", (6,), (archive, "_why_lossy", _loses_no_line)),
    mutant("takes throttled messages up at once", (7,), (consumer.Consumer, "_retry_later", _is_back_at_once)),
    mutant(
        "counts throttles as attempts", (7,), (planning._Progress, "_wait_for_capacity", _gives_up_after_three_tries)
    ),
    mutant("waits for capacity for ever", (7,), (waiting, "wait_seconds", _waits_for_ever)),
    mutant("cuts its poll off on SIGTERM", (8,), (consumer.Consumer, "_poll", _cuts_its_poll_off)),
    mutant("keeps what it took on SIGTERM", (8,), (consumer.Consumer, "_give_back", _keeps_what_it_took)),
    mutant("leaves without deleting", (8,), (consumer.Consumer, "_delete", _leaves_without_deleting)),
    mutant("takes a sidecar's code for its own", (9,), (planning, "succeeded", _takes_a_sidecars_code)),
    mutant("takes no code for success", (9,), (planning, "succeeded", _takes_no_code_for_success)),
    mutant("passes who was stopped", (9,), (planning, "succeeded", _takes_the_exit_code_of_who_was_stopped)),
    mutant("lets a sidecar decide", (9,), (planning, "succeeded", _lets_a_sidecar_decide)),
    mutant("takes a new task for a forgotten one", (6, 9), (perform.Performer, "_may_be_too_new", lambda *_: False)),
    mutant("believes Step Functions alone", (9,), (perform, "compose", _believes_step_functions)),
    mutant("tells progress to those who did not ask", (3,), (requests.Requests, "_requested", _tells_everybody)),
    mutant(
        "takes a stopped task for a finished stage",
        (9,),
        (AttemptOutcome, "passed", _TAKES_STOPPED_FOR_FINISHED),
    ),
)

# Mistakes that only a crowd shows.
BURST_MUTANTS = (
    mutant("waits without jitter", (7,), (waiting, "drawn", lambda execution_arn, number: 0.999)),
    mutant("starts whatever ECS takes on", (7,), (Window, "has_room", lambda window, outstanding: True)),
    mutant("hears of no refusal", (7,), (Starts, "heard_of", lambda starts, job, now: None)),
    mutant("gives up after three tries", (7,), (planning._Progress, "_wait_for_capacity", _gives_up_after_three_tries)),
)
HOLDS_NOTHING_BACK = mutant("holds nothing back", (7,), (Starts, "may_start", lambda starts, job_id, image: True))

# Mistakes that only redrives show whose events are lost for good, or that come within the grace time.
REDRIVE_MUTANTS = (
    mutant("never asks which executions were redriven", (4,), (redrives.Redrives, "look", _finds_no_redrive)),
    mutant("lets tasks of before a redrive run on", (4,), (owed, "_is_outlived", _lets_tasks_of_before_run_on)),
    mutant("sees no redrive in a wait", (4,), (Record, "last_wait", _SEES_NO_REDRIVE_IN_A_WAIT)),
    mutant("tells nobody of outcomes before a redrive", (3,), (announce, "_earlier_outcomes", _nothing_before)),
    mutant("takes tasks for those of the first run", (3, 6, 9), (hearing, "_redrive_of", _says_no_redrive)),
)

# Mistakes at the moment when two workers hear the last two facts of a job.
LAST_FACT_MUTANTS = (
    mutant("decides on what was read before the write", (3, 4), (Settling, "hear", _decides_on_what_it_read)),
    mutant("writes nothing beside a head", (1,), (jobs_table.JobsTable, "_write_beside", _writes_nothing_beside)),
    mutant("lets old news of a stop win", (1,), (TaskChanged, "beats_below", _WINS_ALWAYS)),
    mutant(
        "counts a receipt before it is written",
        (4,),
        (jobs_table.JobsTable, "_hear_receipt", _counts_before_it_is_written),
    ),
    mutant("takes all news of a stop for the first", (4,), (jobs_table, "stop_counted", _takes_all_news_for_the_first)),
    mutant("owes an archived log for ever", (4,), (jobs_table, "receipt_counted", _owes_a_log_for_ever)),
    mutant(
        "claims an announcement whatever was counted since",
        (4,),
        (jobs_table, "last_receipt_counted", _claims_whatever_was_counted_since),
    ),
    mutant(
        "claims what was owed by less than is known now",
        (4,),
        (record_writes, "_while_none_was_counted", lambda update, known: None),
    ),
    mutant("leaves a refused claim to others", (4,), (settle, "_was_refused", lambda action, known, now: False)),
    mutant("takes what it saw before for all there is", (3, 4), (Record, "beside", _sees_all_at_once)),
)
