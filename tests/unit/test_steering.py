"""Cancels and redrives: what a wish is about, and what it comes to, in whatever order it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from schemas.control import ControlMessage
from service.core.policy.actions import LeaveUnstarted, RedriveExecution, StartExecution, StopExecution
from service.core.policy.owed import Moment, owed
from service.core.policy.steering import Unheard, hear_control
from service.core.record.facts import ExecutionChanged, Fact
from service.core.record.hearing import left_unstarted
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused
from service.core.telling.steered import unfulfilled
from tests.support.builders import JOB, KEY, NOW, execution, merge_all, record, requested

STEERS = (StartExecution, LeaveUnstarted, StopExecution, RedriveExecution)
ENDED_AT = NOW + 60


def cancel(at: float = NOW + 30, tenant: str = "web", **fields: Any) -> CancelAsked:
    """Somebody wanted the job ended."""
    return CancelAsked(job_id=JOB, tenant=tenant, asked_at=at, **fields)


def redrive(at: float = NOW + 90, **fields: Any) -> RedriveAsked:
    """Somebody wanted the job to go on."""
    return RedriveAsked(job_id=JOB, tenant="web", asked_at=at, **fields)


def redriven(asked_at: float = NOW + 90, count: int = 1) -> Redriven:
    """The job was redriven because of a wish of this moment."""
    return Redriven(job_id=JOB, tenant="web", asked_at=asked_at, redrive_count=count)


def cancelled(asked_at: float, count: int = 1) -> Cancelled:
    """A run was stopped because of a wish of this moment."""
    return Cancelled(job_id=JOB, tenant="web", asked_at=asked_at, redrive_count=count)


def runs_again(at: float = NOW + 91, status: str = "RUNNING", count: int = 1, **fields: Any) -> ExecutionChanged:
    """A later run of the execution."""
    return execution(status, redrive_count=count, redriven_at=at, **fields)


def steps(*facts: Fact) -> list[object]:
    """How the job of these facts is steered now."""
    job = record(requested(tenant="web"), *facts)
    return [action for action in owed(job, Moment(NOW + 1000, "me")) if isinstance(action, STEERS)]


LEFT, STOPPED = [LeaveUnstarted(JOB)], [StopExecution(JOB)]
AGAIN = [RedriveExecution(JOB, 0)]
NOT_ALLOWED = RedriveRefused(job_id=JOB, redrive_count=0, at=NOW + 100, why="AccessDenied", for_good=False)
REFUSED = RedriveRefused(job_id=JOB, redrive_count=0, at=NOW, why="too old")

ENDED_LATE = (runs_again(status="ABORTED", stopped_at=NOW + 101), redriven())

CASES: dict[str, tuple[tuple[Fact, ...], Sequence[object]]] = {
    "nobody asked": ((), [StartExecution(JOB)]),
    "cancelled before it is started": ((cancel(),), LEFT),
    "cancelled before its request": ((cancel(NOW - 100),), LEFT),
    "another tenant's cancel": ((cancel(tenant="shop"),), [StartExecution(JOB)]),
    "cancelled as it runs": ((execution("RUNNING"), cancel()), STOPPED),
    "another tenant's cancel as it runs": ((execution("RUNNING"), cancel(tenant="shop")), []),
    "cancelled, and over": ((execution("ABORTED"), cancel()), []),
    "cancelled too late": ((execution("SUCCEEDED"), cancel()), []),
    "started by another after all": ((left_unstarted(JOB, "why", NOW), execution("STARTED"), cancel()), STOPPED),
    "a redrive of what failed": ((execution("FAILED"), redrive()), AGAIN),
    "a redrive of what ran out of time": ((execution("TIMED_OUT"), redrive()), AGAIN),
    "a redrive of what succeeded": ((execution("SUCCEEDED"), redrive()), []),
    "a redrive that was refused": ((execution("FAILED"), redrive(), REFUSED), []),
    "a redrive that we were not allowed to make": ((execution("FAILED"), redrive(), NOT_ALLOWED), []),
    "... and is asked for again": ((execution("FAILED"), redrive(NOW + 110), NOT_ALLOWED), AGAIN),
    "a redrive of what runs": ((execution("RUNNING"), redrive(NOW + 20)), []),
    "a redrive of what ran then, and failed much later": ((execution("FAILED"), redrive(NOW + 20)), []),
    "a redrive asked by a clock that is a little late": ((execution("FAILED"), redrive(ENDED_AT - 2)), AGAIN),
    "cancelled, then redriven, before its end": ((execution("RUNNING"), cancel(), redrive(NOW + 40)), STOPPED),
    "cancelled, then redriven, and ended": ((execution("ABORTED"), cancel(), redrive(NOW + 40)), AGAIN),
    "a redrive that was cancelled before it was made": ((execution("FAILED"), redrive(), cancel(NOW + 95)), []),
    "redriven, as was asked": ((runs_again(), redrive(), redriven()), []),
    "redriven, as was asked, and failed again": (
        (runs_again(status="FAILED", stopped_at=NOW + 92), redrive(), redriven()),
        [],
    ),
    "redriven by hand, and failed again": ((runs_again(status="FAILED", stopped_at=NOW + 92), redrive()), []),
    "a second wish for the run before, heard when the redrive had failed": (
        (runs_again(status="FAILED", stopped_at=NOW + 92), redriven(), redrive(NOW + 90.5)),
        [],
    ),
    "asked for again after it failed again": (
        (runs_again(status="FAILED", stopped_at=NOW + 120), redriven(), redrive(NOW + 130)),
        [RedriveExecution(JOB, 1)],
    ),
    "cancelled and redriven in the same millisecond": ((runs_again(), cancel(NOW + 90), redrive(), redriven()), []),
    "the cancel of the run before": ((runs_again(), cancel(), redriven()), []),
    "the cancel of the run before, redriven by hand": ((runs_again(), cancel()), []),
    "a stop of the run before that came late": ((*ENDED_LATE, cancelled(NOW + 30)), [RedriveExecution(JOB, 1)]),
    "a stop that was meant for this run": ((*ENDED_LATE, cancel(NOW + 100), cancelled(NOW + 100)), []),
    "a late stop, and a wish for an end since": ((*ENDED_LATE, cancelled(NOW + 30), cancel(NOW + 130)), []),
    "a cancel of the run after": ((runs_again(), redriven(), cancel(NOW + 100)), STOPPED),
    "a cancel asked after the redrive, and heard when it was made": (
        (runs_again(NOW + 99), redrive(), redriven(), cancel(NOW + 95)),
        STOPPED,
    ),
}


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_a_wish_is_about_the_run_of_its_moment(facts: tuple[Fact, ...], expected: Sequence[object]) -> None:
    """In every order in which the facts may be heard."""
    for order in permutations(facts):
        assert steps(*order) == expected


def test_of_two_wishes_the_last_is_held_whichever_is_heard_first() -> None:
    """So a message that comes again changes nothing."""
    first, second = cancel(NOW + 1, reason="first"), cancel(NOW + 2, reason="second")
    for order in permutations((first, second, first)):
        job = merge_all(record(requested(tenant="web")), order)
        assert job.registers[first.register_name] == second


def test_a_job_that_was_left_unstarted_is_told_at_once_where_its_cancel_came_first() -> None:
    """Where its request was heard first, another worker may be in the middle of the start: it is asked once more."""
    unstarted = left_unstarted(JOB, "why", NOW)
    early = record(requested(tenant="web"), cancel(NOW - 1, came_first=True), unstarted)
    assert [type(action).__name__ for action in owed(early, Moment(NOW + 1, "me"))] == ["Claim"]
    late = record(requested(tenant="web"), cancel(NOW - 1), unstarted)
    assert owed(late, Moment(NOW + 1, "me")) == ()
    assert [type(action).__name__ for action in owed(late, Moment(NOW + 31, "me"))] == ["AskExecution", "Claim"]


def test_a_redrive_of_what_may_be_in_the_middle_of_its_start_waits() -> None:
    """It would be refused as never started, and then it may have been; a head says enough to tell."""
    facts = (left_unstarted(JOB, "why", NOW), redrive(NOW + 2))
    asked = requested(tenant="web").in_brief()
    before = record(asked, cancel(NOW - 1, came_first=True), *facts)
    after = record(asked, cancel(NOW - 1), *facts)
    assert RedriveExecution(JOB, 0) in owed(before, Moment(NOW + 3, "me"))
    assert RedriveExecution(JOB, 0) not in owed(after, Moment(NOW + 3, "me"))
    assert RedriveExecution(JOB, 0) in owed(after, Moment(NOW + 31, "me"))


def test_the_answer_to_a_later_wish_is_held() -> None:
    """Else each pass would try again what was refused twice."""
    later = NOT_ALLOWED.model_copy(update={"at": NOW + 200})
    for order in permutations((NOT_ALLOWED, later)):
        assert merge_all(record(requested()), order).registers[later.register_name] == later


def message(verb: str, tenant: str = "web") -> ControlMessage:
    """What somebody sent."""
    return ControlMessage.model_validate(
        {"verb": verb, "tenant": tenant, "job_id": JOB, "requested_by": "ann", "reason": "wrong input"}
    )


def test_a_message_is_a_fact_with_who_and_why() -> None:
    """And with when, by the queue's clock."""
    job = record(requested(tenant="web"))
    told = {"job_id": JOB, "tenant": "web", "asked_at": NOW + 5, "asked_by": "ann", "reason": "wrong input"}
    assert hear_control(message("cancel"), job, NOW + 5) == CancelAsked(**told)
    assert hear_control(message("redrive"), job, NOW + 5) == RedriveAsked(**told)
    assert hear_control(message("cancel"), record(), NOW + 5) == CancelAsked(**told)


@pytest.mark.parametrize("verb", ["cancel", "redrive"])
def test_a_message_of_another_tenant_is_not_heard(verb: str) -> None:
    """Whatever state the job is in."""
    job = record(requested(tenant="web"), execution("FAILED"))
    assert hear_control(message(verb, "shop"), job, NOW) == Unheard("the job is another tenant's")


def test_nothing_is_redriven_that_nobody_knows_and_nothing_cancelled_twice() -> None:
    """Who asked first is told of."""
    assert hear_control(message("redrive"), record(), NOW) == Unheard("there is no such job")
    running = record(requested(tenant="web"), execution("RUNNING"), cancel(NOW + 1))
    assert hear_control(message("cancel"), running, NOW + 2) == Unheard("it was asked for already")
    over = record(requested(tenant="web"), execution("ABORTED"), cancel(NOW + 1))
    assert isinstance(hear_control(message("cancel"), over, NOW + 90), CancelAsked)


def test_the_key_of_a_record_is_the_jobs() -> None:
    """Also of one that only a cancel speaks of."""
    assert cancel().record_key == KEY


WAITING: dict[str, tuple[tuple[Fact, ...], list[str]]] = {
    "nobody asked": ((execution("RUNNING"),), []),
    "a cancel of what runs": ((execution("RUNNING"), cancel()), ["cancel"]),
    "a cancel that came about": ((execution("ABORTED"), cancel()), []),
    "a redrive of what failed": ((execution("FAILED"), redrive()), ["redrive"]),
    "a redrive after a cancel": ((execution("RUNNING"), redrive(), cancel()), ["cancel", "redrive"]),
    "a redrive that came about": ((execution("FAILED"), redrive(), redriven(), runs_again()), []),
    "a redrive that was refused": ((execution("FAILED"), redrive(), REFUSED), []),
    "a redrive of what succeeded": ((execution(), redrive()), []),
}


@pytest.mark.parametrize(("facts", "verbs"), WAITING.values(), ids=WAITING)
def test_what_was_asked_for_waits_until_it_has_come_about(facts: tuple[Fact, ...], verbs: list[str]) -> None:
    """Whoever looks at the job sees what is still to come of it."""
    assert [wish.verb for wish in unfulfilled(record(requested(tenant="web"), *facts))] == verbs
