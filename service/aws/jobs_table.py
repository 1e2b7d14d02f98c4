"""DynamoDB: one partition a job, one attribute a register. Merging a fact is one conditional write.

DynamoDB bills an update by its whole item. So what decisions are made on is an item of its own, the head, and what only
some need is kept beside it: the request with its execution input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError
from service.aws.errors import AwsError, answered, aws_errors
from service.aws.open_jobs import OPEN_JOBS_INDEX, STEPS_OF_SILENCE, IndexChange, due_after
from service.aws.record_items import (
    HEAD,
    REQUEST,
    Kept,
    item_key,
    outcome_part,
    part_of,
    record_of,
    registers_of,
)
from service.aws.record_writes import (
    EXECUTION,
    OPENING,
    beside_write,
    head_write,
    last_receipt_counted,
    receipt_counted,
    stop_counted,
)
from service.clock import Clock
from service.core.policy.owed import SWEEP
from service.core.record.bulk_facts import BulkAsked, BulkProgressed, BulkStopAsked
from service.core.record.facts import (
    Announced,
    Claimed,
    EndedBefore,
    ExecutionChanged,
    Fact,
    LogArchived,
    ProgressTold,
    Rejected,
    Requested,
    TaskChanged,
    task_spoken_of,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.core.record.wishes import REDRIVABLE_DAYS, CancelAsked, Cancelled, RedriveAsked, RedriveRefused, Rerun

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_NO_JOB = "no-job"
_AS_THE_TEMPLATE = "as deploy/template.yaml makes it"
_WRONG_TABLE = {
    "AccessDeniedException": "this role may not read it",
    "ResourceNotFoundException": "there is no such table in this account and region",
    "ValidationException": f"it must have the key record_key and part, two strings, {_AS_THE_TEMPLATE}",
}
_NEEDS_INDEX = f"it must have the index open_jobs over open_shard, a string, and due_at, a number, {_AS_THE_TEMPLATE}"
_WRONG_INDEX = {
    "AccessDeniedException": "this role may not query its index open_jobs",
    # DynamoDB says the former of an index that is not there, moto the latter.
    "ValidationException": _NEEDS_INDEX,
    "ResourceNotFoundException": _NEEDS_INDEX,
}
_DAY_SECONDS = 86_400
# What is kept beside a head is not written again when its job ends. An execution may be open for a year, and redriven
# for 14 days [Step Functions quotas]: then it has ended, and the retention begins.
_LONGEST_JOB_DAYS = 366 + 14


@dataclass(frozen=True)
class JobsTable:
    """The records of all jobs. An open one has `open_shard` and `due_at`, which put it into the sweeper's index."""

    client: DynamoDBClient
    name: str
    silence_seconds: float
    grace_seconds: float
    retention_days: int
    now: Clock

    async def check(self) -> None:
        """Ask for what the table must have, by the calls that the work will make.

        Raises:
            SettingsError: the table is not there, or lacks the key or the index.
        """
        with self._explained(_WRONG_TABLE):
            await self.read(RecordKey.of_job(_NO_JOB))
        with self._explained(_WRONG_INDEX):
            await self.due(shard=0, at=0, limit=1)

    @contextmanager
    def _explained(self, reasons: Mapping[str, str]) -> Iterator[None]:
        try:
            yield
        except AwsError as error:
            # What else goes wrong may pass, and work that meets it again is tried again.
            if error.code in reasons:
                why = reasons[error.code]
                raise SettingsError(f"JOBFERRY_JOBS_TABLE ({self.name}) cannot be used: {why}.") from None

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        """Hear a fact and answer with the head of the record, also where it knew better; a request's with all of it,
        and one of a task that stopped with what lies there. A claim that it carries is made where the fact is news.

        `is_last` is a receipt with which those of its task are complete. It carries a claim where the job is still as
        it is `known`, and where that is said of a claim itself, it is made only then.

        A fact about a job that nobody requested leaves nothing behind: its record is empty.
        """
        match fact:
            case Requested():
                return await self._admit(fact)
            case CancelAsked():
                return await self._hear_cancel(fact)
            case ExecutionChanged(is_long=True):
                return await self._hear_long(fact)
            case Announced():
                return await self._note_announced(fact)
            case TaskChanged(stopped=True):
                return await self._hear_stop(fact, carrying)
            case LogArchived():
                return await self._hear_receipt(fact, carrying, known, is_last=is_last)
            case Claimed() if task_spoken_of(fact) is not None:
                return await self._claim_logs(fact)
            case Claimed():
                return await self._merge(fact, self._index(fact), known=known)
        return await self._merge(fact, self._index(fact))

    async def _hear_stop(self, fact: TaskChanged, carrying: Claimed | None) -> Record:
        """What stopped lies beside the head, which counts it by the write that answers with all others have counted."""
        asked_at, written = self.now(), await self._write_beside(fact, carrying)
        # Also where it is no news: whoever told it before may have died between the two writes.
        head = await self._count(fact, stop_counted(fact, is_first=not written.before))
        return _counting(fact, head, written, asked_at)

    async def _hear_receipt(
        self, fact: LogArchived, carrying: Claimed | None, known: Record | None, *, is_last: bool
    ) -> Record:
        asked_at, written, head = self.now(), await self._write_beside(fact), None
        if carrying is not None and known is not None:
            head = await self._counted(fact, last_receipt_counted(fact, carrying, known))
        if head is None:
            head = await self._count(fact, receipt_counted(fact, is_last=is_last))
        return _counting(fact, head, written, asked_at)

    async def _claim_logs(self, fact: Claimed) -> Record:
        """Nothing is decided by a claim that is kept or let go of: that is answered without the head."""
        asked_at, written = self.now(), await self._write_beside(fact)
        head = await self._head(fact.record_key) if fact.renews is None else {}
        return replace(record_of(fact.record_key, head, written.after), known_at=asked_at)

    async def _write_beside(self, fact: Fact, carrying: Claimed | None = None) -> _Beside:
        """Hear a fact of a task that stopped in its place beside the head."""
        key = item_key(fact.record_key, part_of(fact))
        try:
            with aws_errors():
                answer = await self.client.update_item(
                    TableName=self.name,
                    Key=key,
                    **beside_write(fact, self._kept_beside(), carrying),
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            held: Mapping[str, Any] = error.answer.get("Item", {})
            return _Beside(held, held)
        before: Mapping[str, Any] = answer.get("Attributes", {})
        claimed = registers_of(carrying) if carrying is not None else {}
        return _Beside(before, {**key, **claimed, **before, **registers_of(fact)})

    async def _count(self, fact: TaskChanged | LogArchived, counting: Any) -> Mapping[str, Any]:
        """The head after it counted a change beside it. Where there is none, nobody asked for the job: what was written
        beside it is to leave.
        """
        head = await self._counted(fact, counting)
        if head is not None:
            return head
        with aws_errors():
            await self.client.update_item(
                TableName=self.name,
                Key=item_key(fact.record_key, part_of(fact)),
                UpdateExpression="SET expires_at = :now",
                ExpressionAttributeValues={":now": {"N": str(int(self.now()))}},
            )
        return {}

    async def _counted(self, fact: TaskChanged | LogArchived, counting: Any) -> Mapping[str, Any] | None:
        with answered("ConditionalCheckFailedException"), aws_errors():
            answer = await self.client.update_item(
                TableName=self.name, Key=item_key(fact.record_key), **counting, ReturnValues="ALL_NEW"
            )
            return answer["Attributes"]
        return None

    async def _keep(self, item: Any, condition: str, values: Any) -> None:
        """Put an item beside a head, unless what is there knows as much."""
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.put_item(
                TableName=self.name, Item=item, ConditionExpression=condition, ExpressionAttributeValues=values
            )

    async def _hear_long(self, fact: ExecutionChanged) -> Record:
        """An outcome of many attempts: those lie beside the head, and are written before it speaks of them."""
        item = {
            **item_key(fact.record_key, outcome_part(fact.redrive_count)),
            **registers_of(fact),
            "knows": {"N": str(fact.rank)},
            **self._kept_beside().as_attributes(),
        }
        # One of an earlier job of this id was written before this execution began.
        before = int((fact.started_at or 0) - _DAY_SECONDS)
        values = {":knows": {"N": str(fact.rank)}, ":before": {"N": str(before)}}
        await self._keep(item, "attribute_not_exists(record_key) OR knows < :knows OR written_at < :before", values)
        job = await self._merge(fact.in_brief(), self._index(fact), fact)
        return job.beside(Record(job.key, {fact.register_name: fact}))

    async def _note_announced(self, fact: Announced) -> Record:
        job = await self._merge(fact, self._index(fact))
        if fact.register_name not in job.registers:
            # The job was redriven while the outcome before that was announced, so it stays open.
            return await self._merge(fact, IndexChange())
        return job

    async def _admit(self, fact: Requested) -> Record:
        """The request itself comes first: whoever finds a head finds its request.

        A second one completes what the first began; it may have come while the first one's worker died.
        """
        first = await self._first_request(fact)
        if first is not fact and await self._is_left_over(first):
            first = await self._first_request(fact, before=self._left_over_before())
        job = await self._merge(first.in_brief(), self._index(first), listed=first)
        return merge(job, first)

    async def _hear_cancel(self, fact: CancelAsked) -> Record:
        """One that comes before its request opens a record, which expires unless the request comes."""
        job = await self._merge(fact, self._index(fact))
        if job.registers or await self._wait_for_request(fact):
            return job
        return await self._merge(fact, self._index(fact))  # The request came meanwhile, or another cancel.

    async def _wait_for_request(self, fact: CancelAsked) -> bool:
        """Whether there was nothing of the job yet, and now its cancel is."""
        item = {
            **item_key(fact.record_key),
            **registers_of(fact.model_copy(update={"came_first": True})),
            "expires_at": {"N": str(self._expires_at())},
        }
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.put_item(
                TableName=self.name, Item=item, ConditionExpression="attribute_not_exists(record_key)"
            )
            return True
        return False

    async def _is_left_over(self, first: Requested) -> bool:
        """Whether it is of a job whose head has left by its time to live: its id is free again."""
        is_old = first.submitted_at < self._left_over_before()
        return is_old and (await self.read(first.record_key)).request is None

    def _left_over_before(self) -> int:
        """When what may be of a job whose head has left by its time to live was written: by the shortest retention.

        The setting may have been another when that head was closed.
        """
        return int(self.now()) - REDRIVABLE_DAYS * _DAY_SECONDS

    async def _first_request(self, fact: Requested, before: int = 0) -> Requested:
        """The first request with this id, which is this one if there was none."""
        item = {
            **item_key(fact.record_key, REQUEST),
            **registers_of(fact),
            **self._kept_beside().as_attributes(),
        }
        try:
            with aws_errors():
                await self.client.put_item(
                    TableName=self.name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(record_key) OR written_at < :before",
                    ExpressionAttributeValues={":before": {"N": str(before)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
                return fact
        except AwsError as error:
            held = record_of(fact.record_key, error.answer.get("Item", {})).request
            if error.code != "ConditionalCheckFailedException" or held is None:
                raise
            return held

    async def _merge(
        self, fact: Fact, index: IndexChange, listed: Fact | None = None, known: Record | None = None
    ) -> Record:
        """The head after a fact was heard: as it is now, or as it was where it knew better.

        `listed` is what the lists are told of, where that is more than the head holds.
        """
        write, asked_at = head_write(fact, index, listed or fact, known), self.now()
        try:
            with aws_errors():
                answer = await self.client.update_item(
                    TableName=self.name,
                    Key=item_key(fact.record_key),
                    **write,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
                # Not an empty record where there is none: nothing would be owed to the job, and its message deleted.
                head = record_of(fact.record_key, answer["Attributes"]).holding(fact)
        except AwsError as error:
            held: Mapping[str, Any] = error.answer.get("Item", {})
            # Only what is there already can stand in the way of what needs no record before it.
            if error.code != "ConditionalCheckFailedException" or (not held and isinstance(fact, OPENING)):
                raise
            head = record_of(fact.record_key, held)
        return replace(head, known_at=asked_at)

    async def read(self, key: RecordKey) -> Record:
        """The head of a record as it is now; empty where there is none."""
        asked_at = self.now()
        return replace(record_of(key, await self._head(key)), known_at=asked_at)

    async def _head(self, key: RecordKey) -> Mapping[str, Any]:
        with aws_errors():
            answer = await self.client.get_item(TableName=self.name, Key=item_key(key), ConsistentRead=True)
            return answer.get("Item", {})

    async def read_whole(self, key: RecordKey) -> Record:
        """A record as it is now, with all that is kept beside its head; empty where there is no head.

        The head is read first, since it is first in the order of the parts; what it speaks of was written before it.
        Without it there is no job yet, or no longer: what lies beside it is kept for a year more.
        """
        asked_at = self.now()
        items = [item async for item in self._parts(key)]
        if not items or items[0]["part"]["S"] != HEAD:
            return Record(key, known_at=asked_at)
        born = next((Kept.was_written_at(item) for item in items if item["part"]["S"] == REQUEST), 0)
        # Parts of an earlier job of this id, whose head has left before them, were written before this one's request.
        whole = record_of(key, *[item for item in items if item["part"]["S"] == HEAD or _is_of(item, born)])
        return replace(whole, seen=whole.tally.changes, known_at=asked_at)

    async def read_many(self, keys: Collection[RecordKey]) -> Mapping[RecordKey, Record]:
        """The heads and requests of at most fifty records by one call; what DynamoDB had no time for is left out.

        A call takes a hundred keys [botocore, BatchGetItem]. Not read consistently, at half the price: it is for people
        who look at a list.
        """
        return await self._read_together([item_key(key, part) for key in keys for part in (HEAD, REQUEST)])

    async def read_heads(self, keys: Collection[RecordKey]) -> Mapping[RecordKey, Record]:
        """The heads of at most a hundred records as they are now, by one call; some may be left out, as above."""
        return await self._read_together([item_key(key) for key in keys], ConsistentRead=True)

    async def _read_together(self, wanted: list[Any], **how: Any) -> Mapping[RecordKey, Record]:
        asked: Any = {"Keys": wanted, **how}
        with aws_errors():
            answer = await self.client.batch_get_item(RequestItems={self.name: asked})
            parts: dict[RecordKey, list[Mapping[str, Any]]] = {}
            for item in answer["Responses"].get(self.name, []):
                parts.setdefault(RecordKey.read(item["record_key"]["S"]), []).append(item)
        return {key: record_of(key, *items) for key, items in parts.items()}

    async def _parts(self, key: RecordKey) -> AsyncIterator[Mapping[str, Any]]:
        """All items of a record, page by page: each has 1 MB at most [botocore, Query]."""
        begin: dict[str, Any] = {}
        while True:
            with aws_errors():
                answer = await self.client.query(
                    TableName=self.name,
                    KeyConditionExpression="record_key = :key",
                    ExpressionAttributeValues={":key": {"S": str(key)}},
                    ConsistentRead=True,
                    **begin,
                )
                parts, last = answer["Items"], answer.get("LastEvaluatedKey")
            for part in parts:
                yield part
            if not last:
                return
            begin = {"ExclusiveStartKey": last}

    async def due(self, shard: int, at: float, limit: int) -> dict[RecordKey, float]:
        """Open records that nothing was heard of for too long, the most silent first, each with when it was due."""
        with aws_errors():
            answer = await self.client.query(
                TableName=self.name,
                IndexName=OPEN_JOBS_INDEX,
                KeyConditionExpression="open_shard = :shard AND due_at < :at",
                ExpressionAttributeValues={":shard": {"S": str(shard)}, ":at": {"N": str(int(at))}},
                ProjectionExpression="record_key, due_at",
                Limit=limit,
            )
            found = answer.get("Items", [])
            return {RecordKey.read(item["record_key"]["S"]): float(item["due_at"]["N"]) for item in found}

    async def close(self, job: Record) -> None:
        """Take an announced job out of the sweeper's index: news of what was announced already had put it back there.

        Does nothing where the job was redriven since this record was read.
        """
        values = {
            ":expires": {"N": str(self._expires_at())},
            ":rank": {"N": str(job.execution.rank if job.execution else 0)},
        }
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.update_item(
                TableName=self.name,
                Key=item_key(job.key),
                UpdateExpression="SET expires_at = :expires REMOVE open_shard, due_at",
                ConditionExpression="#execution.#rank = :rank",
                ExpressionAttributeNames={"#execution": EXECUTION, "#rank": "rank"},
                ExpressionAttributeValues=values,
            )

    async def leave_alone(self, job: Record, swept: Claimed) -> None:
        """Put a job off for as long as any may be silent: it was asked after under this claim, and runs.

        Does nothing where there was news meanwhile. If it fails, the job is asked after again when the claim expires.
        """
        await self.put_off(job, due_after(swept.at, swept.seconds))

    async def put_off(self, job: Record, due_at: float) -> bool:
        """Put a job off for as long as any may be silent, and answer whether it was.

        Nothing happens where it is not due as it was when it was read, or its execution is not as it was. Whoever takes
        it up or asks for anything meanwhile makes it due later than now: so it is due then, and stays so.
        """
        values = {
            ":late": {"N": str(self._silent_until())},
            ":due": {"N": str(int(due_at))},
            ":rank": {"N": str(job.execution.rank if job.execution else 0)},
        }
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.update_item(
                TableName=self.name,
                Key=item_key(job.key),
                UpdateExpression="SET due_at = :late",
                ConditionExpression="due_at = :due AND #execution.#rank = :rank",
                ExpressionAttributeNames={"#execution": EXECUTION, "#rank": "rank"},
                ExpressionAttributeValues=values,
            )
            return True
        return False

    def _expires_at(self) -> int:
        return int(self.now() + self.retention_days * _DAY_SECONDS)

    def _silent_until(self) -> int:
        return due_after(self.now(), self.silence_seconds, STEPS_OF_SILENCE)

    def _kept_beside(self) -> Kept:
        return Kept(int(self.now()), self._expires_at() + _LONGEST_JOB_DAYS * _DAY_SECONDS)

    def _index(self, fact: Fact) -> IndexChange:
        """How a fact moves its job in the sweeper's index."""
        soon, late = due_after(self.now(), self.grace_seconds), self._silent_until()
        match fact:
            case Announced():
                return IndexChange(closes=True, redriven_rank=fact.redriven_rank, expires_at=self._expires_at())
            case Requested():
                # If we die before it is started, its message comes again.
                return IndexChange(due_at=late, opens=True)
            case Rejected() | BulkAsked():
                return IndexChange(due_at=soon, opens=True)
            case BulkProgressed(finished_at=float()):
                return IndexChange(closes=True, expires_at=self._expires_at())
            case BulkProgressed() | BulkStopAsked():
                return IndexChange(due_at=soon)
            case Claimed(what=what) if what == SWEEP:
                # Whoever made it may die, and what the claim keeps from others is owed again when it expires.
                return IndexChange(due_at=due_after(fact.at, fact.seconds))
            case Claimed() | TaskChanged():
                # The end makes the job due soon, and what its announcement waits for is looked at then. News of a task
                # puts nothing off: the look that is due soon after a redrive finds the tasks of before that run on.
                return IndexChange()
            case ExecutionChanged(redrive_count=count) if count:
                # The announcement of what was redriven closed it, and the event of the redrive itself may be lost.
                # Soon, since no task of before may outlive the redrive for long.
                return IndexChange(due_at=soon, opens=True)
            case CancelAsked():
                return IndexChange(due_at=soon)
            case RedriveAsked():
                # The announcement closed it, and what the redrive comes to is to be known.
                return IndexChange(due_at=soon, opens=True)
            case LogArchived() | ProgressTold() | EndedBefore() | Cancelled() | RedriveRefused() | Rerun():
                # It is no news of the job: the sweeper comes when it was to come, for an archived log by its claim.
                return IndexChange()
            case ExecutionChanged(ended=True):
                return IndexChange(due_at=soon)
            case _:
                return IndexChange(due_at=late)


@dataclass(frozen=True)
class _Beside:
    """A part beside the head, before and after a fact of it was heard."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def _counting(fact: Fact, head: Mapping[str, Any], written: _Beside, asked_at: float) -> Record:
    """The record of a head that has just counted a change, together with that."""
    if not head:
        return Record(fact.record_key)
    return replace(record_of(fact.record_key, head, written.after), seen=1, known_at=asked_at)


def _is_of(part: Mapping[str, Any], born: int) -> bool:
    return "written_at" not in part or Kept.was_written_at(part) > born - _DAY_SECONDS
