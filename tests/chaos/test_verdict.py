"""The comparison itself, on hand-made histories."""

from __future__ import annotations

import pytest

from schemas.notification import AttemptReport, JobNotification, StageReport, Status
from tests.chaos.truth import Execution, Truth
from tests.chaos.verdict import Sent, Told, Verdict, judge
from tests.chaos.workload import Errand

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


def test_a_second_execution_is_seen() -> None:
    """An execution with a name that is no job's."""
    ran = (Execution("job", "SUCCEEDED", "first", "job"), Execution("job-2", "SUCCEEDED", "first", "job"))
    assert judged([SENT], [told()], executions=ran).executions_beyond == ("job-2",)


def judged(
    sent: list[Sent],
    heard: list[Told],
    *,
    executions: tuple[Execution, ...] = (Execution("job", "SUCCEEDED", "first", "job"),),
    open_records: frozenset[str] = frozenset(),
    excused: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict on one job that Step Functions saw succeed."""
    truth = Truth(executions, {"job": {(1, 1): 0}}, 0, open_records, 0, 0)
    return judge(sent, heard, truth, excused)


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
