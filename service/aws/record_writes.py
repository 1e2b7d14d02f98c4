"""What DynamoDB is asked to write, as expressions: of a head, of what lies beside it, and that the head counts that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.aws.job_list import listing_changes
from service.aws.open_jobs import IndexChange, shard_of
from service.aws.record_items import CHANGES, LAST_MADE_AT, LOGS_OWED, STOPS, Kept, attribute_of, register_of
from service.core.record.bulk_facts import BulkAsked
from service.core.record.facts import Announced, Claimed, Fact, LogArchived, Rejected, Requested, TaskChanged
from service.core.record.record import Record
from service.core.record.register_names import announcing, claim_register, marker_of

EXECUTION = attribute_of("execution")
# These need no record before them; all others are about one that there is.
OPENING = (Requested, Rejected, BulkAsked)
_KNOWS_LESS = "(attribute_not_exists(#register) OR #register.#rank < :below)"
_THERE_IS_ONE = "attribute_exists(record_key)"


@dataclass
class _Update:
    """The parts of an update, each of which may be several."""

    conditions: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    set_: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    add: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)

    @classmethod
    def hearing(cls, fact: Fact) -> _Update:
        """That of a register, which is free, or holds a rank that this fact beats."""
        return cls(
            conditions=[_KNOWS_LESS],
            names={"#register": attribute_of(fact.register_name), "#rank": "rank"},
            values={":fact": register_of(fact), ":below": {"N": str(fact.beats_below)}},
            set_=["#register = :fact"],
        )

    @classmethod
    def counting(cls) -> _Update:
        """That of a head which counts a change beside it."""
        return cls(conditions=[_THERE_IS_ONE], values={":one": {"N": "1"}}, add=[f"{CHANGES} :one"])

    def call(self) -> Any:
        """As DynamoDB is asked for it."""
        clauses = {"SET": self.set_, "REMOVE": self.remove, "ADD": self.add, "DELETE": self.delete}
        return {
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts),
            "ConditionExpression": " AND ".join(self.conditions),
            **({"ExpressionAttributeNames": self.names} if self.names else {}),
            "ExpressionAttributeValues": self.values,
        }


def head_write(fact: Fact, index: IndexChange, listed: Fact, known: Record | None = None) -> Any:
    """The update of a head by a fact, where that is `known` only while it has counted no more.

    What closes a job must not find it redriven.
    """
    update = _Update.hearing(fact)
    if known is not None:
        _while_none_was_counted(update, known)
    if not isinstance(fact, OPENING):
        update.conditions.append(_THERE_IS_ONE)
    if isinstance(fact, TaskChanged):
        _unless_it_stopped(update, fact)
    _move_in_index(update, fact, index)
    if isinstance(fact, Announced):
        # Claims are not kept after their work.
        update.names["#claim"] = attribute_of(claim_register(announcing(fact.redrive_count)))
        update.remove.append("#claim")
    update.set_.extend(listing_changes(listed, update.names, update.values, closes=index.closes))
    return update.call()


def _unless_it_stopped(update: _Update, task: TaskChanged) -> None:
    """That a task runs may be told after it has stopped: then it lies beside the head already."""
    update.conditions.append(f"(NOT contains({LOGS_OWED}, :marker))")
    update.values[":marker"] = {"S": marker_of(task.task_id)}
    if task.created_at is not None:
        update.conditions.append(f"(NOT {LAST_MADE_AT} = :made)")
        update.values[":made"] = _moment(task.created_at)


def _while_none_was_counted(update: _Update, known: Record) -> None:
    """Only if nothing was counted since the job was read: else more may be owed, and who has the claim would keep
    others from announcing.
    """
    if not known.tally.changes:
        update.conditions.append(f"attribute_not_exists({CHANGES})")
        return
    update.conditions.append(f"{CHANGES} = :known")
    update.values[":known"] = {"N": str(known.tally.changes)}


def _move_in_index(update: _Update, fact: Fact, index: IndexChange) -> None:
    if index.due_at is not None:
        update.set_.append("due_at = :due")
        update.values[":due"] = {"N": str(index.due_at)}
    if index.opens:
        update.set_.append("open_shard = :shard")
        update.remove.append("expires_at")
        update.values[":shard"] = {"S": str(shard_of(fact.record_key))}
    if index.closes:
        update.conditions.append("(attribute_not_exists(#execution) OR #execution.#rank < :redriven)")
        update.names["#execution"] = EXECUTION
        update.values[":redriven"] = {"N": str(index.redriven_rank)}
        # What a worker owed that died before it counted a receipt would keep others from looking after a redrive.
        update.remove.extend(("open_shard", "due_at", LOGS_OWED))
        update.set_.append("expires_at = :expires")
        update.values[":expires"] = {"N": str(index.expires_at)}


def beside_write(fact: Fact, kept: Kept, carrying: Claimed | None = None) -> Any:
    """The update of a part beside the head. A claim that it carries stays another's, who archives the logs already."""
    update = _Update.hearing(fact)
    update.set_.extend(("written_at = :written", "expires_at = :expires"))
    update.values |= {":written": {"N": str(kept.written_at)}, ":expires": {"N": str(kept.expires_at)}}
    if carrying is not None:
        update.set_.append("#claim = if_not_exists(#claim, :claim)")
        update.names["#claim"] = attribute_of(carrying.register_name)
        update.values[":claim"] = register_of(carrying)
    if isinstance(fact, Claimed):  # Logs are claimed of a task that is there.
        update.conditions.append(_THERE_IS_ONE)
    return update.call()


def stop_counted(task: TaskChanged, *, is_first: bool) -> Any:
    """The update of a head by which it counts that a task stopped, which lies beside it now.

    Only the first news of the stop says that its logs are owed: of what is told again they may be archived already.
    """
    update = _Update.counting()
    update.names["#task"] = attribute_of(task.register_name)
    update.remove.append("#task")
    if is_first:
        update.add.append(f"{STOPS} :one")
    if is_first and task.containers:
        update.add.append(f"{LOGS_OWED} :marker")
        update.values[":marker"] = _set_of(task.task_id)
    if is_first and task.created_at is not None:
        update.set_.append(f"{LAST_MADE_AT} = :made")
        update.values[":made"] = _moment(task.created_at)
    return update.call()


def receipt_counted(receipt: LogArchived, *, is_last: bool) -> Any:
    """The update of a head by which it counts that a log is archived; with the last one of a task no more is owed."""
    return _receipt_counted(receipt, is_last=is_last).call()


def last_receipt_counted(receipt: LogArchived, claim: Claimed, known: Record) -> Any:
    """The same of a job's last receipt, which carries the claim on the announcement.

    Only if nothing was counted since the job was read, and it has not been redriven.
    """
    update = _receipt_counted(receipt, is_last=True)
    _while_none_was_counted(update, known)
    update.conditions.extend(("#execution.#rank = :rank", "(attribute_not_exists(#claim) OR #claim.#rank < :below)"))
    update.names |= {"#execution": EXECUTION, "#rank": "rank", "#claim": attribute_of(claim.register_name)}
    update.values |= {
        ":rank": {"N": str(known.execution.rank if known.execution else 0)},
        ":below": {"N": str(claim.beats_below)},
        ":claim": register_of(claim),
    }
    update.set_.append("#claim = :claim")
    return update.call()


def _receipt_counted(receipt: LogArchived, *, is_last: bool) -> _Update:
    update = _Update.counting()
    if is_last:
        update.delete.append(f"{LOGS_OWED} :marker")
        update.values[":marker"] = _set_of(receipt.task_id)
    return update


def _moment(seconds: float) -> Any:
    return {"N": f"{seconds:.3f}"}


def _set_of(task_id: str) -> Any:
    return {"SS": [marker_of(task_id)]}
