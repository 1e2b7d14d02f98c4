"""What is owed to a job, cell by cell of the table."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from schemas.bulk import BulkFilter
from schemas.plan import Attempt
from service.core.policy import owed as policy
from service.core.policy.actions import (
    Action,
    Announce,
    ArchiveLog,
    AskEarlierEnds,
    AskExecution,
    AskHistory,
    AskTask,
    Claim,
    GiveUpLog,
    StartExecution,
    SteerPage,
    StopTask,
    TellProgress,
)
from service.core.policy.owed import SWEEP, Moment, Patience, is_settled, owed
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.facts import Fact, ProgressTold, WaitsForCapacity
from service.core.record.hearing import forgotten_task
from service.core.record.keys import RecordKey
from tests.support.builders import (
    JOB,
    KEY,
    MESSAGE,
    NOW,
    announced,
    attempt,
    claim,
    container,
    ended_before,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    succeeded,
    task,
    task_arn,
)

ME = "me"
PATIENCE = Patience(task_grace=30, log_deadline=900)
END = NOW + 60  # When the builders' executions end.


def due(*facts: Fact, at: float = END, who: str = ME) -> list[Action]:
    """What is owed to a job of which these facts were heard."""
    return list(owed(record(*facts), Moment(at, who, PATIENCE)))


def _failed(error: str) -> Attempt:
    """An attempt that failed, of which no task is known."""
    return attempt(passed=False, task_arn=None, exit_code=None, error=error)


def _tried(since: float, at: float) -> Fact:
    """A try to archive the log, not the first, by another."""
    return claim("archive#t1", "another", at).model_copy(update={"since": since})


def _renewed(since: float, made: float, at: float) -> Fact:
    """A try that began at `made`, and whose claim was renewed last at `at`."""
    return claim("archive#t1", "another", made).model_copy(update={"since": since}).renewed(at)


def my(what: str, at: float = END, of: RecordKey = KEY) -> Fact:
    """My claim, made a moment ago."""
    return claim(what, ME, at, of=of)


def theirs(what: str, at: float = END, of: RecordKey = KEY) -> Fact:
    """Another's claim."""
    return claim(what, "them", at, of=of)


REJECTED = RecordKey.of_rejection(MESSAGE)
OUTCOME = execution(attempts=(attempt(),))
REDRIVEN = execution("RUNNING", redrive_count=1, redriven_at=END + 100)
AGAIN = execution(redrive_count=1, attempts=(attempt(),))
ANNOUNCE = Announce(KEY, 0)
START = StartExecution(JOB)
ASK = AskExecution(JOB)
ASK_T1 = AskTask(JOB, task_arn())
# The second stage of the job's first redrive is not taken on.
WAITING = WaitsForCapacity(
    job_id=JOB,
    at=END + 110,
    redrive=1,
    wait_seconds=60,
    stage=2,
    attempt=1,
    since=END + 105,
    tries=2,
    failure_class="throttled",
    why="Rate exceeded",
)
STOP_T1 = StopTask(JOB, task_arn())
ARCHIVE = ArchiveLog(JOB, "t1", "main")
ASKED = requested(progress=True)
TELL_START = TellProgress(JOB, ("0:STARTED",))
TOLD = [ProgressTold(job_id=JOB, step=step, at=NOW) for step in ("0:STARTED", "STAGE_FINISHED:1:1")]

MANY = BulkAsked(
    record_key=RecordKey.of_bulk("web", "b"),
    bulk_id="b",
    tenant="web",
    verb="cancel",
    jobs=BulkFilter(status="OPEN"),
    asked_at=NOW,
)
ROWS: dict[str, dict[str, tuple[list[Action], list[Action]]]] = {
    "nobody requested it": {
        "nothing is known": (due(task()), []),
        "an execution that nobody requested": (due(OUTCOME, task()), []),
    },
    "requested, never started": {
        "requested": (due(requested()), [START]),
        "requested, and a task was heard of before the start": (due(requested(), running()), [START]),
        "started": (due(requested(), execution("STARTED")), []),
        "running": (due(requested(), execution("RUNNING"), running()), []),
        "a status that we do not know": (due(requested(), execution("PENDING_REDRIVE"), running()), []),
    },
    "ended, but its output or its error is not known": {
        "succeeded, the output was left out": (due(requested(), execution(detailed=False)), [ASK]),
        "failed, the error was left out": (due(requested(), execution("FAILED", detailed=False)), [ASK]),
        "an incomplete end, and a task that stopped": (
            due(requested(), execution("FAILED", detailed=False), task(), receipt()),
            [ASK],
        ),
    },
    "we are sweeping, and it has not ended": {
        "swept while it runs": (due(requested(), execution("RUNNING"), my(SWEEP)), [ASK]),
        "swept by others": (due(requested(), execution("RUNNING"), theirs(SWEEP)), []),
        "swept while a task runs": (due(requested(), execution("RUNNING"), running(), my(SWEEP)), [ASK, ASK_T1]),
        "swept before it was started": (due(requested(), my(SWEEP)), [START]),
        "swept before its start is known": (due(requested(), running(), my(SWEEP)), [START]),
        "swept after its end": (due(requested(), OUTCOME, running(), my(SWEEP)), [ASK_T1]),
    },
    "ended, and a task was made since: a redrive, not heard of": {
        "a task of a redrive": (
            due(requested(), OUTCOME, task(), receipt(), running("t2", created_at=END + 31), at=END + 40),
            [ASK, AskTask(JOB, task_arn("t2"))],
        ),
        "a task of a redrive, within the grace time": (
            due(requested(), OUTCOME, announced(), running("t2", created_at=END + 1), at=END + 20),
            [ASK],
        ),
        "a task that was made as it ended": (
            due(requested(), OUTCOME, announced(), running(created_at=END), at=END + 20),
            [],
        ),
        "a task that was made as the grace time ended": (
            due(requested(), OUTCOME, announced(), running("t2", created_at=END + 30), at=END + 40),
            [ASK, AskTask(JOB, task_arn("t2")), ASK_T1, StopTask(JOB, task_arn("t2"))],
        ),
        "a task of a redrive that is over": (
            due(requested(), OUTCOME, announced(), task(created_at=END + 31), receipt(), at=END + 40),
            [ASK],
        ),
        "a task of the end's own moment": (
            due(requested(), OUTCOME, running(created_at=END + 29), at=END + 40),
            [ASK, ASK_T1, STOP_T1],
        ),
    },
    "... or a task says that it is of a later redrive": {
        "one that runs": (due(requested(), execution("RUNNING"), running(redrive=1)), [ASK]),
        "one that is over": (due(requested(), OUTCOME, announced(), task(redrive=1), receipt()), [ASK]),
        "one of the same redrive": (due(requested(), REDRIVEN, task(), receipt(), running("t2", redrive=1)), []),
    },
    "... or it waits for capacity in a later redrive": {
        "announced, and it waits": (due(requested(), OUTCOME, task(), receipt(), announced(), WAITING), [ASK]),
        "it is thought to run": (due(requested(), execution("RUNNING"), task(), receipt(), WAITING), [ASK]),
        "the wait is over": (
            due(requested(), OUTCOME, announced(), WAITING, task("t2", created_at=END - 20), receipt("t2")),
            [ASK],
        ),
        "a wait of this redrive": (due(requested(), REDRIVEN, task(), receipt(), WAITING), []),
        "a wait before the end": (
            due(requested(), OUTCOME, task(), receipt(), announced(), WAITING.model_copy(update={"redrive": 0})),
            [],
        ),
    },
    "redriven, and another task does the work of one of before": {
        "another runs": (due(requested(), REDRIVEN, running(), running("t2", redrive=1)), [STOP_T1]),
        "another is over": (
            due(requested(), REDRIVEN, running(), task("t2", redrive=1), receipt("t2")),
            [STOP_T1],
        ),
        "the one of before is stopping": (
            due(requested(), REDRIVEN, running(last_status="STOPPING"), running("t2", redrive=1)),
            [],
        ),
        "another attempt of the same run": (due(requested(), REDRIVEN, task(), receipt(), running(attempt=2)), []),
        "nobody knows which redrive it is of": (
            due(requested(), REDRIVEN, task("t0"), receipt("t0"), running(redrive=None), running("t2", redrive=1)),
            [],
        ),
    },
    "... or nothing says that the one of before reported": {
        "within the grace time": (due(requested(), REDRIVEN, running(), at=END + 129), []),
        "after it": (due(requested(), REDRIVEN, running(), at=END + 130), [STOP_T1]),
        "a later stage runs": (
            due(requested(), REDRIVEN, running(), running("t2", stage=2, redrive=1), at=END + 130),
            [],
        ),
        "a later stage waits for capacity": (due(requested(), REDRIVEN, running(), WAITING, at=END + 130), []),
        "a later stage runs, and another attempt passed": (
            due(
                requested(),
                REDRIVEN,
                running(),
                running("t2", attempt=2),
                running("t3", stage=2, redrive=1),
                at=END + 130,
            ),
            [STOP_T1],
        ),
    },
    "... or nobody told of one of the run before": {
        "none": (due(requested(), REDRIVEN), [AskHistory(JOB)]),
        "one of this run": (due(requested(), REDRIVEN, running(redrive=1)), [AskHistory(JOB)]),
        "none, and nobody knows when it was redriven": (
            due(requested(), execution("RUNNING", redrive_count=1), running(redrive=1), at=END + 9999),
            [AskHistory(JOB)],
        ),
        "one of the run before that": (
            due(requested(), REDRIVEN.model_copy(update={"redrive_count": 2}), task(), receipt()),
            [AskHistory(JOB)],
        ),
        "one of the run before, which is over": (
            due(requested(), REDRIVEN.model_copy(update={"redrive_count": 2}), task(redrive=1), receipt()),
            [],
        ),
        "none, and the grace time is over": (due(requested(), REDRIVEN, running(redrive=1), at=END + 130), []),
        "one of before, and we sweep": (
            due(requested(), REDRIVEN, task(), receipt(), my(SWEEP)),
            [ASK, AskHistory(JOB)],
        ),
    },
    "a task is open: we are sweeping, or the grace time is over": {
        "a task is open, within the grace time": (due(requested(), OUTCOME, running(), at=END + 29.9), []),
        "a task is open, after it": (due(requested(), OUTCOME, running(), at=END + 30), [ASK_T1, ASK, STOP_T1]),
        "a task was only named, within the grace time": (due(requested(), OUTCOME, at=END), []),
        "a task was only named, after it": (due(requested(), OUTCOME, at=END + 30), [ASK_T1]),
        "an end without a time, and a task is open": (
            due(requested(), execution(stopped_at=None, attempts=(attempt(),)), running(), at=END),
            [ASK, ASK_T1, STOP_T1],
        ),
    },
    "... or there may be one that nobody told of": {
        "swept, and a stage timed out whose task nobody told of": (
            due(requested(), execution("FAILED", attempts=(_failed("States.Timeout"),)), my(SWEEP)),
            [AskHistory(JOB)],
        ),
        "the grace time is over, and it was aborted": (
            due(requested(), execution("ABORTED"), announced(), at=END + 30),
            [AskHistory(JOB)],
        ),
        "the grace time is not over": (due(requested(), execution("ABORTED"), announced(), at=END + 29), []),
    },
    "... ended, the grace time is over, and it is not stopping": {
        "a task waits for capacity": (
            due(requested(), OUTCOME, running(last_status="PROVISIONING"), at=END + 30),
            [ASK_T1, ASK, STOP_T1],
        ),
        "a task is stopping already": (
            due(requested(), OUTCOME, running(last_status="STOPPING"), at=END + 30),
            [ASK_T1],
        ),
        "a task ends while the job goes on": (due(requested(), execution("RUNNING"), running(), at=END + 9999), []),
    },
    "... but it reported its success, and tidies up": {
        "it reported its success, and tidies up": (
            due(
                requested(integration="callback"),
                execution(attempts=(attempt(task_arn=None, exit_code=None),)),
                running(),
                at=END + 899,
            ),
            [ASK_T1],
        ),
        "... for too long": (
            due(
                requested(integration="callback"),
                execution(attempts=(attempt(task_arn=None, exit_code=None),)),
                running(),
                at=END + 900,
            ),
            [ASK_T1, ASK, STOP_T1],
        ),
    },
    "it asked for progress, and has come further than was told": {
        "started, and it asked": (due(ASKED, execution("STARTED")), [TELL_START]),
        "requested, and it asked": (due(ASKED), [START]),
        "a stage finished": (
            due(ASKED, execution("RUNNING"), task()),
            [TellProgress(JOB, ("0:STARTED", "STAGE_FINISHED:1:1")), Claim(KEY, "archive#t1")],
        ),
        "a stage finished, and nobody asked": (due(requested(), execution("RUNNING"), task(), receipt()), []),
        "all that it was told": (due(ASKED, execution("RUNNING"), task(), receipt(), *TOLD), []),
        "swept, and it asked": (due(ASKED, execution("RUNNING"), my(SWEEP)), [ASK, TELL_START]),
        "an outcome, and it asked": (
            due(ASKED, OUTCOME, task(), receipt(), TOLD[0]),
            [TellProgress(JOB, ("STAGE_FINISHED:1:1",)), Claim(KEY, "announce#0")],
        ),
        "an outcome that I announce, and progress that cannot be told": (
            due(ASKED, OUTCOME, task(), receipt(), TOLD[0], my("announce#0")),
            [TellProgress(JOB, ("STAGE_FINISHED:1:1",)), ANNOUNCE],
        ),
    },
    "... but the outcome was announced, or is about to be": {
        "an outcome that others announce, and it asked": (
            due(ASKED, OUTCOME, task(), receipt(), theirs("announce#0")),
            [],
        ),
        "an outcome that others should have announced, and it asked": (
            due(ASKED, OUTCOME, task(), receipt(), *TOLD[1:], theirs("announce#0"), at=END + 61),
            [TELL_START, Claim(KEY, "announce#0")],
        ),
        "an outcome that was announced, and it asked": (due(ASKED, OUTCOME, task(), receipt(), announced()), []),
        "a redrive of it, and it asked": (
            due(ASKED, execution("RUNNING", redrive_count=1), task(), receipt(), announced(), *TOLD),
            [TellProgress(JOB, ("1:STARTED",))],
        ),
    },
    "a task stopped, a log not archived": {
        "a log is not archived": (due(requested(), execution("RUNNING"), task()), [Claim(KEY, "archive#t1")]),
        "a log that I archive": (due(requested(), execution("RUNNING"), task(), my("archive#t1")), [ARCHIVE]),
        "a log that others archive": (due(requested(), execution("RUNNING"), task(), theirs("archive#t1")), []),
        "a log that others should have archived": (
            due(requested(), execution("RUNNING"), task(), theirs("archive#t1", NOW), at=NOW + 61),
            [Claim(KEY, "archive#t1")],
        ),
        "only the logs that are missing": (
            due(
                requested(),
                execution("RUNNING"),
                task(containers=(container("sidecar"), container())),
                receipt("t1", "sidecar"),
                my("archive#t1"),
            ),
            [ARCHIVE],
        ),
        "a task that runs has no log to archive yet": (due(requested(), execution("RUNNING"), running()), []),
    },
    "... after tries for longer than the deadline": {
        "a log that nobody could archive": (
            due(requested(), execution("RUNNING"), task(), _tried(NOW, NOW + 901), at=NOW + 962),
            [GiveUpLog(JOB, "t1", "main")],
        ),
        "its last try, which may yet succeed": (
            due(requested(), execution("RUNNING"), task(), _tried(NOW, NOW + 901), at=NOW + 961),
            [],
        ),
        "a try before the deadline, which is not the last": (
            due(requested(), execution("RUNNING"), task(), _tried(NOW, NOW + 900), at=NOW + 9999),
            [Claim(KEY, "archive#t1")],
        ),
        "a long try that began before the deadline, and whose worker died after it": (
            due(requested(), execution("RUNNING"), task(), _renewed(NOW, NOW + 800, NOW + 1200), at=NOW + 1261),
            [Claim(KEY, "archive#t1")],
        ),
        "a long try that goes on": (
            due(requested(), execution("RUNNING"), task(), _renewed(NOW, NOW + 901, NOW + 1200), at=NOW + 1259),
            [],
        ),
        "a long last try that came to nothing": (
            due(requested(), execution("RUNNING"), task(), _renewed(NOW, NOW + 901, NOW + 1200), at=NOW + 1261),
            [GiveUpLog(JOB, "t1", "main")],
        ),
        "a log that waited for us in an outage": (
            due(requested(), execution("RUNNING"), task(), at=NOW + 9999),
            [Claim(KEY, "archive#t1")],
        ),
        "a log of a task without times": (
            due(requested(), OUTCOME, task(stopped_at=None)),
            [Claim(KEY, "archive#t1")],
        ),
    },
    "ended, every known task settled, not announced": {
        "an outcome": (due(requested(), OUTCOME, task(), receipt()), [Claim(KEY, "announce#0")]),
        "an outcome that I announce": (due(requested(), OUTCOME, task(), receipt(), my("announce#0")), [ANNOUNCE]),
        "an outcome that others announce": (due(requested(), OUTCOME, task(), receipt(), theirs("announce#0")), []),
        "an outcome that others should have announced": (
            due(requested(), OUTCOME, task(), receipt(), theirs("announce#0"), at=END + 61),
            [Claim(KEY, "announce#0")],
        ),
        "an outcome that was announced": (due(requested(), OUTCOME, task(), receipt(), announced()), []),
        "announced, and swept again": (due(requested(), OUTCOME, task(), receipt(), announced(), my(SWEEP)), []),
        "a failure without any task": (due(requested(), execution("FAILED")), [Claim(KEY, "announce#0")]),
        "an outcome, a task open": (due(requested(), execution("FAILED"), running()), []),
        "an outcome, and one of two attempts' logs": (
            due(requested(), execution("FAILED", attempts=(attempt(), attempt(1, 2))), task(), receipt(), task("t1-2")),
            [Claim(KEY, "archive#t1-2")],
        ),
        "a log with an absent receipt is settled": (
            due(requested(), OUTCOME, task(), receipt(status="absent")),
            [Claim(KEY, "announce#0")],
        ),
        "a redrive's outcome": (
            due(
                requested(),
                execution("SUCCEEDED", redrive_count=1, attempts=(attempt(),)),
                task(),
                receipt(),
                announced(0),
                my("announce#1"),
            ),
            [Announce(KEY, 1)],
        ),
        "a redrive that runs": (due(requested(), execution("RUNNING", redrive_count=1), task(), receipt()), []),
    },
    "... but there may be a task that nobody told of": {
        "a stage reported back before ECS told of its task": (
            due(requested(integration="callback"), execution(attempts=(attempt(task_arn=None, exit_code=None),))),
            [],
        ),
        "ECS told of none of the run before a redrive": (
            due(requested(), AGAIN, task(redrive=1), receipt()),
            [AskEarlierEnds(JOB)],
        ),
        "ECS never told of it": (
            due(
                requested(integration="callback"),
                execution(attempts=(attempt(task_arn=None, exit_code=None),)),
                at=END + 30,
            ),
            [AskHistory(JOB), Claim(KEY, "announce#0")],
        ),
        "ECS told of it": (
            due(
                requested(integration="callback"),
                execution(attempts=(attempt(task_arn=None, exit_code=None),)),
                task(),
                receipt(),
            ),
            [Claim(KEY, "announce#0")],
        ),
        "an attempt that never had a task, since RunTask refused it": (
            due(requested(), execution("FAILED", attempts=(_failed("ECS.AmazonECSException"),))),
            [Claim(KEY, "announce#0")],
        ),
        "a stage that timed out, whose task nobody told of": (
            due(requested(), execution("FAILED", attempts=(_failed("States.Timeout"),))),
            [],
        ),
        "the same, and the grace time is over": (
            due(requested(), execution("FAILED", attempts=(_failed("States.Timeout"),)), at=END + 30),
            [AskHistory(JOB), Claim(KEY, "announce#0")],
        ),
        "an execution that was aborted, which has no outcome to name its tasks": (
            due(requested(), execution("ABORTED"), task(), receipt()),
            [],
        ),
        "the same execution, and the grace time is over": (
            due(requested(), execution("ABORTED"), task(), receipt(), at=END + 30),
            [AskHistory(JOB), Claim(KEY, "announce#0")],
        ),
        "ended from outside, and no task is known": (due(requested(), execution("ABORTED"), at=END + 29), []),
        "... nor told of in time": (
            due(requested(), execution("ABORTED"), at=END + 30),
            [AskHistory(JOB), Claim(KEY, "announce#0")],
        ),
    },
    "... but ECS forgot a task whose event may wait in a queue": {
        "ECS has forgotten a task, whose event may wait in a queue": (
            due(requested(), OUTCOME, forgotten_task(JOB, task_arn(), END), at=END + 899),
            [],
        ),
        "the same, and there was time for all of the queue": (
            due(requested(), OUTCOME, forgotten_task(JOB, task_arn(), END), at=END + 900),
            [Claim(KEY, "announce#0")],
        ),
    },
    "redriven from an outcome that nobody was told of, settled": {
        "nobody was told": (due(requested(), AGAIN, task(), receipt(), my("announce#1")), [AskEarlierEnds(JOB)]),
        "how it was is known": (
            due(requested(), AGAIN, task(), receipt(), ended_before(), my("announce#1")),
            [Announce(KEY, 1)],
        ),
        "it was told of": (
            due(requested(), AGAIN, task(), receipt(), announced(), my("announce#1")),
            [Announce(KEY, 1)],
        ),
        "a log is on its way": (due(requested(), AGAIN, task(), theirs("archive#t1")), []),
    },
    "... and Step Functions does not say how that was": {
        "within the deadline": (
            due(requested(), AGAIN, task(), receipt(), my("announce#1"), at=END + 899),
            [AskEarlierEnds(JOB)],
        ),
        "after it": (
            due(requested(), AGAIN, task(), receipt(), my("announce#1"), at=END + 900),
            [AskEarlierEnds(JOB), Announce(KEY, 1)],
        ),
    },
    "rejected, not announced": {
        "rejected": (due(rejected()), [Claim(REJECTED, "announce#0")]),
        "rejected, and I announce it": (due(rejected(), my("announce#0", of=REJECTED)), [Announce(REJECTED, 0)]),
        "rejected, and others announce it": (due(rejected(), theirs("announce#0", of=REJECTED)), []),
        "rejected and announced": (due(rejected(), announced(of=REJECTED)), []),
    },
    "asked for of many jobs, and not over": {
        "asked for": (due(MANY), [Claim(MANY.record_key, "bulk")]),
        "asked for, and I am at it": (
            due(MANY, my("bulk", of=MANY.record_key)),
            [SteerPage(MANY.record_key, 0)],
        ),
        "asked for, and others are at it": (due(MANY, theirs("bulk", of=MANY.record_key)), []),
        "over": (
            due(MANY, BulkProgressed(record_key=MANY.record_key, page=7, at=NOW, finished_at=NOW)),
            [],
        ),
    },
}
CASES = [pytest.param(*case, id=name) for cases in ROWS.values() for name, case in cases.items()]
ACTIONS = {action.__name__: action for action in get_args(Action)}


@pytest.mark.parametrize(("actual", "expected"), CASES)
def test_the_table(actual: list[Action], expected: list[Action]) -> None:
    """Each row of the policy, on both sides of its edge."""
    assert actual == expected


def told() -> dict[str, str]:
    """The table that the policy's docstring holds: what the record says, and what is owed."""
    lines = [line.split("|") for line in str(policy.__doc__).splitlines() if line.startswith("| ")]
    return {cells[1].strip(): cells[2].strip() for cells in lines[1:]}


def kinds(row: str) -> list[type[Action]]:
    """The actions that a row names, or the nearest row above it that names any."""
    rows = list(told())
    named = ([ACTIONS[word] for word in re.findall(r"\w+", told()[name]) if word in ACTIONS] for name in rows)
    above = [found for name, found in zip(rows, named, strict=True) if rows.index(name) <= rows.index(row) and found]
    return above[-1] if above else list(ACTIONS.values())


def test_the_docstring_tells_of_every_row_and_of_no_other() -> None:
    """The table that people read is the one that is tested."""
    assert list(told()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_true(row: str) -> None:
    """What a row names is owed in one of its cases; where it says nothing, or only later, there is a case of that."""
    owing = [[isinstance(action, tuple(kinds(row))) for action in actual] for actual, _ in ROWS[row].values()]
    if re.search("nothing|that, after|only", told()[row]):
        assert any(not any(case) for case in owing)
    else:
        found = {type(action) for actual, _ in ROWS[row].values() for action in actual}
        assert found >= set(kinds(row))
    if "after" in told()[row]:
        assert any(any(case) for case in owing)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_every_end_is_announced(status: str) -> None:
    """Whatever the end, somebody waits to hear of it."""
    assert ANNOUNCE in due(requested(), execution(status), task(), receipt(), my("announce#0"), at=END + 30)


@pytest.mark.parametrize("status", ["STARTED", "RUNNING", "PENDING_REDRIVE", "SOMETHING_NEW"])
def test_nothing_else_is_announced(status: str) -> None:
    """However long it takes."""
    job = (requested(), execution(status), task(), receipt(), my("announce#0"))
    assert due(*job, at=NOW + 10**6) == []


def test_settled_is_what_is_known_and_not_how_long_it_took() -> None:
    """An end in all its detail, its tasks stopped, their logs in S3 or given up."""
    assert is_settled(succeeded())
    assert not is_settled(record(requested()))
    assert not is_settled(record(requested(), execution("RUNNING"), task(), receipt()))
    assert not is_settled(record(requested(), OUTCOME, task()))
    assert not is_settled(record(requested(), OUTCOME))
