"""Each action as it is performed: what AWS is asked, what is learnt, what is logged and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from schemas.events import ExecutionDetail
from schemas.plan import CANCELLED, START_REFUSED
from schemas.trace import Trace
from service.aws.errors import AwsError
from service.aws.executions import Started
from service.aws.objects import SignedLink
from service.core.policy.actions import (
    Action,
    Announce,
    ArchiveLog,
    AskEarlierEnds,
    AskExecution,
    Claim,
    GiveUpLog,
    LeaveUnstarted,
    RedriveExecution,
    StartExecution,
    SteerPage,
    StopExecution,
)
from service.core.record.facts import Claimed, ExecutionChanged, Fact, LogArchived
from service.core.record.keys import RecordKey
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused
from service.core.redaction import Redaction
from service.metrics import Metrics
from service.perform import LogNotArchivedError, NotABulksError, Performer
from tests.support.builders import (
    JOB,
    KEY,
    MACHINE,
    MESSAGE,
    NOW,
    TRACE_HEADER,
    TRACEPARENT,
    announced,
    attempt,
    claim,
    container,
    ended_before,
    execution,
    execution_arn,
    receipt,
    record,
    rejected,
    requested,
    task,
)

LATER = NOW + 100.5


@dataclass
class Aws:
    """Everything that is asked for, by one table of answers; what is raised is an answer too."""

    answers: dict[str, Any]
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    state_machine_arn: str = MACHINE

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        async def answer(*arguments: Any, **named: Any) -> Any:
            self.asked.append((operation, *arguments, *([named] if named else [])))
            told = self.answers[operation]
            if isinstance(told, list):
                told = told.pop(0)
            if isinstance(told, Exception):
                raise told
            return told

        return answer


@dataclass
class Done:
    """One action, performed a hundred seconds after the request."""

    facts: tuple[Fact, ...]
    asked: list[tuple[Any, ...]]
    logs: list[dict[str, Any]]
    counted: dict[str, Any]


async def done(action: Action, *facts: Fact, of: RecordKey = KEY, now: float = LATER, **answers: Any) -> Done:
    """Perform an action for the job of these facts."""
    aws, metrics = Aws(answers), Metrics()
    everything = cast("Any", aws)
    performer = Performer(
        executions=everything,
        tasks=everything,
        archive=everything,
        objects=everything,
        topic=everything,
        link_seconds=3600,
        prices={},
        redaction=Redaction.of(),
        claim_seconds=45,
        now=lambda: now,
        metrics=metrics,
    )
    with capture_logs() as logs:
        learnt = await performer.perform(action, record(*facts), "me")
    counted = {metric.name: value for metric, value in metrics.drain(now).items() if value}
    return Done(learnt, aws.asked, [dict(line) for line in logs], counted)


WHO = {"job_id": JOB, "tenant": "web"}
ASKED_FOR = {"job_id": JOB, "tenant": "web", "asked_at": NOW + 70, "asked_by": "ann", "reason": "it was the disk"}
CANCEL = CancelAsked.model_validate(ASKED_FOR | {"reason": "wrong input"})


def ended_for_ann(redrive_count: int = 0) -> Cancelled:
    """Whose wish an end was."""
    return Cancelled.model_validate({**CANCEL.model_dump(exclude={"kind"}), "redrive_count": redrive_count})


REDRIVE = RedriveAsked.model_validate(ASKED_FOR)


def described(status: str = "RUNNING", **fields: Any) -> ExecutionDetail:
    """DescribeExecution's answer."""
    usual = {"executionArn": execution_arn(), "stateMachineArn": MACHINE, "name": JOB, "status": status}
    moments = {"startDate": datetime.fromtimestamp(NOW, UTC)}
    return ExecutionDetail.model_validate({**usual, **moments, **fields})


def line(event: str, level: str = "info", **fields: Any) -> dict[str, Any]:
    """A log line of the job."""
    return {"event": event, "log_level": level, **WHO, **fields}


async def test_a_job_is_started_with_its_input_and_its_trace() -> None:
    """And how long that took is logged."""
    traced = requested(trace=Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER), execution_input='{"a": 1}')
    it = await done(StartExecution(JOB), traced, start=Started("arn:e", NOW + 99))
    assert it.asked == [("start", JOB, '{"a": 1}', TRACE_HEADER)]
    assert it.facts == (
        ExecutionChanged(job_id=JOB, arn="arn:e", status="STARTED", observed_via="request", started_at=NOW + 99),
    )
    assert it.logs == [line("job_started", seconds=100.5)]


async def test_a_job_that_was_started_already_is_asked_after() -> None:
    """It is not taken for an end where Step Functions does not know it yet."""
    it = await done(StartExecution(JOB), requested(), start=None, describe=None)
    assert (it.asked, it.facts) == ([("start", JOB, "{}", None), ("describe", JOB)], ())
    known = await done(StartExecution(JOB), requested(), start=None, describe=described())
    assert known.facts == (execution("RUNNING", observed_via="sweep"),)


@pytest.mark.parametrize(
    "code", ["InvalidName", "InvalidExecutionInput", "ValidationException", "ParamValidationError"]
)
async def test_a_start_that_is_refused_for_good_is_the_jobs_end(code: str) -> None:
    """With AWS's own words."""
    it = await done(StartExecution(JOB), requested(), start=AwsError("too long", code, 400))
    assert it.facts == (
        ExecutionChanged(
            job_id=JOB,
            arn="",
            status="FAILED",
            observed_via="request",
            stopped_at=LATER,
            error=START_REFUSED,
            cause="too long",
        ),
    )


async def test_a_start_that_may_succeed_later_is_tried_again() -> None:
    """By the message that comes again."""
    with pytest.raises(AwsError):
        await done(StartExecution(JOB), requested(), start=AwsError("no", "StateMachineDoesNotExist", 400))


async def test_a_cancelled_job_is_left_unstarted_where_nobody_started_it() -> None:
    """As aborted, in the name of who asked."""
    it = await done(LeaveUnstarted(JOB), requested(), CANCEL, describe=None)
    assert it.asked == [("describe", JOB)]
    assert it.facts == (
        ended_for_ann(),
        ExecutionChanged(
            job_id=JOB,
            arn="",
            status="ABORTED",
            observed_via="request",
            stopped_at=LATER,
            error=CANCELLED,
            cause="Cancelled by ann: wrong input",
        ),
    )
    assert it.logs == [line("job_left_unstarted")]


async def test_a_cancelled_job_that_was_started_after_all_is_as_step_functions_says() -> None:
    """Another may be starting it, or have died when it had."""
    it = await done(LeaveUnstarted(JOB), requested(), CANCEL, describe=described())
    assert (it.facts, it.logs) == ((execution("RUNNING", observed_via="request"),), [])


async def test_an_execution_is_stopped_in_the_name_of_who_asked() -> None:
    """And how it is then is learnt at once."""
    ended = described("ABORTED", stopDate=datetime.fromtimestamp(NOW + 60, UTC), redriveCount=1)
    it = await done(
        StopExecution(JOB), requested(), execution("RUNNING", redrive_count=1), CANCEL, stop=None, describe=ended
    )
    assert it.asked == [("stop", JOB, CANCELLED, "Cancelled by ann: wrong input"), ("describe", JOB)]
    assert it.facts == (ended_for_ann(1), execution("ABORTED", observed_via="request", redrive_count=1))
    assert it.logs == [line("execution_stopped", redrive_count=1)]


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "KmsAccessDeniedException"])
async def test_a_cancel_that_is_not_allowed_stays_on_record(code: str) -> None:
    """Somebody is to mend that; each sweep tries again for as long as the job runs."""
    it = await done(
        StopExecution(JOB), requested(), execution("RUNNING"), CANCEL, stop=AwsError("no " + "x" * 300, code, 400)
    )
    assert it.facts == ()
    assert it.logs == [line("cancel_not_allowed", "error", asked_by="ann", why="no " + "x" * 197)]


async def test_a_cancel_that_may_succeed_later_is_tried_again() -> None:
    """By the message that comes again."""
    with pytest.raises(AwsError):
        await done(StopExecution(JOB), requested(), execution("RUNNING"), CANCEL, stop=AwsError("no", "Throttling"))


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "KmsAccessDeniedException"])
async def test_a_redrive_that_is_not_allowed_is_refused_but_not_for_good(code: str) -> None:
    """A later wish may find it allowed."""
    it = await done(
        RedriveExecution(JOB, 0), requested(), FAILED, REDRIVE, describe=None, redrive=AwsError("not you", code, 400)
    )
    assert it.facts == (RedriveRefused(job_id=JOB, redrive_count=0, at=LATER, why="not you", for_good=False),)


async def test_nobody_in_particular_may_ask() -> None:
    """Then that is what is said."""
    nobody = CancelAsked(job_id=JOB, tenant="web", asked_at=NOW + 1)
    it = await done(StopExecution(JOB), requested(), execution("RUNNING"), nobody, stop=None, describe=None)
    assert it.asked[0] == ("stop", JOB, CANCELLED, "Cancelled by somebody")


FAILED = execution("FAILED", started_at=NOW + 1)
WISHED = Redriven.model_validate({**ASKED_FOR, "redrive_count": 1})


async def test_a_job_is_redriven_as_was_asked() -> None:
    """The wish is told of with the redrive; both before the event comes."""
    it = await done(
        RedriveExecution(JOB, 0), requested(), FAILED, REDRIVE, describe=described("FAILED"), redrive=NOW + 99
    )
    assert it.asked == [("describe", JOB), ("redrive", JOB, 0)]
    assert it.facts == (
        WISHED,
        ExecutionChanged(
            job_id=JOB,
            arn=execution_arn(),
            status="STARTED",
            redrive_count=1,
            observed_via="request",
            started_at=NOW + 1,
            redriven_at=NOW + 99,
        ),
    )
    assert it.logs == [line("job_redriven", redrive_count=1, asked_by="ann")]


@pytest.mark.parametrize(("count", "redriven_after", "is_ours"), [(1, 70, True), (1, 69, False), (2, 80, False)])
async def test_what_was_redriven_already_is_redriven_no_more(count: int, redriven_after: int, is_ours: bool) -> None:
    """It is our wish where it was made once since: then our answer was lost."""
    again = described(redriveCount=count, redriveDate=datetime.fromtimestamp(NOW + redriven_after, UTC))
    it = await done(RedriveExecution(JOB, 0), requested(), FAILED, REDRIVE, describe=again)
    runs = execution("RUNNING", redrive_count=count, redriven_at=NOW + redriven_after, observed_via="event")
    assert it.asked == [("describe", JOB)]
    assert it.facts == ((WISHED, runs) if is_ours else (runs,))
    assert it.logs == []


async def test_a_redrive_without_a_time_is_not_taken_for_ours() -> None:
    """Whose it is cannot be known."""
    it = await done(RedriveExecution(JOB, 0), requested(), FAILED, REDRIVE, describe=described(redriveCount=1))
    assert [type(fact) for fact in it.facts] == [ExecutionChanged]


@pytest.mark.parametrize("code", ["ExecutionNotRedrivable", "ExecutionDoesNotExist", "ValidationException"])
async def test_a_redrive_that_is_refused_is_noted_with_the_reason(code: str) -> None:
    """In so many characters as a record is to hold, and fewer in the log."""
    why = "x" * 600
    it = await done(
        RedriveExecution(JOB, 0),
        requested(),
        FAILED,
        REDRIVE,
        describe=[described("FAILED"), described("FAILED")],
        redrive=AwsError(why, code, 400),
    )
    assert it.facts == (RedriveRefused(job_id=JOB, redrive_count=0, at=LATER, why="x" * 500),)
    assert it.logs == [line("redrive_refused", "warning", redrive_count=0, why="x" * 200)]


async def test_a_redrive_that_is_refused_since_another_made_it_is_theirs() -> None:
    """It runs, and so it cannot be redriven once more."""
    again = described(redriveCount=1, redriveDate=datetime.fromtimestamp(NOW + 60, UTC))
    it = await done(
        RedriveExecution(JOB, 0),
        requested(),
        FAILED,
        REDRIVE,
        describe=[None, again],
        redrive=AwsError("it runs", "ExecutionNotRedrivable", 400),
    )
    assert [type(fact) for fact in it.facts] == [ExecutionChanged]
    assert it.logs == []


async def test_a_redrive_that_may_succeed_later_is_tried_again() -> None:
    """Nothing is noted of it."""
    with pytest.raises(AwsError):
        await done(
            RedriveExecution(JOB, 0),
            requested(),
            FAILED,
            REDRIVE,
            describe=None,
            redrive=AwsError("slow down", "ThrottlingException", 400),
        )


async def test_what_was_never_started_cannot_be_redriven() -> None:
    """Unless it was started after all, by one that stood still for long: then it is as Step Functions says."""
    never = execution("FAILED", arn="")
    it = await done(RedriveExecution(JOB, 0), requested(), never, REDRIVE, describe=None)
    why = "it was never started: run it again as a new job"
    assert it.asked == [("describe", JOB)]
    assert it.facts == (RedriveRefused(job_id=JOB, redrive_count=0, at=LATER, why=why),)
    known = await done(RedriveExecution(JOB, 0), requested(), never, REDRIVE, describe=described())
    assert [type(fact) for fact in known.facts] == [ExecutionChanged]


@pytest.mark.parametrize(
    ("held", "via"),
    [
        ((execution("RUNNING"),), "sweep"),
        ((), "sweep"),
        ((execution("FAILED", detailed=False),), "event"),
        ((execution("FAILED", detailed=False, observed_via="request"),), "request"),
    ],
)
async def test_how_an_end_was_heard_of_stays(held: tuple[Fact, ...], via: str) -> None:
    """Asking for the rest of an event is no sweep; and what is answered is all that there is to know."""
    ended = described("FAILED", stopDate=datetime.fromtimestamp(NOW + 60, UTC))
    it = await done(AskExecution(JOB), requested(), *held, describe=ended)
    assert it.facts == (execution("FAILED", observed_via=via, detailed=True),)


async def test_another_machines_execution_is_not_heard() -> None:
    """It has the name of a job of ours."""
    other = described(stateMachineArn=f"{MACHINE}-other")
    assert (await done(AskExecution(JOB), requested(), execution("RUNNING"), describe=other)).facts == ()


async def test_of_earlier_ends_those_are_learnt_that_nobody_was_told_of() -> None:
    """The first was announced, and the last is the present outcome."""
    ends = [
        {"type": kind, "timestamp": datetime.fromtimestamp(NOW + after, UTC)}
        for after, kind in enumerate(("ExecutionFailed", "ExecutionRedriven") * 2 + ("ExecutionAborted",))
    ]
    it = await done(
        AskEarlierEnds(JOB), requested(), execution("ABORTED", redrive_count=2), announced(0), history=[ends]
    )
    assert it.asked == [("history", JOB)]
    assert it.facts == (ended_before(1, status="FAILED", ended_at=NOW + 2),)


async def test_a_claim_is_made_in_ones_own_name() -> None:
    """It knows since when there have been tries."""
    it = await done(Claim(KEY, "announce#0"), requested(), claim("announce#0", "them", NOW))
    assert it.facts == (Claimed(record_key=KEY, what="announce#0", owner="me", at=LATER, seconds=45, since=NOW),)


async def test_a_log_is_archived_and_counted() -> None:
    """How long after its task's end is logged, and what came of it."""
    main, kept = container(), receipt(why="it was cut")
    it = await done(
        ArchiveLog(JOB, "t1", "main"),
        requested(),
        task(containers=(container("proxy"), main)),
        task("t0"),
        archive=kept,
    )
    assert it.asked == [("archive", task(containers=(container("proxy"), main)), main, "me")]
    assert it.facts == (kept,)
    assert it.counted == {"ArchivesDone": 1, "ArchiveBacklogSeconds": 50.5}
    assert it.logs == [
        line(
            "log_archived",
            task_id="t1",
            container="main",
            status="complete",
            why="it was cut",
            lines=2,
            bytes=12,
            seconds=50.5,
        )
    ]


@pytest.mark.parametrize("action", [ArchiveLog(JOB, "t2", "main"), ArchiveLog(JOB, "t1", "proxy")], ids=str)
async def test_a_log_of_nothing_that_is_known_is_a_bug(action: ArchiveLog) -> None:
    """It names what is not there."""
    with pytest.raises(LogNotArchivedError, match=f"{action.task_id}/{action.container}"):
        await done(action, requested(), task(), archive=receipt())


async def test_a_log_is_given_up_by_a_receipt_that_says_so() -> None:
    """And counted, since an alarm hangs on it."""
    it = await done(GiveUpLog(JOB, "t1", "main"), requested(), task())
    why = "it could not be read from CloudWatch in time"
    assert it.facts == (LogArchived(job_id=JOB, task_id="t1", container="main", status="absent", why=why),)
    assert it.counted == {"ArchivesGivenUp": 1}
    assert it.asked == []


LINK = SignedLink("https://signed", NOW + 3600)
TRACED = requested(
    job_type="thumbnails", user="ann", trace=Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)
)


async def test_an_outcome_is_told_linked_counted_and_noted() -> None:
    """By attributes that subscribers filter by, in the order of the job's messages, with the trace."""
    facts = (TRACED, execution("FAILED", attempts=(attempt(passed=False),)), task(containers=(container(exit_code=3),)))
    it = await done(Announce(KEY, 0), *facts, receipt(), link=LINK, publish=None)
    [note] = it.facts
    told = note.model_dump()
    links, [(operation, message)] = it.asked[:-1], it.asked[-1:]
    assert operation == "publish"
    assert links == [("link", "jobferry-logs", f"jobs/{JOB}/logs/1-1/main-t1.log", 3600)]
    assert (message["group"], message["trace_header"]) == (JOB, TRACE_HEADER)
    assert message["notification_id"] == told["notification_id"]
    assert '"url":"https://signed","expires_at":"2023-11-14T23:13:20.000Z"' in message["body"]
    assert message["text"] and message["subject"]
    assert message["attributes"] == {
        "status": "FAILED",
        "job_type": "thumbnails",
        "tenant": "web",
        "failure_class": "application_exit",
        "traceparent": TRACEPARENT,
    }
    assert {name: told[name] for name in ("redrive_count", "status", "at", "ended_at", "failure_class")} == {
        "redrive_count": 0,
        "status": "FAILED",
        "at": LATER,
        "ended_at": NOW + 60,
        "failure_class": "application_exit",
    }
    assert [(item["image"], item["running"]) for item in told["spent"]] == [("echo", 44.0)]
    assert it.counted == {"AnnouncedFailed": 1, "TimeToAnnounce": (40.5,)}
    assert it.logs == [line("job_announced", status="FAILED", notification_id=told["notification_id"], seconds=100.5)]


async def test_an_outcome_that_is_told_by_a_clock_behind_aws_took_no_time() -> None:
    """Not less."""
    it = await done(Announce(KEY, 0), requested(), execution("ABORTED"), now=NOW + 50, publish=None)
    assert it.counted == {"AnnouncedAborted": 1, "TimeToAnnounce": (0.0,)}


async def test_a_rejection_is_told_by_what_its_request_claimed() -> None:
    """What it did not say is empty: a filter policy matches strings."""
    key = RecordKey.of_rejection(MESSAGE)
    it = await done(Announce(key, 0), rejected(claimed_job_id="odd", claimed_tenant="web"), link=LINK, publish=None)
    [_, (_, message)] = it.asked
    assert (message["group"], message["trace_header"]) == (MESSAGE, None)
    assert message["attributes"] == {
        "status": "REJECTED",
        "job_type": "",
        "tenant": "web",
        "failure_class": "",
        "traceparent": "",
    }
    [note] = it.facts
    assert note.model_dump(include={"record_key", "ended_at", "failure_class", "spent"}) == {
        "record_key": {"kind": "rejected", "id": MESSAGE},
        "ended_at": None,
        "failure_class": None,
        "spent": (),
    }
    assert it.counted == {"AnnouncedRejected": 1}
    assert it.logs[0] | {"notification_id": ""} == {
        "event": "job_announced",
        "log_level": "info",
        "job_id": "odd",
        "tenant": "web",
        "status": "REJECTED",
        "notification_id": "",
        "seconds": 100.5,
    }


async def test_who_stood_still_past_its_claim_says_so_in_the_log() -> None:
    """And tells nothing."""
    it = await done(Announce(KEY, 0), requested(), execution("ABORTED"), claim("announce#0", "me", NOW, 60))
    assert (it.facts, it.asked) == ((), [])
    assert it.logs == [{"event": "claim_expired", "log_level": "warning", "job_id": JOB, "what": "announce#0"}]


@pytest.mark.parametrize(
    ("heard", "of_redrive"),
    [
        pytest.param({"status": "ABORTED", "error": CANCELLED, "redriveCount": 2}, 2, id="redriven, and ended by us"),
        pytest.param({"status": "ABORTED", "error": "TheirOwn", "redriveCount": 2}, 1, id="redriven, ended by others"),
        pytest.param({"status": "ABORTED", "redriveCount": 2}, 1, id="redriven, ended without a word"),
        pytest.param({"status": "RUNNING", "error": CANCELLED, "redriveCount": 2}, 1, id="redriven, and runs again"),
        pytest.param(None, 1, id="not known"),
    ],
)
async def test_whose_end_a_stop_was_is_known_by_its_error(heard: dict[str, Any] | None, of_redrive: int) -> None:
    """It may have been redriven since we looked: only an end in our words is that of who asked."""
    answer = heard and described(heard["status"], **{name: heard[name] for name in heard if name != "status"})
    it = await done(
        StopExecution(JOB), requested(), execution("RUNNING", redrive_count=1), CANCEL, stop=None, describe=answer
    )
    assert it.facts[0] == ended_for_ann(of_redrive)
    assert [fact.redrive_count for fact in it.facts[1:] if isinstance(fact, ExecutionChanged)] == [2] * bool(heard)
    assert it.logs == [line("execution_stopped", redrive_count=of_redrive)]


async def test_a_bulks_page_is_for_somebody_else() -> None:
    """To be asked for one here is a bug, which names the record."""
    with pytest.raises(NotABulksError, match=JOB):
        await done(SteerPage(KEY, 0), requested())
