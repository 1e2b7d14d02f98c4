"""DynamoDB: one partition a job, one attribute a register. Merging a fact is one conditional write.

DynamoDB bills an update by its whole item. So what decisions are made on is an item of its own, the head, and what only
some need is kept beside it: the request with its execution input.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError
from service.aws.errors import AwsError, answered, aws_errors
from service.aws.job_list import listing_changes
from service.aws.record_items import (
    HEAD,
    REQUEST,
    attribute_of,
    item_key,
    marker_attribute,
    outcome_part,
    record_of,
    register_of,
    registers_of,
    task_part,
)
from service.clock import Clock
from service.core.policy.owed import SWEEP
from service.core.record.facts import (
    Announced,
    BulkAsked,
    BulkProgressed,
    BulkStopAsked,
    CancelAsked,
    Cancelled,
    Claimed,
    EndedBefore,
    ExecutionChanged,
    Fact,
    LogArchived,
    ProgressTold,
    RedriveAsked,
    RedriveRefused,
    Rejected,
    Requested,
    Rerun,
    TaskChanged,
    archiving,
    claim_register,
    marker_of,
    task_spoken_of,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

OPEN_JOBS_INDEX = "open_jobs"
SHARDS = 8
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
_EXECUTION = attribute_of("execution")
# What is kept beside a head is not written again when its job ends. An execution may be open for a year, and redriven
# for 14 days [Step Functions quotas]: then it has ended, and the retention begins.
_LONGEST_JOB_DAYS = 366 + 14
# When a job is due is a key of the index, and one that moves costs two writes: it moves in steps of such a part of the
# time that it is put off for, and a job is due by so much later at most.
_STEPS_OF_A_WAIT = 10
# News of a job that runs comes with every task of it: what puts a job off for long moves in larger steps.
_STEPS_OF_SILENCE = 2
# These need no record before them; all others are about one that there is.
_OPENING = (Requested, Rejected, BulkAsked)
# A head keeps the markers of so many tasks that were put away: what is told late is told of one of the last ones. Of an
# older one its work would be done again, and told once.
_MARKERS = 8


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
        with self._told(_WRONG_TABLE):
            await self.read(RecordKey.of_job(_NO_JOB))
        with self._told(_WRONG_INDEX):
            await self.due(shard=0, at=0, limit=1)

    @contextmanager
    def _told(self, reasons: Mapping[str, str]) -> Iterator[None]:
        try:
            yield
        except AwsError as error:
            # What else goes wrong may pass, and work that meets it again is tried again.
            if error.code in reasons:
                why = reasons[error.code]
                raise SettingsError(f"JOBFERRY_JOBS_TABLE ({self.name}) cannot be used: {why}.") from None

    async def merge(self, fact: Fact, carrying: Claimed | None = None) -> Record:
        """Hear a fact and answer with the head of the record, also where it knew better; a request's with all of it.

        A claim that it carries is made where the fact is news.

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
        return await self._merge(fact, self._index(fact), carrying=carrying)

    async def put_away(self, job: Record, task: TaskChanged, last: LogArchived) -> Record | None:
        """Move a task of which all is known with this receipt out of the head, and answer with the head.

        None where the head knows other things of it by now: then nothing has changed, and the receipt is to be merged.
        """
        receipts = [job.receipt(task, container) for container in task.containers]
        facts: tuple[Fact, ...] = (
            task,
            *(item for item in receipts if item and item.register_name != last.register_name),
            last,
        )
        await self._keep_task(task, facts)
        asked_at = self.now()
        with answered("ConditionalCheckFailedException"), aws_errors():
            answer = await self.client.update_item(
                TableName=self.name,
                Key=item_key(job.key),
                **_removal(job, task, facts),
                ReturnValues="ALL_NEW",
            )
            head = record_of(job.key, answer["Attributes"])
            kept = replace(merge(job, last), kept_beside=job.kept_beside | {task.task_id})
            return replace(head.beside(kept), known_at=asked_at)
        return None

    async def _keep_task(self, task: TaskChanged, facts: tuple[Fact, ...]) -> None:
        """Put a settled task where it is kept. Of two that do so, the one that knows more wins, whoever is later."""
        knows = f"{task.rank}.{sum(fact.rank for fact in facts[1:]):03}"
        item = {
            **item_key(task.record_key, task_part(task.task_id)),
            **registers_of(*facts),
            "knows": {"N": knows},
            "expires_at": {"N": str(self._kept_until())},
        }
        await self._keep(item, "attribute_not_exists(record_key) OR knows < :knows", {":knows": {"N": knows}})

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
            "expires_at": {"N": str(self._kept_until())},
        }
        values = {":knows": {"N": str(fact.rank)}, ":before": {"N": str(self._left_over_before())}}
        await self._keep(item, "attribute_not_exists(record_key) OR knows < :knows OR expires_at < :before", values)
        job = await self._merge(fact.in_brief(), self._index(fact), fact)
        return job.beside(Record(job.key, {fact.register_name: fact}))

    async def _note_announced(self, fact: Announced) -> Record:
        job = await self._merge(fact, self._index(fact))
        if fact.register_name not in job.registers:
            # The job was redriven while the outcome before that was announced, so it stays open.
            return await self._merge(fact, _IndexChange())
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
        is_old = first.submitted_at < self.now() - self.retention_days * _DAY_SECONDS
        return is_old and (await self.read(first.record_key)).request is None

    def _left_over_before(self) -> int:
        """What lies beside a head and expires before this was written before any head could have left since."""
        return self._kept_until() - self.retention_days * _DAY_SECONDS

    async def _first_request(self, fact: Requested, before: int = 0) -> Requested:
        """The first request with this id, which is this one if there was none."""
        item = {
            **item_key(fact.record_key, REQUEST),
            **registers_of(fact),
            "expires_at": {"N": str(self._kept_until())},
        }
        try:
            with aws_errors():
                await self.client.put_item(
                    TableName=self.name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(record_key) OR expires_at < :before",
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
        self, fact: Fact, index: _IndexChange, listed: Fact | None = None, carrying: Claimed | None = None
    ) -> Record:
        """The head after a fact was heard: as it is now, or as it was where it knew better.

        `listed` is what the lists are told of, where that is more than the head holds.
        """
        write, asked_at = _write(fact, index, listed or fact, carrying), self.now()
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
            if error.code != "ConditionalCheckFailedException" or (not held and isinstance(fact, _OPENING)):
                raise
            head = record_of(fact.record_key, held)
        return replace(head, known_at=asked_at)

    async def read(self, key: RecordKey) -> Record:
        """The head of a record as it is now; empty where there is none."""
        asked_at = self.now()
        with aws_errors():
            answer = await self.client.get_item(TableName=self.name, Key=item_key(key), ConsistentRead=True)
        return replace(record_of(key, answer.get("Item", {})), known_at=asked_at)

    async def read_whole(self, key: RecordKey) -> Record:
        """A record as it is now, with all that is kept beside its head.

        The head is read first, since it is first in the order of the parts; what it speaks of was written before it.
        """
        asked_at = self.now()
        items = [item async for item in self._parts(key)]
        born = next((int(item["expires_at"]["N"]) for item in items if item["part"]["S"] == REQUEST), 0)
        # Parts of an earlier job of this id, whose head has left before them, expire before this one's request.
        whole = record_of(key, *[item for item in items if item["part"]["S"] == HEAD or _is_of(item, born)])
        return replace(whole, known_at=asked_at)

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
                ExpressionAttributeNames={"#execution": _EXECUTION, "#rank": "rank"},
                ExpressionAttributeValues=values,
            )

    async def leave_alone(self, job: Record, swept: Claimed) -> None:
        """Put a job off for as long as any may be silent: it was asked after under this claim, and runs.

        Does nothing where there was news meanwhile. If it fails, the job is asked after again when the claim expires.
        """
        await self.put_off(job, _due(swept.at, swept.seconds))

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
                ExpressionAttributeNames={"#execution": _EXECUTION, "#rank": "rank"},
                ExpressionAttributeValues=values,
            )
            return True
        return False

    def _expires_at(self) -> int:
        return int(self.now() + self.retention_days * _DAY_SECONDS)

    def _silent_until(self) -> int:
        return _due(self.now(), self.silence_seconds, _STEPS_OF_SILENCE)

    def _kept_until(self) -> int:
        return self._expires_at() + _LONGEST_JOB_DAYS * _DAY_SECONDS

    def _index(self, fact: Fact) -> _IndexChange:
        """How a fact moves its job in the sweeper's index."""
        soon, late = _due(self.now(), self.grace_seconds), self._silent_until()
        match fact:
            case Announced():
                return _IndexChange(closes=True, redriven_rank=fact.redriven_rank, expires_at=self._expires_at())
            case Requested():
                # If we die before it is started, its message comes again.
                return _IndexChange(due_at=late, opens=True)
            case Rejected() | BulkAsked():
                return _IndexChange(due_at=soon, opens=True)
            case BulkProgressed(finished_at=float()):
                return _IndexChange(closes=True, expires_at=self._expires_at())
            case BulkProgressed() | BulkStopAsked():
                return _IndexChange(due_at=soon)
            case Claimed(what=what) if what == SWEEP:
                # Whoever made it may die, and what the claim keeps from others is owed again when it expires.
                return _IndexChange(due_at=_due(fact.at, fact.seconds))
            case Claimed() | TaskChanged():
                # The end makes the job due soon, and what its announcement waits for is looked at then. News of a task
                # puts nothing off: the look that is due soon after a redrive finds the tasks of before that run on.
                return _IndexChange()
            case ExecutionChanged(redrive_count=count) if count:
                # The announcement of what was redriven closed it, and the event of the redrive itself may be lost.
                # Soon, since no task of before may outlive the redrive for long.
                return _IndexChange(due_at=soon, opens=True)
            case CancelAsked():
                return _IndexChange(due_at=soon)
            case RedriveAsked():
                # The announcement closed it, and what the redrive comes to is to be known.
                return _IndexChange(due_at=soon, opens=True)
            case LogArchived() | ProgressTold() | EndedBefore() | Cancelled() | RedriveRefused() | Rerun():
                # It is no news of the job: the sweeper comes when it was to come, for an archived log by its claim.
                return _IndexChange()
            case ExecutionChanged(ended=True):
                return _IndexChange(due_at=soon)
            case _:
                return _IndexChange(due_at=late)


@dataclass(frozen=True)
class _IndexChange:
    due_at: int | None = None
    opens: bool = False
    closes: bool = False
    redriven_rank: int = 0
    expires_at: int | None = None


def _due(since: float, seconds: float, steps: int = _STEPS_OF_A_WAIT) -> int:
    """The first step after so many seconds have passed: facts that come close together do not move it."""
    step = max(1, int(seconds / steps))
    return (int(since + seconds) // step + 1) * step


def _write(fact: Fact, index: _IndexChange, listed: Fact, carrying: Claimed | None = None) -> Any:
    """The update and its condition: the register is free, or holds a rank that this fact beats.

    What closes a job must not find it redriven.
    """
    conditions = ["(attribute_not_exists(#register) OR #register.#rank < :below)"]
    names = {"#register": attribute_of(fact.register_name), "#rank": "rank"}
    if not isinstance(fact, _OPENING):
        conditions.append("attribute_exists(record_key)")
    if (task_id := task_spoken_of(fact)) is not None:
        # It was put away: all is known of it, and what comes now comes late.
        conditions.append("attribute_not_exists(#settled)")
        names["#settled"] = marker_attribute(marker_of(task_id))
    values: dict[str, Any] = {
        ":fact": register_of(fact),
        ":below": {"N": str(fact.beats_below)},
    }
    set_, remove = ["#register = :fact"], []
    if index.due_at is not None:
        set_.append("due_at = :due")
        values[":due"] = {"N": str(index.due_at)}
    if index.opens:
        set_.append("open_shard = :shard")
        remove.append("expires_at")
        values[":shard"] = {"S": str(shard_of(fact.record_key))}
    if index.closes:
        conditions.append("(attribute_not_exists(#execution) OR #execution.#rank < :redriven)")
        names["#execution"] = _EXECUTION
        values[":redriven"] = {"N": str(index.redriven_rank)}
        remove.extend(("open_shard", "due_at"))
        set_.append("expires_at = :expires")
        values[":expires"] = {"N": str(index.expires_at)}
    if carrying is not None:
        # News of a task that another one archives already: that claim stays.
        set_.append("#claim = if_not_exists(#claim, :claim)")
        names["#claim"], values[":claim"] = attribute_of(carrying.register_name), register_of(carrying)
    set_.extend(listing_changes(listed, names, values, closes=index.closes))
    return {
        "UpdateExpression": f"SET {', '.join(set_)}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _removal(job: Record, task: TaskChanged, facts: tuple[Fact, ...]) -> Any:
    """The update that takes a task out of a head that knows no more of it than this, and leaves a marker."""
    names = {"#marker": marker_attribute(marker_of(task.task_id)), "#rank": "rank"}
    values: dict[str, Any] = {":made": {"N": f"{task.created_at or 0:.3f}"}}
    conditions = ["attribute_exists(#r0)"]
    for number, fact in enumerate(facts):
        names[f"#r{number}"], values[f":r{number}"] = attribute_of(fact.register_name), {"N": str(fact.rank)}
        conditions.append(f"(attribute_not_exists(#r{number}) OR #r{number}.#rank <= :r{number})")
    names["#claim"] = attribute_of(claim_register(archiving(task.task_id)))
    oldest = sorted(job.settled, key=lambda marker: job.settled[marker])[: max(0, len(job.settled) + 1 - _MARKERS)]
    names |= {f"#old{number}": marker_attribute(marker) for number, marker in enumerate(oldest)}
    removed = [name for name in names if name.startswith(("#r", "#claim", "#old")) and name != "#rank"]
    return {
        "UpdateExpression": f"SET #marker = :made REMOVE {', '.join(removed)}",
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def shard_of(key: RecordKey) -> int:
    """The index shard of a record: open ones are spread, so that no partition of the index is hot."""
    return zlib.crc32(str(key).encode()) % SHARDS


def _is_of(part: Mapping[str, Any], born: int) -> bool:
    return "expires_at" not in part or int(part["expires_at"]["N"]) > born - _DAY_SECONDS
