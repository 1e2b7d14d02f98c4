"""What is owed to a job, cell by cell of the table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan import Attempt
from service.core.policy.actions import (
    Action,
    Announce,
    ArchiveLog,
    AskExecution,
    AskHistory,
    AskTask,
    Claim,
    GiveUpLog,
    NoteOverfull,
    StartExecution,
    StopTask,
    TellProgress,
)
from service.core.policy.owed import SWEEP, Moment, Patience, is_settled, owed
from service.core.record.facts import Fact, Overfull, ProgressTold
from service.core.record.hearing import forgotten_task
from service.core.record.record import Record, merge_all
from tests.support.builders import (
    JOB,
    MESSAGE,
    NOW,
    announced,
    attempt,
    claim,
    container,
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
from tests.unit.test_record import FACTS

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


def my(what: str, at: float = END, job_id: str = JOB) -> Fact:
    """My claim, made a moment ago."""
    return claim(what, ME, at, job_id=job_id)


def theirs(what: str, at: float = END, job_id: str = JOB) -> Fact:
    """Another's claim."""
    return claim(what, "them", at, job_id=job_id)


OUTCOME = execution(attempts=(attempt(),))
ANNOUNCE = Announce(JOB, 0)
START = StartExecution(JOB, "{}")
ASK = AskExecution(JOB)
ASK_T1 = AskTask(JOB, task_arn())
STOP_T1 = StopTask(JOB, task_arn())
ARCHIVE = ArchiveLog(JOB, "t1", "main")
ASKED = requested(progress=True)
TELL_START = TellProgress(JOB, ("0:STARTED",))
TOLD = [ProgressTold(job_id=JOB, step=step, at=NOW) for step in ("0:STARTED", "STAGE_FINISHED:1:1")]

TABLE: dict[str, tuple[list[Action], list[Action]]] = {
    "nothing is known": (due(task()), []),
    "an execution that nobody requested": (due(OUTCOME, task()), []),
    # Requested, never started.
    "requested": (due(requested()), [START]),
    "requested, and a task was heard of before the start": (due(requested(), running()), [START]),
    "started": (due(requested(), execution("STARTED")), []),
    "running": (due(requested(), execution("RUNNING"), running()), []),
    "a status that we do not know": (due(requested(), execution("PENDING_REDRIVE"), running()), []),
    # Ended, but its output or its error is not known.
    "succeeded, the output was left out": (due(requested(), execution(detailed=False)), [ASK]),
    "failed, the error was left out": (due(requested(), execution("FAILED", detailed=False)), [ASK]),
    "an incomplete end, and a task that stopped": (
        due(requested(), execution("FAILED", detailed=False), task(), receipt()),
        [ASK],
    ),
    # We are sweeping, and it has not ended.
    "swept while it runs": (due(requested(), execution("RUNNING"), my(SWEEP)), [ASK]),
    "swept by others": (due(requested(), execution("RUNNING"), theirs(SWEEP)), []),
    "swept while a task runs": (due(requested(), execution("RUNNING"), running(), my(SWEEP)), [ASK, ASK_T1]),
    "swept before it was started": (due(requested(), my(SWEEP)), [START]),
    "swept after its end": (due(requested(), OUTCOME, running(), my(SWEEP)), [ASK_T1]),
    # Ended, and a task was started since: a redrive that we have not heard of.
    "a task of a redrive": (
        due(requested(), OUTCOME, task(), receipt(), running("t2", created_at=END + 31), at=END + 40),
        [ASK, AskTask(JOB, task_arn("t2"))],
    ),
    "a task of a redrive, within the grace time": (
        due(requested(), OUTCOME, announced(), running("t2", created_at=END + 1), at=END + 20),
        [ASK],
    ),
    "a task of a redrive that is over": (
        due(requested(), OUTCOME, announced(), task(created_at=END + 31), receipt(), at=END + 40),
        [ASK],
    ),
    "a task of the end's own moment": (
        due(requested(), OUTCOME, running(created_at=END + 29), at=END + 40),
        [ASK, ASK_T1, STOP_T1],
    ),
    # A task is open: we are sweeping, or the grace time is over.
    "a task is open, within the grace time": (due(requested(), OUTCOME, running(), at=END + 29.9), []),
    "a task is open, after it": (due(requested(), OUTCOME, running(), at=END + 30), [ASK_T1, ASK, STOP_T1]),
    "a task was only named, within the grace time": (due(requested(), OUTCOME, at=END), []),
    "a task was only named, after it": (due(requested(), OUTCOME, at=END + 30), [ASK_T1]),
    "an end without a time, and a task is open": (
        due(requested(), execution(stopped_at=None, attempts=(attempt(),)), running(), at=END),
        [ASK, ASK_T1, STOP_T1],
    ),
    # A task still runs after the execution's end and grace time.
    "a task waits for capacity": (
        due(requested(), OUTCOME, running(last_status="PROVISIONING"), at=END + 30),
        [ASK_T1, ASK, STOP_T1],
    ),
    "a task is stopping already": (due(requested(), OUTCOME, running(last_status="STOPPING"), at=END + 30), [ASK_T1]),
    "a task ends while the job goes on": (due(requested(), execution("RUNNING"), running(), at=END + 9999), []),
    # It asked for progress, and has come further than was told.
    "started, and it asked": (due(ASKED, execution("STARTED")), [TELL_START]),
    "requested, and it asked": (due(ASKED), [START]),
    "a stage finished": (
        due(ASKED, execution("RUNNING"), task()),
        [TellProgress(JOB, ("0:STARTED", "STAGE_FINISHED:1:1")), Claim(JOB, "archive#t1")],
    ),
    "a stage finished, and nobody asked": (due(requested(), execution("RUNNING"), task(), receipt()), []),
    "all that it was told": (due(ASKED, execution("RUNNING"), task(), receipt(), *TOLD), []),
    "swept, and it asked": (due(ASKED, execution("RUNNING"), my(SWEEP)), [ASK, TELL_START]),
    "an outcome, and it asked": (
        due(ASKED, OUTCOME, task(), receipt(), TOLD[0]),
        [TellProgress(JOB, ("STAGE_FINISHED:1:1",)), Claim(JOB, "announce#0")],
    ),
    "an outcome that I announce, and progress that cannot be told": (
        due(ASKED, OUTCOME, task(), receipt(), TOLD[0], my("announce#0")),
        [TellProgress(JOB, ("STAGE_FINISHED:1:1",)), ANNOUNCE],
    ),
    # ... but the outcome was announced, or is about to be.
    "an outcome that others announce, and it asked": (
        due(ASKED, OUTCOME, task(), receipt(), theirs("announce#0")),
        [],
    ),
    "an outcome that others should have announced, and it asked": (
        due(ASKED, OUTCOME, task(), receipt(), *TOLD[1:], theirs("announce#0"), at=END + 61),
        [TELL_START, Claim(JOB, "announce#0")],
    ),
    "an outcome that was announced, and it asked": (due(ASKED, OUTCOME, task(), receipt(), announced()), []),
    "a redrive of it, and it asked": (
        due(ASKED, execution("RUNNING", redrive_count=1), task(), receipt(), announced(), *TOLD),
        [TellProgress(JOB, ("1:STARTED",))],
    ),
    # A task stopped, a log not archived.
    "a log is not archived": (due(requested(), execution("RUNNING"), task()), [Claim(JOB, "archive#t1")]),
    "a log that I archive": (due(requested(), execution("RUNNING"), task(), my("archive#t1")), [ARCHIVE]),
    "a log that others archive": (due(requested(), execution("RUNNING"), task(), theirs("archive#t1")), []),
    "a log that others should have archived": (
        due(requested(), execution("RUNNING"), task(), theirs("archive#t1", NOW), at=NOW + 61),
        [Claim(JOB, "archive#t1")],
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
    # ... after tries for longer than the deadline.
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
        [Claim(JOB, "archive#t1")],
    ),
    "a long try that began before the deadline, and whose worker died after it": (
        due(requested(), execution("RUNNING"), task(), _renewed(NOW, NOW + 800, NOW + 1200), at=NOW + 1261),
        [Claim(JOB, "archive#t1")],
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
        [Claim(JOB, "archive#t1")],
    ),
    "a log of a task without times": (
        due(requested(), OUTCOME, task(stopped_at=None)),
        [Claim(JOB, "archive#t1")],
    ),
    # Ended, every known task settled, not announced.
    "an outcome": (due(requested(), OUTCOME, task(), receipt()), [Claim(JOB, "announce#0")]),
    "an outcome that I announce": (due(requested(), OUTCOME, task(), receipt(), my("announce#0")), [ANNOUNCE]),
    "an outcome that others announce": (due(requested(), OUTCOME, task(), receipt(), theirs("announce#0")), []),
    "an outcome that others should have announced": (
        due(requested(), OUTCOME, task(), receipt(), theirs("announce#0"), at=END + 61),
        [Claim(JOB, "announce#0")],
    ),
    "an outcome that was announced": (due(requested(), OUTCOME, task(), receipt(), announced()), []),
    "announced, and swept again": (due(requested(), OUTCOME, task(), receipt(), announced(), my(SWEEP)), []),
    "ended from outside, and no task is known": (due(requested(), execution("ABORTED"), at=END + 29), []),
    "... nor told of in time": (
        due(requested(), execution("ABORTED"), at=END + 30),
        [AskHistory(JOB), Claim(JOB, "announce#0")],
    ),
    "a failure without any task": (due(requested(), execution("FAILED")), [Claim(JOB, "announce#0")]),
    "an outcome, a task open": (due(requested(), execution("FAILED"), running()), []),
    "an outcome, and one of two attempts' logs": (
        due(requested(), execution("FAILED", attempts=(attempt(), attempt(1, 2))), task(), receipt(), task("t1-2")),
        [Claim(JOB, "archive#t1-2")],
    ),
    "a log with an absent receipt is settled": (
        due(requested(), OUTCOME, task(), receipt(status="absent")),
        [Claim(JOB, "announce#0")],
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
        [Announce(JOB, 1)],
    ),
    "a redrive that runs": (due(requested(), execution("RUNNING", redrive_count=1), task(), receipt()), []),
    # ... but the task of a stage that reported back is not known.
    "a stage reported back before ECS told of its task": (
        due(requested(integration="callback"), execution(attempts=(attempt(task_arn=None, exit_code=None),))),
        [],
    ),
    "ECS never told of it": (
        due(
            requested(integration="callback"),
            execution(attempts=(attempt(task_arn=None, exit_code=None),)),
            at=END + 30,
        ),
        [AskHistory(JOB), Claim(JOB, "announce#0")],
    ),
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
    "ECS told of it": (
        due(
            requested(integration="callback"),
            execution(attempts=(attempt(task_arn=None, exit_code=None),)),
            task(),
            receipt(),
        ),
        [Claim(JOB, "announce#0")],
    ),
    "an attempt that never had a task, since RunTask refused it": (
        due(requested(), execution("FAILED", attempts=(_failed("ECS.AmazonECSException"),))),
        [Claim(JOB, "announce#0")],
    ),
    "a stage that timed out, whose task nobody told of": (
        due(requested(), execution("FAILED", attempts=(_failed("States.Timeout"),))),
        [],
    ),
    "the same, and the grace time is over": (
        due(requested(), execution("FAILED", attempts=(_failed("States.Timeout"),)), at=END + 30),
        [AskHistory(JOB), Claim(JOB, "announce#0")],
    ),
    "ECS has forgotten a task, whose event may wait in a queue": (
        due(requested(), OUTCOME, forgotten_task(JOB, task_arn(), END), at=END + 899),
        [],
    ),
    "the same, and there was time for all of the queue": (
        due(requested(), OUTCOME, forgotten_task(JOB, task_arn(), END), at=END + 900),
        [Claim(JOB, "announce#0")],
    ),
    "an execution that was aborted, which has no outcome to name its tasks": (
        due(requested(), execution("ABORTED"), task(), receipt()),
        [],
    ),
    "the same execution, and the grace time is over": (
        due(requested(), execution("ABORTED"), task(), receipt(), at=END + 30),
        [AskHistory(JOB), Claim(JOB, "announce#0")],
    ),
}


@pytest.mark.parametrize(("actual", "expected"), TABLE.values(), ids=TABLE)
def test_the_table(actual: list[Action], expected: list[Action]) -> None:
    """Each row of the policy, on both sides of its edge."""
    assert actual == expected


OF_REJECTION = f"rejected:{MESSAGE}"


def test_a_rejection_is_announced_under_a_claim() -> None:
    """Like any outcome, and nothing else is owed to it."""
    assert due(rejected()) == [Claim(OF_REJECTION, "announce#0")]
    assert due(rejected(), my("announce#0", job_id=OF_REJECTION)) == [Announce(OF_REJECTION, 0)]
    assert due(rejected(), theirs("announce#0", job_id=OF_REJECTION)) == []
    assert due(rejected(), announced(job_id=OF_REJECTION)) == []


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


def replace_request(job: Record, **fields: object) -> Record:
    """The same job with another request, if it has one."""
    if job.request is None:
        return job
    return replace(job, registers={**job.registers, "request": job.request.model_copy(update=fields)})


ANYTHING = st.one_of(
    FACTS,
    st.builds(claim, st.sampled_from([SWEEP, "announce#0", "announce#1", "archive#t1"]), st.sampled_from(["me", "b"])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANYTHING, max_size=10), st.floats(NOW, NOW + 10_000), st.booleans())
def test_no_record_is_owed_two_things_that_exclude_each_other(facts: list[Fact], now: float, asked: bool) -> None:
    """Nothing is announced while anything else is owed, nor what was announced before; nothing is owed twice.

    Of progress nothing is told after that, and it changes nothing in what is owed beside it.
    """
    job = merge_all(Record(JOB), facts)
    actions = owed(job, Moment(now, ME, PATIENCE))
    if asked:
        curious = replace_request(job, progress=True)
        told = owed(curious, Moment(now, ME, PATIENCE))
        assert [action for action in told if not isinstance(action, TellProgress)] == list(actions)
        assert job.announced is None or told == actions
    assert len(set(actions)) == len(actions)
    assert all(action.job_id == JOB for action in actions)
    if any(isinstance(action, Announce) for action in actions):
        assert len(actions) == 1
        assert job.announced is None
    if any(isinstance(action, StartExecution) for action in actions):
        assert job.execution is None


@settings(max_examples=300, deadline=None)
@given(st.lists(FACTS, max_size=10))
def test_no_ended_job_waits_for_ever(facts: list[Fact]) -> None:
    """A day after its end, a job that was not announced is owed something by whoever sweeps it."""
    job = merge_all(Record(JOB), [requested(), *facts, claim(SWEEP, ME)])
    if job.announced is None:
        assert owed(job, Moment(NOW + 86_400, ME, PATIENCE))


FULL = Overfull(job_id=JOB, at=NOW)
ENDLESS: dict[str, tuple[tuple[Fact, ...], float, list[Action]]] = {
    "a record that is nearly full": ((requested(), execution("RUNNING"), task(), receipt()), NOW, [NoteOverfull(JOB)]),
    "noted, and the job runs": ((ASKED, execution("RUNNING"), running(), task("t2", stage=2), FULL), NOW, []),
    "noted, and swept": ((requested(), execution("RUNNING"), running(), my(SWEEP), FULL), NOW, [ASK]),
    "noted, and its outcome was left out": ((requested(), execution(detailed=False), running(), FULL), NOW, [ASK]),
    "noted, and over": ((requested(), OUTCOME, running(), task("t2", stage=2), FULL), END, [Claim(JOB, "announce#0")]),
    "noted, over, and announced": ((requested(), OUTCOME, running(), FULL, announced()), END, []),
}


@pytest.mark.parametrize(("facts", "at", "actions"), ENDLESS.values(), ids=ENDLESS)
def test_a_record_without_room_is_told_to_its_end(facts: tuple[Fact, ...], at: float, actions: list[Action]) -> None:
    """What of tasks and logs no longer fits is let go, so that the outcome fits: it is announced, and never stuck."""
    job = replace(record(*facts), size=300_000)
    assert list(owed(job, Moment(at, ME, PATIENCE))) == actions
