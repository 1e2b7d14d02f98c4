"""Mistakes with what people ask for of one job, by the control queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.control import ControlMessage
from schemas.notification import SteeredBy
from service import perform
from service.aws.queue import Message
from service.core.policy import owed, steering
from service.core.record.facts import Fact
from service.core.record.record import Record
from service.core.record.register_names import REDRIVE_REGISTER
from service.core.record.wishes import RerunOf
from service.core.telling import compose as announce
from service.perform import Performer
from tests.sim.mutants.mutant import mutant
from workers import control, requests, reruns


def _hears_everybody(asked: ControlMessage, job: Record, asked_at: float, sent_by: str | None) -> Any:
    owner = job.request.tenant if job.request else asked.tenant
    return _wish_heard_in_truth(asked.model_copy(update={"tenant": owner}), job, asked_at, sent_by)


_wish_heard_in_truth = steering.hear_control


async def _forgets_the_wish(self: control.Controls, message: Message) -> None:
    return None


async def _stops_nothing(self: Performer, job: Record) -> tuple[Fact, ...]:
    return ()


def _wishes_for_ever(job: Record) -> Fact | None:
    return job.registers.get(REDRIVE_REGISTER)


def _knows_of_no_cancel(job: Record) -> None:
    return None


def _nobody_steered(record: Record) -> tuple[SteeredBy, ...]:
    return ()


async def _refuses_at_once(self: Performer, job: Record) -> tuple[Fact, ...]:
    return self._not_redriven(job, "AWS was not asked")


# Mistakes with what people ask for by the control queue.
WISH_MUTANTS = (
    mutant("hears every tenant", (10,), (control, "hear_control", _hears_everybody)),
    mutant("forgets what was asked for", (1, 10), (control.Controls, "hear", _forgets_the_wish)),
    mutant("stops nothing", (4, 10), (Performer, "_stop_execution", _stops_nothing)),
    mutant("starts what was cancelled", (10,), (owed, "cancel_asked", _knows_of_no_cancel)),
    mutant("redrives again and again", (4, 10), (steering, "redrive_asked", _wishes_for_ever)),
    mutant("says that AWS refused", (10,), (Performer, "_redrive", _refuses_at_once)),
    mutant("names nobody", (10,), (announce, "steered", _nobody_steered)),
    mutant("lets a wish that AWS refuses hold up the rest", (4, 7), (perform, "NOT_ALLOWED", frozenset())),
)


async def _forgets_the_rerun(self: control.Controls, asked: ControlMessage, message: Message) -> None:
    return None


async def _decides_on_any_request(
    self: requests.Requests, message: Message, verdict: Any, rerun_of: RerunOf | None = None
) -> Any:
    return await _decides_in_truth(self, message, verdict)


_decides_in_truth = requests.Requests.decide


def _names_it_by_its_message(wanted: reruns.Wanted) -> str:
    return f"by-{wanted.asked_as[:50]}"


def _changes_nothing(request: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return dict(request)


# Mistakes with jobs that are made again.
RERUN_MUTANTS = (
    mutant("forgets a rerun", (1,), (control.Controls, "_rerun", _forgets_the_rerun)),
    mutant("makes it again as it was", (1, 2), (reruns, "changed", _changes_nothing)),
    mutant("makes a job of each message", (1, 2), (reruns.Wanted, "new_job_id", property(_names_it_by_its_message))),
    mutant("does not say whose rerun it is", (10,), (requests.Requests, "decide", _decides_on_any_request)),
)
