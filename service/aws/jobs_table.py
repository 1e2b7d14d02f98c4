"""DynamoDB: one partition a job, one attribute a register. Merging a fact is one conditional write.

DynamoDB bills an update by its whole item. So what decisions are made on is an item of its own, the head, and what only
some need is kept beside it: the request with its execution input.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError
from service.aws.errors import AwsError, answered, aws_errors
from service.aws.job_list import listing_changes
from service.clock import Clock
from service.core.record.facts import (
    FACT,
    OVERFULL_REGISTER,
    Announced,
    Claimed,
    ExecutionChanged,
    Fact,
    LogArchived,
    ProgressTold,
    Rejected,
    Requested,
    TaskChanged,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.core.record.registers import Registers

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

OPEN_JOBS_INDEX = "open_jobs"
SHARDS = 8
_REGISTER = "r#"
_HEAD = "head"
_REQUEST = "request"
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
# When a job is due is a key of the index, and one that moves costs two writes: it moves in steps of such a part of the
# time that it is put off for, and a job is due by so much later at most.
_STEPS_OF_A_WAIT = 10
# These need no record before them; all others are about one that there is.
_OPENING = (Requested, Rejected)
# Of these there may be more than a record has room for.
_ENDLESS = (TaskChanged, LogArchived, ProgressTold)
# What a register takes in an item beside its fact: its name, the rank and the map [DynamoDB guide, item sizes].
_REGISTER_BYTES = 120


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

    async def merge(self, fact: Fact) -> Record:
        """Hear a fact and answer with the head of the record, also where it knew better; a request's with all of it.

        A fact about a job that nobody requested leaves nothing behind: its record is empty.
        """
        if isinstance(fact, Requested):
            return await self._admit(fact)
        job = await self._merge(fact, self._index(fact))
        if isinstance(fact, Announced) and fact.register_name not in job.registers:
            # The job was redriven while the outcome before that was announced, so it stays open.
            return await self._merge(fact, _IndexChange())
        return job

    async def _admit(self, fact: Requested) -> Record:
        """The request itself comes first: whoever finds a head finds its request.

        A second one completes what the first began; it may have come while the first one's worker died.
        """
        first = await self._first_request(fact)
        job = await self._merge(first.in_brief(), self._index(first), listed=first)
        return merge(job, first)

    async def _first_request(self, fact: Requested) -> Requested:
        """The first request with this id, which is this one if there was none."""
        item = {
            **item_key(fact.record_key, _REQUEST),
            _REGISTER + fact.register_name: _register(fact),
            "expires_at": {"N": str(self._expires_at() + _LONGEST_JOB_DAYS * _DAY_SECONDS)},
        }
        try:
            with aws_errors():
                await self.client.put_item(
                    TableName=self.name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(record_key)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
                return fact
        except AwsError as error:
            held = record_of(fact.record_key, error.answer.get("Item", {})).request
            if error.code != "ConditionalCheckFailedException" or held is None:
                raise
            return held

    async def _merge(self, fact: Fact, index: _IndexChange, listed: Fact | None = None) -> Record:
        """The head after a fact was heard: as it is now, or as it was where it knew better.

        `listed` is what the lists are told of, where that is more than the head holds.
        """
        write = _write(fact, index, listed or fact)
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
                return record_of(fact.record_key, answer["Attributes"]).holding(fact)
        except AwsError as error:
            held: Mapping[str, Any] = error.answer.get("Item", {})
            # Only what is there already can stand in the way of what needs no record before it.
            if error.code != "ConditionalCheckFailedException" or (not held and isinstance(fact, _OPENING)):
                raise
            return record_of(fact.record_key, held)

    async def read(self, key: RecordKey) -> Record:
        """The head of a record as it is now; empty where there is none."""
        with aws_errors():
            answer = await self.client.get_item(TableName=self.name, Key=item_key(key), ConsistentRead=True)
        return record_of(key, answer.get("Item", {}))

    async def read_whole(self, key: RecordKey) -> Record:
        """A record as it is now, with all that is kept beside its head.

        The head is read first, since it is first in the order of the parts; what it speaks of was written before it.
        """
        return record_of(key, *[item async for item in self._parts(key)])

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
                ExpressionAttributeNames={"#execution": f"{_REGISTER}execution", "#rank": "rank"},
                ExpressionAttributeValues=values,
            )

    async def leave_alone(self, job: Record, swept: Claimed) -> None:
        """Put a job off for as long as any may be silent: it was asked after under this claim, and runs.

        Does nothing where there was news meanwhile. If it fails, the job is asked after again when the claim expires.
        """
        values = {
            ":late": {"N": str(_due(self.now(), self.silence_seconds))},
            ":due": {"N": str(_due(swept.at, swept.seconds))},
            ":rank": {"N": str(job.execution.rank if job.execution else 0)},
        }
        with answered("ConditionalCheckFailedException"), aws_errors():
            await self.client.update_item(
                TableName=self.name,
                Key=item_key(job.key),
                UpdateExpression="SET due_at = :late",
                ConditionExpression="due_at = :due AND #execution.#rank = :rank",
                ExpressionAttributeNames={"#execution": f"{_REGISTER}execution", "#rank": "rank"},
                ExpressionAttributeValues=values,
            )

    def _expires_at(self) -> int:
        return int(self.now() + self.retention_days * _DAY_SECONDS)

    def _index(self, fact: Fact) -> _IndexChange:
        """How a fact moves its job in the sweeper's index."""
        soon, late = _due(self.now(), self.grace_seconds), _due(self.now(), self.silence_seconds)
        match fact:
            case Announced():
                return _IndexChange(closes=True, redriven_rank=fact.redriven_rank, expires_at=self._expires_at())
            case Requested() | Rejected():
                return _IndexChange(due_at=soon, opens=True)
            case Claimed():
                # Whoever made it may die, and what the claim keeps from others is owed again when it expires.
                return _IndexChange(due_at=_due(fact.at, fact.seconds))
            case ExecutionChanged(redrive_count=count) if count:
                # The announcement of what was redriven closed it, and the event of the redrive itself may be lost.
                # Soon, since no task of before may outlive the redrive for long.
                return _IndexChange(due_at=soon, opens=True)
            case LogArchived() | ProgressTold():
                # It is no news of the job: the sweeper comes when it was to come, for an archived log by its claim.
                return _IndexChange()
            case ExecutionChanged(ended=True) | TaskChanged(stopped=True):
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


def _due(since: float, seconds: float) -> int:
    """The first step after so many seconds have passed: facts that come close together do not move it."""
    step = max(1, int(seconds / _STEPS_OF_A_WAIT))
    return (int(since + seconds) // step + 1) * step


def _write(fact: Fact, index: _IndexChange, listed: Fact) -> Any:
    """The update and its condition: the register is free, or holds a rank that this fact beats.

    What closes a job must not find it redriven.
    """
    conditions = ["(attribute_not_exists(#register) OR #register.#rank < :below)"]
    names = {"#register": _REGISTER + fact.register_name, "#rank": "rank"}
    if not isinstance(fact, _OPENING):
        conditions.append("attribute_exists(record_key)")
    if isinstance(fact, _ENDLESS):
        conditions.append("attribute_not_exists(#overfull)")
        names["#overfull"] = _REGISTER + OVERFULL_REGISTER
    values: dict[str, Any] = {
        ":fact": _register(fact),
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
        names["#execution"] = f"{_REGISTER}execution"
        values[":redriven"] = {"N": str(index.redriven_rank)}
        remove.extend(("open_shard", "due_at"))
        set_.append("expires_at = :expires")
        values[":expires"] = {"N": str(index.expires_at)}
    set_.extend(listing_changes(listed, names, values, closes=index.closes))
    return {
        "UpdateExpression": f"SET {', '.join(set_)}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _register(fact: Fact) -> Any:
    return {"M": {"rank": {"N": str(fact.rank)}, "fact": {"S": fact.model_dump_json(exclude_none=True)}}}


def item_key(key: RecordKey, part: str = _HEAD) -> dict[str, Any]:
    """The key of one part of a record."""
    return {"record_key": {"S": str(key)}, "part": {"S": part}}


def shard_of(key: RecordKey) -> int:
    """The index shard of a record: open ones are spread, so that no partition of the index is hot."""
    return zlib.crc32(str(key).encode()) % SHARDS


def record_of(key: RecordKey, *items: Mapping[str, Any]) -> Record:
    """The record that these items hold together: of each register what knows most."""
    kept: dict[str, Mapping[str, Any]] = {}
    for item in items:
        for name, value in item.items():
            if name.startswith(_REGISTER):
                held = kept.get(name)
                if held is None or int(held["rank"]["N"]) < int(value["M"]["rank"]["N"]):
                    kept[name] = value["M"]
    texts = {name.removeprefix(_REGISTER): register["fact"]["S"] for name, register in kept.items()}
    size = sum(len(text.encode()) + _REGISTER_BYTES for text in texts.values())
    return Record(key, Registers(texts, _fact), size)


def _fact(text: str) -> Fact:
    return FACT.validate_json(text)
