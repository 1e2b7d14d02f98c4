"""The policy, once more: what was done for the job must have been owed to it, and at the end nothing more is.

A record holds of each thing what is known best, and not how it came to be known. So it is put back to before a thing
was done, by taking away the fact that it was done and the claim on it: then it must be owed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.casefile import Difference, ReplayedPart
from service.core.casefile.files import Case
from service.core.casefile.odd import ODD, fails
from service.core.policy.actions import (
    Action,
    AskEarlierEnds,
    AskExecution,
    AskHistory,
    AskTask,
    Claim,
    LeaveUnstarted,
    StartExecution,
)
from service.core.policy.owed import Moment, Patience, owed
from service.core.record.facts import LogArchived
from service.core.record.record import Record
from service.core.record.register_names import (
    announced_register,
    announcing,
    archiving,
    claim_register,
    receipt_register,
)

_QUESTIONS = (AskExecution, AskTask, AskHistory, AskEarlierEnds)
_ME = "replay"
_NOTHING = "nothing"


@dataclass(frozen=True)
class _Point:
    """A point in a job's life: how its record was, when, and what was done then."""

    where: str
    record: Record
    at: float
    done: str


def policy(case: Case, record: Record, unknown: tuple[str, ...]) -> ReplayedPart:
    """What was owed whenever something was done, and what is owed at the end."""
    not_replayed = [f"the register {name}: a newer Jobferry wrote it" for name in unknown]
    settled = record.announced is not None
    if not settled:
        not_replayed.append("the end: it was not told of yet, so more was to be done")
    patience = _patience(case)
    points = (*_points(record), *([_end(case, record)] if settled else []))
    again = [(point, _owed_now(point, patience)) for point in points]
    found = tuple(Difference(where=point.where, then=point.done, now=now) for point, now in again if now != point.done)
    return ReplayedPart(part="policy", decisions=len(again), differences=found, not_replayed=tuple(not_replayed))


def _patience(case: Case) -> Patience:
    """That of the deployment; where it is not known, whatever was waited for was over when things were done."""
    known = case.manifest.settings
    return Patience(known.task_grace_seconds or 0, known.log_deadline_seconds or 0)


def _points(record: Record) -> Iterator[_Point]:
    yield from _beginning(record)
    for fact in record.registers.values():
        if isinstance(fact, LogArchived) and fact.archived_at is not None:
            what = archiving(fact.task_id)
            before = _without(record, receipt_register(fact.task_id, fact.container), claim_register(what))
            yield _Point(f"log of {fact.container}, task {fact.task_id}", before, fact.archived_at, f"claim {what}")
    if (announced := record.announced) is not None:
        what = announcing(record.redrive_count)
        before = _without(record, announced_register(record.redrive_count), claim_register(what))
        yield _Point("announcement", before, announced.at, f"claim {what}")


def _beginning(record: Record) -> Iterator[_Point]:
    request, execution = record.request, record.execution
    if request is None or execution is None:
        return
    wishes = {name: fact for name, fact in record.registers.items() if name.startswith("cancel#")}
    only = wishes if execution.was_never_to_be else {}
    at = execution.started_at or request.submitted_at
    first = Record(record.key, {request.register_name: request, **only})
    yield _Point("beginning", first, at, "leave unstarted" if execution.was_never_to_be else "start")


def _end(case: Case, record: Record) -> _Point:
    return _Point("end", record, datetime.fromisoformat(case.manifest.made_at).timestamp(), _NOTHING)


def _without(record: Record, *names: str) -> Record:
    return replace(record, registers={name: fact for name, fact in record.registers.items() if name not in names})


def _owed_now(point: _Point, patience: Patience) -> str:
    """What was done, if that is owed; else what is owed in its place, questions apart: those change nothing."""
    try:
        actions = [
            item for item in owed(point.record, Moment(point.at, _ME, patience)) if not isinstance(item, _QUESTIONS)
        ]
    except ODD as error:
        return fails(error)
    names = [_name(action) for action in actions]
    if point.done in names:
        return point.done
    return ", ".join(names) or _NOTHING


def _name(action: Action) -> str:
    match action:
        case StartExecution():
            return "start"
        case LeaveUnstarted():
            return "leave unstarted"
        case Claim(what=what):
            return f"claim {what}"
    return type(action).__name__
