"""DynamoDB: one item a job, one attribute a register. Merging a fact is one conditional write."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

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
from service.core.record.record import Record
from service.settings import SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

OPEN_JOBS_INDEX = "open_jobs"
SHARDS = 8
_REGISTER = "r#"
_NO_JOB = "no-job"
_AS_THE_TEMPLATE = "as deploy/template.yaml makes it"
_WRONG_TABLE = {
    "AccessDeniedException": "this role may not read it",
    "ResourceNotFoundException": "there is no such table in this account and region",
    "ValidationException": f"it must have the key job_id, a string, {_AS_THE_TEMPLATE}",
}
_NEEDS_INDEX = f"it must have the index open_jobs over open_shard, a string, and due_at, a number, {_AS_THE_TEMPLATE}"
_WRONG_INDEX = {
    "AccessDeniedException": "this role may not query its index open_jobs",
    # DynamoDB says the former of an index that is not there, moto the latter.
    "ValidationException": _NEEDS_INDEX,
    "ResourceNotFoundException": _NEEDS_INDEX,
}
_DAY_SECONDS = 86_400
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
        """Hear a fact and answer with the whole record, also where the record knew better.

        A fact about a job that nobody requested leaves nothing behind: its record is empty.
        """
        job = await self._merge(fact, self._index(fact))
        if isinstance(fact, Announced) and fact.register_name not in job.registers:
            # The job was redriven while the outcome before that was announced, so it stays open.
            return await self._merge(fact, _IndexChange())
        return job

    async def _merge(self, fact: Fact, index: _IndexChange) -> Record:
        return record_of(fact.record_key, await self._update(fact, index))

    async def _update(self, fact: Fact, index: _IndexChange) -> Mapping[str, Any]:
        """The item after a fact was heard: as it is now, or as it was where it knew better."""
        write = _write(fact, index)
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
                return answer["Attributes"]
        except AwsError as error:
            held: Mapping[str, Any] = error.answer.get("Item", {})
            # Only what is there already can stand in the way of what needs no record before it.
            if error.code != "ConditionalCheckFailedException" or (not held and isinstance(fact, _OPENING)):
                raise
            return held

    async def read(self, key: RecordKey) -> Record:
        """A record as it is now; empty where there is none."""
        with aws_errors():
            answer = await self.client.get_item(TableName=self.name, Key=item_key(key), ConsistentRead=True)
        return record_of(key, answer.get("Item", {}))

    async def read_whole(self, key: RecordKey) -> Record:
        """A record with all that is known of it, for whoever shows it."""
        return await self.read(key)

    async def due(self, shard: int, at: float, limit: int) -> dict[RecordKey, float]:
        """Open records that nothing was heard of for too long, the most silent first, each with when it was due."""
        with aws_errors():
            answer = await self.client.query(
                TableName=self.name,
                IndexName=OPEN_JOBS_INDEX,
                KeyConditionExpression="open_shard = :shard AND due_at < :at",
                ExpressionAttributeValues={":shard": {"S": str(shard)}, ":at": {"N": str(int(at))}},
                ProjectionExpression="job_id, due_at",
                Limit=limit,
            )
            return {RecordKey.read(item["job_id"]["S"]): float(item["due_at"]["N"]) for item in answer.get("Items", [])}

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


def _write(fact: Fact, index: _IndexChange) -> Any:
    """The update and its condition: the register is free, or holds a rank that this fact beats.

    What closes a job must not find it redriven.
    """
    conditions = ["(attribute_not_exists(#register) OR #register.#rank < :below)"]
    names = {"#register": _REGISTER + fact.register_name, "#rank": "rank"}
    if not isinstance(fact, _OPENING):
        conditions.append("attribute_exists(job_id)")
    if isinstance(fact, _ENDLESS):
        conditions.append("attribute_not_exists(#overfull)")
        names["#overfull"] = _REGISTER + OVERFULL_REGISTER
    values: dict[str, Any] = {
        ":fact": {"M": {"rank": {"N": str(fact.rank)}, "fact": {"S": fact.model_dump_json(exclude_none=True)}}},
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
    set_.extend(listing_changes(fact, names, values, closes=index.closes))
    return {
        "UpdateExpression": f"SET {', '.join(set_)}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def item_key(key: RecordKey) -> dict[str, Any]:
    """The key of a record's item. The attribute is named after the most of them."""
    return {"job_id": {"S": str(key)}}


def shard_of(key: RecordKey) -> int:
    """The index shard of a record: open ones are spread, so that no partition of the index is hot."""
    return zlib.crc32(str(key).encode()) % SHARDS


def record_of(key: RecordKey, item: Mapping[str, Any]) -> Record:
    """The record that an item holds."""
    kept = {
        name.removeprefix(_REGISTER): value["M"]["fact"]["S"]
        for name, value in item.items()
        if name.startswith(_REGISTER)
    }
    size = sum(len(text.encode()) + _REGISTER_BYTES for text in kept.values())
    read = {name: _fact(text) for name, text in kept.items()}
    return Record(key, {name: fact for name, fact in read.items() if fact is not None}, size)


def _fact(text: str) -> Fact | None:
    """What a register holds; None for a kind of fact that only a newer worker knows.

    It stays in the item as it is, and the newer worker, or the next one, finds it there.
    """
    try:
        return FACT.validate_json(text)
    except ValidationError as error:
        if all(item["type"] == "union_tag_invalid" and not item["loc"] for item in error.errors(include_url=False)):
            return None
        raise
