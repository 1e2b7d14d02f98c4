"""What the policy needs of a record: when the head is enough, what a write carries, and which receipt is the last."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.plan import CANCELLED, START_REFUSED
from service.core.policy.outcome import AttemptOutcome, stages_of
from service.core.policy.owed import (
    SWEEP,
    Moment,
    Patience,
    carried_by,
    claimed_with,
    is_last_receipt,
    is_settled,
    may_be_the_last,
    must_be_whole,
)
from service.core.record.facts import Claimed, ExecutionChanged, Fact, TaskChanged
from service.core.record.hearing import forgotten_task, left_unstarted, named_tasks, never_started
from service.core.record.record import Record, Tally
from service.core.record.register_names import archiving, marker_of, task_of_register
from tests.support.builders import (
    JOB,
    KEY,
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
    task,
    task_arn,
)

AT = Moment(NOW + 7, "me", Patience(claim=45))
BRIEF, CURIOUS = requested().in_brief(), requested(progress=True)
BESIDE, OWED = Tally(changes=2, stops=1), Tally(changes=1, stops=1, logs_owed=frozenset({"t1"}))
ENDED = execution(attempts=tuple(attempt(1, number) for number in range(1, 5)))


def test_how_long_is_waited_for_what_unless_it_is_said() -> None:
    """Half a minute for tasks, a quarter of an hour for logs, and a claim for a minute."""
    assert Patience() == Patience(task_grace=30, log_deadline=900, claim=60)
    assert Moment(NOW, "me").patience == Patience()


SWEPT = claim(SWEEP, "me", NOW + 7)
LONG_ENDED = execution(stopped_at=NOW - 23)
WHOLE: dict[str, tuple[Record, bool]] = {
    "it is requested": (record(BRIEF), False),
    "it runs": (replace(record(BRIEF, execution("RUNNING")), tally=BESIDE), False),
    "it runs, and we sweep": (replace(record(BRIEF, execution("RUNNING"), SWEPT), tally=BESIDE), True),
    "it runs, we sweep, and no task has stopped": (record(BRIEF, execution("RUNNING"), SWEPT), False),
    "it was redriven, and a task lies beside the head": (
        replace(record(BRIEF, execution("RUNNING", redrive_count=1)), tally=BESIDE),
        True,
    ),
    "it was redriven, and all is here": (record(BRIEF, execution("RUNNING", redrive_count=1), task()), False),
    "it ended, and a task lies beside the head": (replace(record(BRIEF, execution()), tally=BESIDE), True),
    "it ended, and some of what changed there is not seen": (
        replace(record(BRIEF, execution(), task()), tally=BESIDE, seen=1, kept_beside=frozenset({"t1"})),
        True,
    ),
    "it ended, and what lies there is seen": (
        replace(record(BRIEF, execution(), task()), tally=BESIDE, seen=2, kept_beside=frozenset({"t1"})),
        False,
    ),
    "it ended, and a log is owed": (replace(record(BRIEF, execution()), tally=OWED), False),
    "it ended, a log is owed, and we sweep": (replace(record(BRIEF, execution(), SWEPT), tally=OWED), True),
    "it ended long ago, and a log is owed": (replace(record(BRIEF, LONG_ENDED), tally=OWED), True),
    "it ended, and its attempts lie beside the head": (record(BRIEF, ENDED.in_brief()), True),
    "it ended, and all is in the head": (record(BRIEF, ENDED), False),
    "progress is told, by the whole request": (record(CURIOUS, execution("RUNNING")), False),
    "progress is told, and the request is brief": (record(CURIOUS.in_brief(), execution("RUNNING")), True),
    "progress is told, and a task lies beside the head": (replace(record(CURIOUS), tally=OWED), True),
    "nobody requested it": (record(execution("RUNNING")), False),
}


@pytest.mark.parametrize(("job", "must"), WHOLE.values(), ids=WHOLE)
def test_when_a_head_is_not_enough(job: Record, must: bool) -> None:
    """To decide on an end, on a redrive, on progress, and on what a sweep finds; not while logs of an end are owed."""
    assert must_be_whole(job, AT) is must


@pytest.mark.parametrize(("seen", "settled"), [(0, False), (1, False), (2, True)])
def test_what_is_not_seen_may_be_owed(seen: int, settled: bool) -> None:
    """Nothing is announced by whoever knows of a change that he has not seen."""
    job = record(requested(), execution(attempts=(attempt(),)), task(), receipt())
    assert is_settled(replace(job, tally=BESIDE, seen=seen)) is settled


def test_a_record_without_a_request_is_whole() -> None:
    """A rejection's, or one of which nothing is known."""
    assert Record(KEY).is_whole
    assert record(rejected()).is_whole
    assert not record(BRIEF).is_whole
    assert not replace(record(requested()), tally=BESIDE).is_whole


def test_two_records_are_one_where_their_registers_are() -> None:
    """What lies beside a head is known by who read it, and no part of what is known of the job."""
    assert replace(record(requested()), tally=BESIDE, kept_beside=frozenset({"t1"})) == record(requested())
    assert record(requested()) != record(requested(), execution())


WHOLE_REQUEST, LONG = requested(labels={"a": "b"}), execution("FAILED", attempts=ENDED.attempts)
MINE = claim(archiving("t1"), "me")
AWAY = replace(record(WHOLE_REQUEST, LONG, task(), receipt(), MINE), tally=OWED, seen=1, kept_beside=frozenset({"t1"}))


def test_a_head_stands_beside_what_was_read_before() -> None:
    """What lies beside it: the request, the attempts of an outcome, and tasks that stopped, with all of theirs."""
    head = replace(record(WHOLE_REQUEST.in_brief(), LONG.in_brief()), tally=BESIDE).having_seen(1)
    whole = head.beside(AWAY)
    assert whole == AWAY
    assert (whole.kept_beside, whole.tally, whole.seen, whole.is_whole) == (frozenset({"t1"}), BESIDE, 2, True)


def test_what_another_pass_knew_makes_nothing_seen() -> None:
    """It may be the same change that both have seen."""
    head = replace(record(WHOLE_REQUEST.in_brief(), LONG.in_brief()), tally=BESIDE).having_seen(1)
    both = head.joined(AWAY)
    assert (both, both.seen, both.is_whole) == (AWAY, 1, False)


@pytest.mark.parametrize(
    ("name", "task_id"),
    [
        ("task#t1", "t1"),
        ("receipt#t1#main", "t1"),
        ("claim#archive#t1", "t1"),
        ("claim#announce#0", None),
        ("claim#sweep", None),
        ("execution", None),
        ("announced#0", None),
    ],
)
def test_which_registers_are_of_a_task(name: str, task_id: str | None) -> None:
    """Those lie beside the head once it has stopped."""
    assert task_of_register(name) == task_id


def test_what_a_head_knows_better_stays() -> None:
    """It was redriven since, or there is more news of the task."""
    redriven, news = execution("RUNNING", redrive_count=1), task(version=9)
    head = record(WHOLE_REQUEST.in_brief(), redriven, news)
    assert head.beside(AWAY) == record(WHOLE_REQUEST, redriven, news, receipt(), MINE)
    other = execution("SUCCEEDED", attempts=LONG.attempts)
    assert record(WHOLE_REQUEST.in_brief(), other.in_brief()).beside(AWAY).execution == other.in_brief()
    assert record(WHOLE_REQUEST.in_brief(), LONG).beside(AWAY).execution == LONG


def test_nothing_stands_beside_a_head_that_is_no_jobs() -> None:
    """Nor what was in the head, such as a task that ran."""
    assert Record(KEY).beside(AWAY) == Record(KEY)
    held = record(WHOLE_REQUEST, execution("RUNNING"), task("t2"), receipt("t2"))
    assert record(WHOLE_REQUEST.in_brief()).beside(held) == record(WHOLE_REQUEST)


@pytest.mark.parametrize(("attempt_", "number"), [(None, 1), (1, 1), (2, 2)])
def test_a_task_that_does_not_say_which_attempt_it_is_is_the_first(attempt_: int | None, number: int) -> None:
    """Of the first run."""
    [outcome] = stages_of(record(requested(), execution("RUNNING"), task(attempt=attempt_, redrive=None)))
    assert [(item.redrive, item.number, item.task is not None) for item in outcome.attempts] == [(0, number, True)]


CARRIED: dict[str, tuple[Fact, Claimed | None]] = {
    "a task's end": (task(), Claimed(record_key=KEY, what="archive#t1", owner="me", at=NOW + 7, seconds=45)),
    "a task's end without containers": (task(containers=()), None),
    "that a task runs": (running(), None),
    "a receipt": (receipt(), None),
    "an end": (execution(), None),
}


@pytest.mark.parametrize(("fact", "carried"), CARRIED.values(), ids=CARRIED)
def test_which_write_carries_a_claim(fact: Fact, carried: Claimed | None) -> None:
    """Whoever hears first that a task stopped archives its logs."""
    assert carried_by(fact, AT) == carried


PAIR = task(containers=(container(), container("proxy")))
LAST: dict[str, tuple[Fact, Record, bool]] = {
    "the only receipt": (receipt(), record(requested(), task("t0"), task()), True),
    "the last of two": (receipt(), record(requested(), PAIR, receipt(name="proxy")), True),
    "the first of two": (receipt(), record(requested(), PAIR), False),
    "the same once more": (receipt(), record(requested(), task(), receipt()), True),
    "the same once more, and the other is missing": (receipt(), record(requested(), PAIR, receipt()), False),
    "of a task that runs": (receipt(), record(requested(), running()), False),
    "of a task that is not known": (receipt("t2"), record(requested(), task()), False),
    "no receipt": (task(), record(requested(), task(), receipt()), False),
}


@pytest.mark.parametrize(("fact", "job", "is_last"), LAST.values(), ids=LAST)
def test_which_fact_is_the_last_of_a_task(fact: Fact, job: Record, is_last: bool) -> None:
    """The receipt that completes those of a task that stopped."""
    assert is_last_receipt(fact, job) is is_last


TWO = requested(stages=2).in_brief()
HERS, ITS = marker_of("t2"), marker_of("t1")
MAYBE: dict[str, tuple[Fact, Record, frozenset[str], bool]] = {
    "of the last stage": (receipt(), record(BRIEF, task()), frozenset({ITS}), True),
    "of the last stage, by the whole request": (receipt(), record(requested(), task()), frozenset(), True),
    "of a stage before the last": (receipt(), record(TWO, execution("RUNNING"), task()), frozenset({ITS}), False),
    "of a stage before the last, and the job ended": (receipt(), record(TWO, execution(), task()), frozenset(), True),
    "another log is owed": (receipt(), record(BRIEF, execution(), task()), frozenset({ITS, HERS}), False),
    "another receipt of the task is missing": (receipt(), record(BRIEF, PAIR), frozenset({ITS}), False),
    "no receipt": (task(), record(BRIEF, task()), frozenset(), False),
    "nobody requested it": (receipt(), record(task()), frozenset(), False),
}


@pytest.mark.parametrize(("fact", "job", "owing", "may_be"), MAYBE.values(), ids=MAYBE)
def test_which_receipt_may_be_a_jobs_last(fact: Fact, job: Record, owing: frozenset[str], may_be: bool) -> None:
    """Before it is counted the job is read whole, so that the count can carry the claim on the announcement."""
    assert may_be_the_last(fact, replace(job, tally=Tally(1, 1, 0, owing))) is may_be


OVER = record(requested(), execution(attempts=(attempt(),)), task())
CLAIMED: dict[str, tuple[Record, bool]] = {
    "nothing more is owed": (OVER, True),
    "it runs": (record(requested(), execution("RUNNING"), task()), False),
    "another task is open": (OVER.holding(running("t2")), False),
    "another log is owed": (OVER.holding(task("t2")), False),
    "another announces it": (OVER.holding(claim("announce#0", "them", NOW)), False),
    "it was announced": (OVER.holding(announced()), False),
    "the request is brief": (OVER.holding(BRIEF), False),
    "not all is seen": (replace(OVER, tally=BESIDE, seen=1), False),
}


@pytest.mark.parametrize(("job", "is_claimed"), CLAIMED.values(), ids=CLAIMED)
def test_when_a_receipt_carries_the_claim_on_the_announcement(job: Record, is_claimed: bool) -> None:
    """If the job is to be announced once it is counted."""
    wanted = claim("announce#0", "me", NOW + 7, seconds=45).model_copy(update={"since": NOW + 7})
    assert claimed_with(receipt(), job, AT) == (wanted if is_claimed else None)


def test_ends_that_nobody_told_are_said_in_full() -> None:
    """A start that was refused for good, and a job that was cancelled before it."""
    usual = {"job_id": JOB, "arn": "", "observed_via": "request", "stopped_at": NOW}
    assert never_started(JOB, "no, password=hunter2", NOW) == ExecutionChanged.model_validate(
        {**usual, "status": "FAILED", "error": START_REFUSED, "cause": "no, password=[redacted]"}
    )
    assert left_unstarted(JOB, "Cancelled by ann", NOW) == ExecutionChanged.model_validate(
        {**usual, "status": "ABORTED", "error": CANCELLED, "cause": "Cancelled by ann"}
    )
    assert len(never_started(JOB, "x" * 5000, NOW).cause or "") == 4096
    assert len(left_unstarted(JOB, "x" * 5000, NOW).cause or "") == 4096


def test_tasks_that_are_known_by_name_only_or_were_forgotten_are_said_in_full() -> None:
    """What was held of a forgotten one stays."""
    submitted = {"taskSubmittedEventDetails": {"output": json.dumps({"Tasks": [{"TaskArn": task_arn()}]})}}
    named = TaskChanged(job_id=JOB, arn=task_arn(), version=0, last_status="")
    at = {"timestamp": datetime.fromtimestamp(NOW + 5, UTC)}
    assert named_tasks(JOB, [{}, submitted, submitted | at]) == (
        named,
        named.model_copy(update={"created_at": NOW + 5}),
    )
    forgotten = {
        "version": 2**31,
        "last_status": "STOPPED",
        "stopped_reason": "ECS no longer describes this task; how it ended was not observed",
        "stopped_at": NOW + 9,
    }
    assert forgotten_task(JOB, task_arn(), NOW + 9) == named.model_copy(update=forgotten)
    assert forgotten_task(JOB, task_arn(), NOW + 9, running()) == running().model_copy(update=forgotten)


def test_a_claim_to_be_made_knows_since_when_it_was_tried() -> None:
    """By whomever; the first try is its own beginning."""
    first = record(requested()).new_claim("x", "me", NOW + 5, 45)
    assert first == Claimed(record_key=KEY, what="x", owner="me", at=NOW + 5, seconds=45, since=NOW + 5)
    second = record(requested(), claim("x", "them", NOW)).new_claim("x", "me", NOW + 5, 45)
    assert second == first.model_copy(update={"since": NOW})


def test_who_asked_for_a_job() -> None:
    """By its digest; where no body can be read, by the message that it came in."""
    job = record(requested(digest="d1", message_id="m1"))
    asked = [
        job.was_asked_by(message, digest)
        for message, digest in (("m2", "d1"), ("m1", "d2"), ("m1", None), ("m2", None))
    ]
    assert asked == [True, False, True, False]
    assert not Record(KEY).was_asked_by("m1", None)


@pytest.mark.parametrize(
    ("outcome", "exit_code"),
    [
        (AttemptOutcome(0, 1, "main"), None),
        (AttemptOutcome(0, 1, "main", attempt(exit_code=3)), 3),
        (AttemptOutcome(0, 1, "main", attempt(exit_code=3), task(containers=(container(exit_code=None),))), 3),
        (AttemptOutcome(0, 1, "main", attempt(exit_code=3), task(containers=(container(exit_code=4),))), 4),
        (AttemptOutcome(0, 1, "main", attempt(exit_code=3), task(containers=(container("proxy", 4),))), 3),
        (AttemptOutcome(0, 1, "main", None, task(containers=(container(exit_code=0),))), 0),
    ],
)
def test_how_an_attempts_own_container_exited(outcome: AttemptOutcome, exit_code: int | None) -> None:
    """As ECS says it; where it does not, as the planner does."""
    assert outcome.exit_code == exit_code
    assert AttemptOutcome(0, 1, "main").reported


def test_what_a_head_holds_whole_is_not_taken_from_what_was_read_before() -> None:
    """The request that DynamoDB answered with is the record's; another of the same job was refused."""
    mine, other = requested(user="ann"), requested(user="bob")
    assert mine.rank == other.rank
    assert record(mine).beside(record(other)).request == mine
    assert record(mine.in_brief()).beside(record(other)).request == other
    later = ENDED.model_copy(update={"cause": "as it was read before"})
    assert record(mine, ENDED).beside(record(mine, later)).execution == ENDED
