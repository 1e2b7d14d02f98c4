"""Facts by themselves: what one says that is told no more than it must be, where it lies, and how much it knows.

What a fact does not say is left out where it is kept, so that a default may never change.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.bulk import BulkFilter
from service.core.record.bulk_facts import BulkAsked, BulkProgressed, BulkStopAsked
from service.core.record.facts import (
    FACT,
    Announced,
    Claimed,
    EndedBefore,
    ExecutionChanged,
    Fact,
    LogArchived,
    ProgressTold,
    Rejected,
    Requested,
    StageBrief,
    StageSpent,
    TaskChanged,
    WaitsForCapacity,
    task_spoken_of,
)
from service.core.record.keys import RecordKey
from service.core.record.register_names import announcing, archiving, marker_of
from service.core.record.registers import Registers
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, Redriven, RedriveRefused, Rerun, RerunOf
from tests.support.builders import JOB, KEY, MESSAGE, NOW, attempt, claim, execution, receipt, requested, task, task_arn

NOTHING = None
STEERED: dict[str, Any] = {
    "tenant": "web",
    "asked_at": NOW + 0.0004,
    "asked_by": NOTHING,
    "sent_by": NOTHING,
    "reason": NOTHING,
}
MANY = RecordKey.of_bulk("web", "b")
BARE: dict[str, tuple[Fact, str, int, dict[str, Any]]] = {
    "requested": (
        Requested(job_id=JOB, tenant="web"),
        "request",
        1,
        {
            "digest": "",
            "message_id": "",
            "submitted_at": 0,
            "tenant": "web",
            "job_type": NOTHING,
            "user": NOTHING,
            "input_file": NOTHING,
            "labels": {},
            "trace": NOTHING,
            "progress": False,
            "bucket": "",
            "execution_input": "",
            "asked": "",
            "asked_s3_key": "",
            "rerun_of": NOTHING,
            "stages": (),
            "stage_count": 0,
            "is_brief": False,
        },
    ),
    "rejected": (
        Rejected(message_id=MESSAGE, submitted_at=NOW, problems=()),
        "rejection",
        0,
        {
            "message_id": MESSAGE,
            "submitted_at": NOW,
            "claimed_job_id": NOTHING,
            "job_id_is_taken": False,
            "claimed_tenant": NOTHING,
            "claimed_job_type": NOTHING,
            "problems": (),
            "body_s3_uri": NOTHING,
            "trace": NOTHING,
            "retry_of": NOTHING,
            "was_control": False,
        },
    ),
    "execution": (
        ExecutionChanged(job_id=JOB, arn="a", status="RUNNING", observed_via="sweep"),
        "execution",
        12,
        {
            "arn": "a",
            "status": "RUNNING",
            "redrive_count": 0,
            "observed_via": "sweep",
            "detailed": True,
            "started_at": NOTHING,
            "redriven_at": NOTHING,
            "stopped_at": NOTHING,
            "error": NOTHING,
            "cause": NOTHING,
            "attempts": (),
            "is_brief": False,
        },
    ),
    "task": (
        TaskChanged(job_id=JOB, arn=task_arn(), version=3, last_status="RUNNING"),
        "task#t1",
        3,
        {
            "arn": task_arn(),
            "version": 3,
            "last_status": "RUNNING",
            "redrive": NOTHING,
            "stage": NOTHING,
            "attempt": NOTHING,
            "task_definition_arn": NOTHING,
            "stop_code": NOTHING,
            "stopped_reason": NOTHING,
            "launch_type": NOTHING,
            "capacity_provider": NOTHING,
            "cpu": NOTHING,
            "memory": NOTHING,
            "created_at": NOTHING,
            "pull_started_at": NOTHING,
            "pull_stopped_at": NOTHING,
            "started_at": NOTHING,
            "stopped_at": NOTHING,
            "containers": (),
        },
    ),
    "waiting": (
        WaitsForCapacity(
            job_id=JOB,
            at=NOW + 1.5,
            wait_seconds=60,
            stage=1,
            attempt=2,
            since=NOW,
            tries=3,
            failure_class="x",
            why="y",
        ),
        "waiting",
        1_700_000_001_500,
        {
            "at": NOW + 1.5,
            "redrive": 0,
            "wait_seconds": 60,
            "stage": 1,
            "attempt": 2,
            "image": "",
            "since": NOW,
            "tries": 3,
            "failure_class": "x",
            "why": "y",
        },
    ),
    "log": (
        LogArchived(job_id=JOB, task_id="t1", container="main", status="absent"),
        "receipt#t1#main",
        0,
        {
            "task_id": "t1",
            "container": "main",
            "status": "absent",
            "why": NOTHING,
            "lines": 0,
            "bytes": 0,
            "sha256": NOTHING,
            "first_at": NOTHING,
            "last_at": NOTHING,
            "archived_at": NOTHING,
            "s3_bucket": NOTHING,
            "s3_key": NOTHING,
            "log_group": NOTHING,
            "log_stream": NOTHING,
            "region": NOTHING,
            "tail": (),
        },
    ),
    "claim": (
        Claimed(record_key=KEY, what="announce#0", owner="me", at=NOW + 0.25, seconds=60),
        "claim#announce#0",
        1_700_000_000_250,
        {
            "record_key": {"kind": "job", "id": JOB},
            "what": "announce#0",
            "owner": "me",
            "at": NOW + 0.25,
            "seconds": 60,
            "since": NOTHING,
            "made_at": NOTHING,
            "renews": NOTHING,
        },
    ),
    "announced": (
        Announced(record_key=KEY, redrive_count=1, status="FAILED", notification_id="n", at=NOW),
        "announced#1",
        0,
        {
            "record_key": {"kind": "job", "id": JOB},
            "redrive_count": 1,
            "status": "FAILED",
            "notification_id": "n",
            "at": NOW,
            "ended_at": NOTHING,
            "failure_class": NOTHING,
            "letter": NOTHING,
            "spent": (),
        },
    ),
    "ended_before": (
        EndedBefore(job_id=JOB, redrive_count=2, status="ABORTED"),
        "ended_before#2",
        0,
        {"redrive_count": 2, "status": "ABORTED", "ended_at": NOTHING, "error": NOTHING},
    ),
    "progress": (
        ProgressTold(job_id=JOB, step="0:STARTED", at=NOW),
        "progress#0:STARTED",
        0,
        {"step": "0:STARTED", "at": NOW},
    ),
    "cancel": (
        CancelAsked(job_id=JOB, tenant="web", asked_at=NOW + 0.0004),
        "cancel#web",
        1_700_000_000_000,
        STEERED | {"came_first": False},
    ),
    "redrive": (RedriveAsked(job_id=JOB, tenant="web", asked_at=NOW + 0.0004), "redrive", 1_700_000_000_000, STEERED),
    "redriven": (
        Redriven(job_id=JOB, tenant="web", asked_at=NOW + 0.0004, redrive_count=2),
        "redriven#2",
        1_700_000_000_000,
        {**STEERED, "redrive_count": 2},
    ),
    "cancelled": (
        Cancelled(job_id=JOB, tenant="web", asked_at=NOW + 0.0004, redrive_count=2),
        "cancelled#2",
        1_700_000_000_000,
        {**STEERED, "redrive_count": 2},
    ),
    "rerun": (
        Rerun(record_key=KEY, new_job_id="j-2", asked_at=NOW + 0.25),
        "rerun",
        1_700_000_000_250,
        {
            "record_key": {"kind": "job", "id": JOB},
            "new_job_id": "j-2",
            "asked_at": NOW + 0.25,
            "asked_by": NOTHING,
            "sent_by": NOTHING,
            "reason": NOTHING,
        },
    ),
    "bulk": (
        BulkAsked(
            record_key=MANY, bulk_id="b", tenant="web", verb="cancel", jobs=BulkFilter(status="OPEN"), asked_at=NOW
        ),
        "bulk",
        0,
        {
            "record_key": {"kind": "bulk", "id": "web:b"},
            "bulk_id": "b",
            "tenant": "web",
            "verb": "cancel",
            "jobs": {
                "status": "OPEN",
                "type": NOTHING,
                "user": NOTHING,
                "label": NOTHING,
                "failure_class": NOTHING,
                "since": NOTHING,
                "until": NOTHING,
                "id": NOTHING,
            },
            "changes": {},
            "asked_at": NOW,
            "asked_by": NOTHING,
            "sent_by": NOTHING,
            "reason": NOTHING,
        },
    ),
    "bulk_progress": (
        BulkProgressed(record_key=MANY, page=3, at=NOW),
        "bulk_progress",
        3_000_000,
        {
            "record_key": {"kind": "bulk", "id": "web:b"},
            "page": 3,
            "passes": 0,
            "at": NOW,
            "in_hand": (),
            "failed": {},
            "cursor": NOTHING,
            "searched_back_to": NOTHING,
            "matched": 0,
            "done": 0,
            "refused": 0,
            "refusals": {},
            "finished_at": NOTHING,
            "stopped": False,
        },
    ),
    "bulk_stop": (
        BulkStopAsked(record_key=MANY, asked_at=NOW),
        "bulk_stop",
        0,
        {
            "record_key": {"kind": "bulk", "id": "web:b"},
            "asked_at": NOW,
            "asked_by": NOTHING,
            "reason": NOTHING,
        },
    ),
    "redrive_refused": (
        RedriveRefused(job_id=JOB, redrive_count=2, at=NOW + 0.25, why="too old"),
        "redrive_refused#2",
        1_700_000_000_250,
        {"redrive_count": 2, "at": NOW + 0.25, "why": "too old", "for_good": True},
    ),
}


@pytest.mark.parametrize("kind", BARE)
def test_what_a_fact_says_that_is_told_little(kind: str) -> None:
    """What it is not told is nothing: zero, empty, not so; it lies in its own register of its own record."""
    fact, register, rank, says = BARE[kind]
    own = {} if "record_key" in says or kind == "rejected" else {"job_id": JOB}
    assert fact.model_dump() == {"kind": kind, **own, **says}
    assert (fact.register_name, fact.rank) == (register, rank)
    of = RecordKey.of_rejection(MESSAGE) if kind == "rejected" else KEY
    assert fact.record_key == (RecordKey(**says["record_key"]) if "record_key" in says else of)
    if kind != "claim":
        assert fact.beats_below == rank
    assert FACT.validate_json(fact.model_dump_json()) == fact


def test_every_kind_of_fact_is_in_the_table() -> None:
    """A new one says here what it leaves out."""
    assert FACT.json_schema()["discriminator"]["mapping"].keys() == BARE.keys()


@pytest.mark.parametrize("kind", BARE)
def test_a_record_sees_every_register_that_this_version_knows(kind: str) -> None:
    """Those that only a newer one knows are left where they are."""
    fact = BARE[kind][0]
    held = Registers(
        {fact.register_name: fact.model_dump_json(), "novelty": "{}"}, lambda _, text: FACT.validate_json(text)
    )
    assert dict(held) == {fact.register_name: fact}
    assert (len(held), "novelty" in held) == (1, False)
    assert (held.get(fact.register_name), held.get("novelty"), held.get("novelty", 0)) == (fact, None, 0)


@pytest.mark.parametrize("kind", BARE)
def test_what_a_later_version_adds_is_passed_over_and_nothing_is_changed(kind: str) -> None:
    """A fact is a value."""
    fact = BARE[kind][0]
    assert type(fact).model_validate({**fact.model_dump(), "novelty": 1}) == fact
    with pytest.raises(ValidationError, match="frozen"):
        setattr(fact, "kind", "another")  # noqa: B010  # mypy knows that it may not be


def test_the_parts_of_facts_that_are_told_little() -> None:
    """A stage, how long one took, and of which job another was made again."""
    assert RerunOf(job_id=JOB, asked_at=NOW).model_dump() == {
        "job_id": JOB,
        "asked_at": NOW,
        "asked_by": None,
        "sent_by": None,
        "reason": None,
    }
    assert StageBrief(name="n", image="i", container="c").model_dump() == {
        "name": "n",
        "image": "i",
        "container": "c",
        "integration": "sync",
        "timeout_seconds": None,
        "heartbeat_seconds": None,
    }
    assert StageSpent(image="i", stage=1, passed=True).model_dump() == {
        "image": "i",
        "stage": 1,
        "passed": True,
        "queued": None,
        "starting": None,
        "running": None,
        "archiving": None,
        "memory": None,
    }


def test_what_decisions_need_of_a_request() -> None:
    """Whose it is, whether progress is told, and how many stages there are."""
    whole = requested(stages=3, progress=True, user="ann", labels={"a": "b"})
    brief = whole.in_brief()
    told = {"job_id": JOB, "tenant": "web", "progress": True, "stage_count": 3, "is_brief": True}
    assert brief == Requested.model_validate(told)
    assert (brief.rank, whole.rank) == (0, 1)


RANKS: list[tuple[Fact, int]] = [
    (execution("ABORTED", arn="", detailed=False), -1),
    (execution("STARTED", observed_via="request"), 2),
    (execution("STARTED", observed_via="request", detailed=False), 0),
    (execution("RUNNING", detailed=False), 11),
    (execution("SUSPENDED"), 23),
    (execution("ABORTED"), 33),
    (execution("FAILED"), 43),
    (execution("FAILED", arn=""), 43),
    (execution("TIMED_OUT"), 53),
    (execution("SUCCEEDED", observed_via="sweep"), 62),
    (execution("SUCCEEDED", redrive_count=3), 363),
    (task(version=7), 2**31 + 7),
    (task(version=7, last_status="DEPROVISIONING"), 7),
    (task(version=2**31), 2**31),
    (receipt(status="possibly_lossy"), 1),
    (receipt(), 2),
]


@pytest.mark.parametrize(("fact", "rank"), RANKS, ids=[f"{fact.kind}-{rank}" for fact, rank in RANKS])
def test_how_much_a_fact_knows(fact: Fact, rank: int) -> None:
    """Ranks lie in tables that earlier versions wrote, and must compare with those."""
    assert (fact.rank, fact.beats_below) == (rank, rank)


def test_a_claim_beats_one_that_has_run_out_and_a_renewal_its_own() -> None:
    """In thousandths of a second."""
    first = claim("x", "me", NOW, 60)
    assert (first.beats_below, first.began_at, first.try_began_at) == (int((NOW - 60) * 1000), NOW, NOW)
    renewed = first.renewed(NOW + 20)
    assert (renewed.beats_below, renewed.rank) == (int(NOW * 1000) + 1, int((NOW + 20) * 1000))
    again = renewed.renewed(NOW + 40)
    assert (again.at, again.began_at, again.try_began_at, again.renews) == (NOW + 40, NOW, NOW, NOW + 20)
    assert [again.has_expired(NOW + 40 + seconds) for seconds in (59.9, 60, 60.1)] == [False, False, True]


def test_which_outcomes_are_long() -> None:
    """Those of more than three attempts lie beside the head, and are whole but for them."""
    three = execution(attempts=tuple(attempt(1, number) for number in range(1, 4)))
    four = execution(attempts=tuple(attempt(1, number) for number in range(1, 5)))
    assert (three.is_long, four.is_long) == (False, True)
    assert four.in_brief() == execution(attempts=(), is_brief=True)


@pytest.mark.parametrize(
    ("fact", "task_id"),
    [
        (task(), "t1"),
        (receipt("t2"), "t2"),
        (claim("archive#t3", "me"), "t3"),
        (claim("announce#0", "me"), None),
        (execution(), None),
        (requested(), None),
    ],
)
def test_which_task_a_fact_speaks_of(fact: Fact, task_id: str | None) -> None:
    """What speaks of none lies in the head."""
    assert task_spoken_of(fact) == task_id


def test_names_that_lie_in_tables() -> None:
    """They are as they were, or what earlier versions wrote is not found."""
    assert (announcing(2), archiving("t1"), marker_of("t1")) == ("announce#2", "archive#t1", "x3sn")


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({}, (0, 1, 1)),
        ({"redrive": 2, "stage": 3, "attempt": 4}, (2, 3, 4)),
        ({"redrive": None, "attempt": None}, (0, 1, 1)),
    ],
)
def test_which_attempt_a_task_is(changed: dict[str, Any], place: tuple[int, int, int]) -> None:
    """What it does not say is the first run, and the first attempt."""
    assert task(**changed).place == place
