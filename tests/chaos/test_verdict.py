"""The comparison itself, on hand-made histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from schemas.notification import AttemptReport, EarlierOutcome, JobNotification, StageReport, Status
from tests.chaos.truth import Codes, Execution, Truth
from tests.chaos.verdict import Sent, Told, Verdict, judge
from tests.chaos.workload import Errand, Wanted, When

ERRAND = Errand("one stage", '{"user": "first"}', "SUCCEEDED", (0.0,), "job", (0,))
OTHER = Errand("one stage", '{"user": "second"}', "SUCCEEDED", (0.0,), "job", (0,))
SENT = Sent("m-1", ERRAND, at=1.0)
CANCELLED = {
    "verb": "cancel",
    "by": "ann",
    "reason": "the drill wants a cancel of job",
    "asked_at": "2026-01-01T00:00:00.000Z",
}


def test_a_job_told_once_as_it_was_holds() -> None:
    """One notification that agrees with Step Functions and ECS is all that is due; its time counts from the sending."""
    verdict = judged([SENT], [told()])
    assert verdict.holds
    assert verdict.seconds_at(0.99) == 2.0


def test_the_same_request_sent_twice_is_one_job() -> None:
    """A second message with the same body is due nothing of its own."""
    assert judged([SENT, Sent("m-2", ERRAND, at=2.0)], [told()]).holds


def test_a_second_body_for_an_id_is_due_a_rejection() -> None:
    """The body that the execution does not have must be refused, by the name of its message."""
    sent = [SENT, Sent("m-2", OTHER, at=2.0)]
    assert judged(sent, [told()]).lost == ("m-2 (one stage)",)
    assert judged(sent, [told(), told("m-2:0:REJECTED", "REJECTED", codes=())]).holds


def test_a_job_that_nobody_heard_of_is_lost_or_stuck() -> None:
    """Lost if nothing can come of it any more, stuck while its record is open."""
    assert judged([SENT], []).lost
    assert judged([SENT], [], open_records=frozenset({"job"})).stuck


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(("job:0:FAILED", "FAILED", (0,)), id="status"),
        pytest.param(("job:0:SUCCEEDED", "SUCCEEDED", (1,)), id="exit code"),
        pytest.param(("job:0:SUCCEEDED", "SUCCEEDED", (None,)), id="no exit code"),
        pytest.param(("other:0:SUCCEEDED", "SUCCEEDED", (0,)), id="nobody's job"),
    ],
)
def test_a_notification_that_disagrees_is_wrong(item: tuple[str, Status, tuple[int | None, ...]]) -> None:
    """Status and exit codes are AWS's, and nobody hears of a job that was not sent."""
    assert judged([SENT], [told(*item)]).wrong


def test_two_notifications_for_one_outcome_are_doubled() -> None:
    """Another id for the same outcome, or other words under the same id."""
    assert judged([SENT], [told(), told("job:0:FAILED", "FAILED")]).doubled == ("job",)
    assert judged([SENT], [told(), told(codes=(1,))]).doubled == ("job",)


def test_a_repeat_needs_an_excuse() -> None:
    """The same notification twice is in order only where trouble met its announcement."""
    verdict = judged([SENT], [told(), told()])
    assert (verdict.repeats, verdict.unexcused, verdict.doubled) == (1, ("job",), ())
    assert judged([SENT], [told(), told()], excused=frozenset({"job"})).holds


def test_each_outcome_of_a_redriven_job_is_due() -> None:
    """By itself each, with the attempts up to its redrive; whoever heard of the last alone has lost one."""
    first = told("job:0:ABORTED", "ABORTED", codes=(143,))
    assert redriven(first, again()).holds
    assert redriven(first).lost == ("job:1 (cancelled)",)
    assert redriven(again()).lost == ("job (cancelled)",)
    assert redriven(first, told("job:1:SUCCEEDED")).wrong, "its attempt is of the redrive"


@pytest.mark.parametrize(
    ("status", "wrong"),
    [pytest.param("ABORTED", False, id="as it was"), pytest.param("FAILED", True, id="as it was not")],
)
def test_an_outcome_may_be_told_of_in_the_next(status: Any, *, wrong: bool) -> None:
    """It was redriven before it was announced, and the next one says how it had ended."""
    verdict = redriven(again(EarlierOutcome(redrive_count=0, status=status)))
    assert (bool(verdict.wrong), verdict.lost) == (wrong, ())


def test_what_is_told_of_before_is_of_before() -> None:
    """No outcome tells of itself, or of what never was."""
    before = EarlierOutcome(redrive_count=0, status="ABORTED")
    for count in (1, 7):
        assert redriven(again(before, EarlierOutcome(redrive_count=count, status="ABORTED"))).wrong


def test_an_outcome_that_is_told_of_twice_needs_an_excuse() -> None:
    """By itself and in the next one."""
    both = (told("job:0:ABORTED", "ABORTED", codes=(143,)), again(EarlierOutcome(redrive_count=0, status="ABORTED")))
    assert redriven(*both).unexcused == ("job",)
    assert redriven(*both, excused=frozenset({"job"})).holds


def test_what_runs_on_beside_a_redrive_is_seen() -> None:
    """For longer than a drill allows."""
    assert judged([SENT], [told()], beside=60).holds
    assert judged([SENT], [told()], beside=61).outlived == ("job: redrive 0 ran on for 61 s beside a redrive",)


def test_a_redrive_that_nobody_asked_for_is_wrong() -> None:
    """And so is one that was asked for and not made; a stop that came late is made good by one more."""
    ran = Execution("job", "SUCCEEDED", "first", "job", before=("ABORTED",))
    heard = told(codes=())
    wrong = judged([SENT], [heard], executions=(ran,), codes={}).wrong
    assert "job:1 (one stage): redriven 1 times, 0 were asked for" in wrong
    never = replace(ERRAND, redriven=(When.AT_ONCE,))
    assert "job (one stage): redriven 0 times, 1 were asked for" in judged([Sent("m-1", never, 1.0)], [told()]).wrong
    late = judged([SENT], [told(codes=()), again()], executions=(ran,), codes={}, late_stops={"job": 1}).wrong
    assert not any("were asked for" in line for line in late)


@pytest.mark.parametrize(
    ("steered", "wrong"),
    [
        pytest.param([CANCELLED], False, id="who and why"),
        pytest.param([], True, id="nobody"),
        pytest.param([{**CANCELLED, "by": "eve"}], True, id="another"),
    ],
)
def test_a_cancelled_job_names_who_cancelled_it(steered: list[dict[str, str]], *, wrong: bool) -> None:
    """By a wish that came while it ran, and in its own words."""
    errand = replace(ERRAND, expected="ABORTED", exit_codes=None, aborted=True, wanted=Wanted.STEERING)
    ran = Execution("job", "ABORTED", "first", "job")
    heard = changed(told("job:0:ABORTED", "ABORTED"), steered=steered)
    assert bool(judged([Sent("m-1", errand, 1.0)], [heard], executions=(ran,)).wrong) is wrong


def test_nobody_else_is_said_to_have_steered_a_job() -> None:
    """A job that ended by itself names nobody, whatever others wanted of it."""
    assert judged([SENT], [changed(told(), steered=[CANCELLED])]).wrong


def test_a_job_that_was_cancelled_before_it_came_has_no_execution() -> None:
    """It is announced all the same, with whose wish that was."""
    errand = replace(ERRAND, expected="ABORTED", exit_codes=(), wanted=Wanted.CANCEL_BEFORE)
    heard = changed(told("job:0:ABORTED", "ABORTED", codes=()), steered=[CANCELLED])
    sent = [Sent("m-1", errand, 1.0)]
    assert judged(sent, [heard], executions=(), codes={}).holds
    ran = Execution("job", "ABORTED", "first", "job")
    assert judged(sent, [heard], executions=(ran,), codes={}).executions_beyond == ("job",)


@pytest.mark.parametrize("status", ["SUCCEEDED", "ABORTED"])
def test_a_cancel_at_any_time_ends_a_job_or_comes_too_late(status: Status) -> None:
    """Either, and never as if somebody had ended what ended by itself."""
    errand = replace(ERRAND, exit_codes=None, wanted=Wanted.CANCEL_SOMETIME)
    ran, sent = (Execution("job", status, "first", "job"),), [Sent("m-1", errand, 1.0)]
    heard = told(f"job:0:{status}", status)
    named = changed(heard, steered=[CANCELLED])
    aborted = status == "ABORTED"
    assert judged(sent, [named if aborted else heard], executions=ran).holds
    assert judged(sent, [heard if aborted else named], executions=ran).wrong


def test_a_rerun_names_the_job_that_it_was_made_of() -> None:
    """One that names none is wrong, and so is a job that nobody reran and that names one."""
    errand = replace(ERRAND, retry_of="old")
    by = {**CANCELLED, "verb": "rerun", "reason": "the drill wants a rerun of old"}
    sent = [Sent("m-1", errand, 1.0), Sent("m-2", errand, 1.5)]
    assert judged(sent, [changed(told(), retry_of="old", steered=[by])]).holds
    assert judged(sent, [changed(told(), steered=[by])]).wrong
    assert judged([SENT], [changed(told(), retry_of="old")]).wrong


def changed(heard: Told, **members: Any) -> Told:
    """The same notification with other members."""
    whole = {**heard.notification.model_dump(mode="json", by_alias=True), **members}
    return replace(heard, notification=JobNotification.model_validate(whole))


def redriven(*heard: Told, excused: frozenset[str] = frozenset()) -> Verdict:
    """The verdict on one job that was cancelled, redriven, and then succeeded."""
    errand = Errand("cancelled", '{"user": "first"}', "SUCCEEDED", (0.0,), "job", None, redriven=(When.AT_ONCE,))
    ran = Execution("job", "SUCCEEDED", "first", "job", before=("ABORTED",))
    codes: Codes = {(0, 1, 1): 143, (1, 1, 1): 0}
    return judged([Sent("m-1", errand, at=1.0)], list(heard), executions=(ran,), codes=codes, excused=excused)


def again(*before: EarlierOutcome) -> Told:
    """What the second outcome of that job is told as."""
    attempts = tuple(
        AttemptReport(redrive=redrive, attempt=1, passed=code == 0, exit_code=code)
        for redrive, code in enumerate((143, 0))
    )
    notification = JobNotification(
        id="job:1:SUCCEEDED",
        status="SUCCEEDED",
        job_id="job",
        redrive_count=1,
        observed_via="event",
        earlier_outcomes=before,
        stages=(StageReport(stage=1, name="one", image="image_1", status="PASSED", attempts=attempts),),
        text="",
    )
    return Told(notification, at=3.0)


def test_a_second_execution_is_seen() -> None:
    """An execution with a name that is no job's."""
    ran = (Execution("job", "SUCCEEDED", "first", "job"), Execution("job-2", "SUCCEEDED", "first", "job"))
    assert judged([SENT], [told()], executions=ran).executions_beyond == ("job-2",)


def judged(
    sent: list[Sent],
    heard: list[Told],
    *,
    executions: tuple[Execution, ...] = (Execution("job", "SUCCEEDED", "first", "job"),),
    codes: Codes | None = None,
    beside: float = 0.0,
    open_records: frozenset[str] = frozenset(),
    excused: frozenset[str] = frozenset(),
    late_stops: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on one job that Step Functions saw succeed."""
    codes = {(0, 1, 1): 0} if codes is None else codes
    truth = Truth(executions, {"job": codes}, 0, open_records, 0, 0, {"job: redrive 0": beside})
    return judge(sent, heard, truth, excused, outlived_seconds=60, late_stops=late_stops)


def told(
    notification_id: str = "job:0:SUCCEEDED", status: Status = "SUCCEEDED", codes: tuple[int | None, ...] = (0,)
) -> Told:
    """A notification that came at three seconds."""
    stages = tuple(
        StageReport(
            stage=number,
            name="one",
            image="image_1",
            status="PASSED",
            attempts=(AttemptReport(attempt=1, passed=code == 0, exit_code=code),),
        )
        for number, code in enumerate(codes, start=1)
    )
    return Told(
        JobNotification(id=notification_id, status=status, job_id="job", observed_via="event", stages=stages, text=""),
        at=3.0,
    )
