"""What is owed to a job because somebody asked for it, beside what is owed to it anyway.

| the record says                                              | what is owed            |
|--------------------------------------------------------------|-------------------------|
| requested, never started, and a cancel was asked for         | LeaveUnstarted          |
| it runs, and a cancel was asked for since it began           | StopExecution           |
| it did not succeed, and a redrive was asked for since        | RedriveExecution        |
| ... or it was redriven, and a late stop of before ended it   | that                    |
| ... but Step Functions refused that                          | nothing                 |
| ... but it was not started, and may be in the middle of that | that, after grace time  |

None of it is claimed: each may be done twice, and comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.control import ControlMessage, Verb
from service.core.policy.actions import LeaveUnstarted, RedriveExecution, StopExecution
from service.core.record.asked import cancel_asked, redrive_asked, redrive_refused
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, RedriveAsked


@dataclass(frozen=True)
class Unheard:
    """A control message that changes nothing, and why."""

    why: str


def hear_control(
    asked: ControlMessage, job: Record, asked_at: float, sent_by: str | None = None
) -> CancelAsked | RedriveAsked | Unheard:
    """The fact that a control message is, for the job as it is known; `sent_by` is its sender, as SQS knows it."""
    if job.request is not None and job.request.tenant != asked.tenant:
        return Unheard("the job is another tenant's")
    wish = {
        "job_id": asked.job_id,
        "tenant": asked.tenant,
        "asked_at": asked_at,
        "asked_by": asked.requested_by,
        "sent_by": sent_by,
        "reason": asked.reason,
    }
    if asked.verb == "cancel":
        return Unheard("it was asked for already") if _runs_cancelled(job) else CancelAsked.model_validate(wish)
    if job.request is None:
        return Unheard("there is no such job")
    return RedriveAsked.model_validate(wish)


def _runs_cancelled(job: Record) -> bool:
    """Whether the job is to end already; once it has, it may have been redriven without our knowing."""
    return cancel_asked(job) is not None and not (job.execution and job.execution.ended)


def steering(job: Record, *, may_start: bool) -> Iterator[LeaveUnstarted | StopExecution | RedriveExecution]:
    """What the wishes of people come to by now. `may_start`: a job that was left unstarted may yet be started."""
    execution = job.execution
    if execution is None:
        if cancel_asked(job):
            yield LeaveUnstarted(job.job_id)
    elif not execution.ended:
        if cancel_asked(job):
            yield StopExecution(job.job_id)
    elif execution.status != "SUCCEEDED" and not may_start and redrive_asked(job) and not redrive_refused(job):
        yield RedriveExecution(job.job_id, job.redrive_count)


def why_not(verb: Verb, job: Record) -> str | None:
    """Why a wish would come to nothing for a job as it is; None where it is worth to be sent."""
    execution = job.execution
    if job.rejection is not None:
        return "The request was rejected, so that there is nothing to steer."
    over = execution is not None and execution.ended
    if verb == "cancel":
        is_to_go_on = redrive_asked(job) is not None and redrive_refused(job) is None
        return "It is over already." if over and not is_to_go_on else None
    if execution is None or not over:
        return None if cancel_asked(job) else "It is not over: only what failed, or was stopped, can be redriven."
    if execution.status == "SUCCEEDED":
        return "It succeeded: only what failed, or was stopped, can be redriven."
    if not execution.arn:
        return "It was never started, so that there is nothing to go on from: submit it again."
    refused = redrive_refused(job)
    return f"Step Functions refused to redrive it: {refused.why}" if refused and refused.for_good else None


def may_be_started_yet(job: Record) -> bool:
    """Whether a job that is said to be unstarted may be in the middle of its start.

    Its cancel may have been asked for before its request, and have come after it all the same.
    """
    cancel = cancel_asked(job)
    unstarted = job.execution is not None and job.execution.was_never_to_be
    return unstarted and cancel is not None and not cancel.came_first
