"""What people asked for of a job, and which run of it they meant: the one that went on when they asked."""

from __future__ import annotations

from typing import cast

from service.core.record.facts import Announced
from service.core.record.record import Record
from service.core.record.register_names import (
    REDRIVE_REGISTER,
    announced_register,
    cancel_register,
    cancelled_register,
    redrive_refused_register,
    redriven_register,
)
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused

# Step Functions says when a run ended, SQS when it was asked to go on: two clocks, and a person who saw the end.
CLOCKS_DIFFER_SECONDS = 5.0


def cancel_asked(job: Record) -> CancelAsked | None:
    """That the run which the job is in is to end, if its own tenant asked for that."""
    if job.request is None:
        return None
    asked = cast("CancelAsked | None", job.registers.get(cancel_register(job.request.tenant)))
    return asked if asked is not None and asked.asked_at > _began_at(job) else None


def redrive_asked(job: Record) -> RedriveAsked | None:
    """That the job is to go on from the outcome which it has, or is about to have by being cancelled.

    Somebody who asks while it runs unharmed asks for nothing: it would be redriven one day, to everybody's surprise.
    """
    if (wish := _ended_by_mistake(job)) is not None:
        return wish
    asked = cast("RedriveAsked | None", job.registers.get(REDRIVE_REGISTER))
    if asked is None or asked.asked_at <= _began_at(job):
        return None
    cancel, execution = cancel_asked(job), job.execution
    if cancel is not None and cancel.asked_at <= asked.asked_at:
        return asked
    had_ended = execution is not None and execution.ended
    if execution is None or not had_ended or (execution.stopped_at or 0) > asked.asked_at + CLOCKS_DIFFER_SECONDS:
        return None
    if job.redrive_count and asked.asked_at <= (execution.redriven_at or 0):
        return None  # Another wish for the run before, which was redriven meanwhile.
    return None if cancel is not None else asked


def cancelled_by(job: Record) -> Cancelled | None:
    """Who wanted the end of the run that the job is in, where it was made by us."""
    return cast("Cancelled | None", job.registers.get(cancelled_register(job.redrive_count)))


def _ended_by_mistake(job: Record) -> RedriveAsked | None:
    """The wish for the run that the job is in, where a stop that was meant for the run before came late and ended it.

    StopExecution names no run [botocore], and two workers may each be about to stop the same one.
    """
    redriven, cancelled = redriven_by(job), cancelled_by(job)
    if redriven is None or cancelled is None or cancel_asked(job) is not None:
        return None
    if cancelled.asked_at > redriven.asked_at:
        return None
    return RedriveAsked.model_validate(redriven.model_dump(exclude={"kind", "redrive_count"}))


def redriven_by(job: Record) -> Redriven | None:
    """Who wanted the redrive that the job is in, where it was made by us."""
    return cast("Redriven | None", job.registers.get(redriven_register(job.redrive_count)))


def redrive_wanted(job: Record) -> Redriven | RedriveAsked | None:
    """Who wanted the redrive that the job is in: also where whoever made it died before that was on record.

    Then the wish is there all the same. It was asked for between the outcome before and the redrive.
    """
    asked = cast("RedriveAsked | None", job.registers.get(REDRIVE_REGISTER))
    redriven_at = job.execution.redriven_at if job.execution else None
    ended_at = _ended_before(job)
    if asked is None or redriven_at is None or ended_at is None:
        return redriven_by(job)
    is_about_it = ended_at - CLOCKS_DIFFER_SECONDS <= asked.asked_at <= redriven_at
    return redriven_by(job) or (asked if is_about_it else None)


def _ended_before(job: Record) -> float | None:
    """When the outcome before the present run was, if it is known."""
    count = job.redrive_count - 1
    announced = cast("Announced | None", job.registers.get(announced_register(count)))
    ended = announced or job.ended_before(count)
    return ended.ended_at if ended else None


def redrive_refused(job: Record) -> RedriveRefused | None:
    """Why the present outcome cannot be redriven, where that was tried.

    What we were not allowed to do is tried again when somebody asks for it again.
    """
    refused = cast("RedriveRefused | None", job.registers.get(redrive_refused_register(job.redrive_count)))
    if refused is None or refused.for_good:
        return refused
    asked = cast("RedriveAsked | None", job.registers.get(REDRIVE_REGISTER))
    return None if asked is not None and asked.asked_at > refused.at else refused


def _began_at(job: Record) -> float:
    """From when on what is asked for is meant for the present run.

    Of a redrive that we made, from when that was asked for: who asked for an end before it was made meant it.
    """
    if not job.redrive_count:
        return 0
    redriven = redriven_by(job)
    if redriven is not None:
        return redriven.asked_at
    return (job.execution.redriven_at if job.execution else None) or 0
