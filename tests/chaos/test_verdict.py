"""The comparison itself, on hand-made histories."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.notification import AttemptReport, EarlierOutcome, JobNotification, StageReport, Status
from tests.chaos.truth import Codes, Execution, Truth
from tests.chaos.verdict import Sent, Told, Verdict, judge
from tests.chaos.workload import Errand, When

ERRAND = Errand("one stage", '{"user": "first"}', "SUCCEEDED", (0.0,), "job", (0,))
OTHER = Errand("one stage", '{"user": "second"}', "SUCCEEDED", (0.0,), "job", (0,))
SENT = Sent("m-1", ERRAND, at=1.0)


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
) -> Verdict:
    """The verdict on one job that Step Functions saw succeed."""
    codes = {(0, 1, 1): 0} if codes is None else codes
    truth = Truth(executions, {"job": codes}, 0, open_records, 0, 0, {"job: redrive 0": beside})
    return judge(sent, heard, truth, excused, outlived_seconds=60)


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
