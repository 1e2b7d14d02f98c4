"""Merging: whatever order facts come in, and however often, the record is the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from service.core.record.facts import (
    ENDED,
    FACT,
    Claimed,
    ExecutionChanged,
    Fact,
    LogArchived,
    ProgressTold,
    TaskChanged,
)
from service.core.record.hearing import forgotten_task
from service.core.record.record import Record, merge
from tests.support.builders import (
    JOB,
    NOW,
    announced,
    attempt,
    claim,
    container,
    execution,
    merge_all,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
    task_arn,
)

# AWS does not contradict itself: what it says of one thing at one version is one text. So these facts are made from
# what their rank is made of, and everything else in them follows from that.

_STATUSES = ["STARTED", "RUNNING", "PENDING_REDRIVE", "ABORTED", "FAILED", "TIMED_OUT", "SUCCEEDED"]
_LAST_STATUSES = ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING", "STOPPED"]


def _execution(status: str, redrive_count: int, via: str, detailed: bool) -> ExecutionChanged:
    known = (attempt(),) if detailed and status in ENDED else ()
    return execution(status, redrive_count=redrive_count, observed_via=via, detailed=detailed, attempts=known)


def _task(number: int, version: int) -> TaskChanged:
    last_status = _LAST_STATUSES[version]
    code = 0 if last_status in {"DEPROVISIONING", "STOPPED"} else None
    return task(f"t{number}", version=version, last_status=last_status, containers=(container(exit_code=code),))


def _receipt(number: int, name: str, status: str) -> LogArchived:
    return receipt(f"t{number}", name, status=status, why=None if status == "complete" else status)


EXECUTIONS = st.builds(
    _execution, st.sampled_from(_STATUSES), st.integers(0, 2), st.sampled_from(["event", "sweep"]), st.booleans()
)
TASKS = st.builds(_task, st.integers(1, 3), st.integers(0, len(_LAST_STATUSES) - 1))
FORGOTTEN = st.builds(lambda number: forgotten_task(JOB, task_arn(f"t{number}"), NOW + 9000), st.integers(1, 3))
RECEIPTS = st.builds(
    _receipt,
    st.integers(1, 3),
    st.sampled_from(["main", "sidecar"]),
    st.sampled_from(["absent", "possibly_lossy", "complete"]),
)
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.just(requested()),
    st.just(rejected(job_id=JOB)),
    EXECUTIONS,
    TASKS,
    FORGOTTEN,
    RECEIPTS,
    st.builds(announced, st.integers(0, 2)),
    st.builds(ProgressTold, job_id=st.just(JOB), step=st.sampled_from(["0:STARTED", "RETRYING:1:1"]), at=st.just(NOW)),
)
HISTORIES = st.lists(FACTS, max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.data(), HISTORIES)
def test_any_order_and_any_repetition_gives_the_same_record(data: st.DataObject, facts: list[Fact]) -> None:
    """Late, twice, out of order: the record does not care, redrives included."""
    again = data.draw(st.lists(st.sampled_from(facts), max_size=6)) if facts else []
    shuffled = data.draw(st.permutations([*facts, *again]))
    assert merge_all(Record.of_job(JOB), shuffled) == merge_all(Record.of_job(JOB), facts)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, FACTS)
def test_hearing_a_fact_again_changes_nothing(facts: list[Fact], fact: Fact) -> None:
    """Merging is idempotent, and says so by giving back the very same record."""
    once = merge(merge_all(Record.of_job(JOB), facts), fact)
    assert merge(once, fact) is once


@settings(max_examples=200, deadline=None)
@given(HISTORIES, FACTS)
def test_a_record_never_knows_less_than_before(facts: list[Fact], fact: Fact) -> None:
    """No register is ever emptied, or falls to a lower rank; and a fact speaks of one register only."""
    before = merge_all(Record.of_job(JOB), facts)
    after = merge(before, fact)
    assert before.registers.keys() <= after.registers.keys()
    for name, held in before.registers.items():
        assert after.registers[name].rank >= held.rank
        assert after.registers[name] == held or name == fact.register_name


@given(FACTS)
def test_a_fact_that_was_kept_reads_as_the_same_fact(fact: Fact) -> None:
    """What the table holds is what was heard, whether or not its empty fields are written."""
    assert FACT.validate_json(fact.model_dump_json()) == fact
    assert FACT.validate_json(fact.model_dump_json(exclude_none=True)) == fact


class Life(RuleBasedStateMachine):
    """Two replicas hear one job's life, each in its own order and with its own repetitions, and then agree."""

    facts = Bundle("facts")

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[Fact] = []
        self.replicas = [Record.of_job(JOB), Record.of_job(JOB)]
        self.redrive_count = 0
        self.status = "RUNNING"
        self.versions: dict[int, int] = {}

    def _happens(self, fact: Fact) -> Fact:
        self.happened.append(fact)
        return fact

    @rule(target=facts, status=st.sampled_from(sorted(ENDED)))
    def the_execution_ends(self, status: str) -> Fact:
        """Once a redrive count; a second end says the same as the first."""
        self.status = status if self.status == "RUNNING" else self.status
        return self._happens(_execution(self.status, self.redrive_count, "event", detailed=True))

    @rule(target=facts)
    def the_execution_is_redriven(self) -> Fact:
        """What has ended otherwise than well may be redriven."""
        if self.status not in {"RUNNING", "SUCCEEDED"}:
            self.redrive_count, self.status = self.redrive_count + 1, "RUNNING"
        return self._happens(_execution(self.status, self.redrive_count, "event", detailed=True))

    @rule(target=facts, number=st.integers(1, 2))
    def a_task_moves_on(self, number: int) -> Fact:
        """Through its statuses, one version after the other."""
        self.versions[number] = min(self.versions.get(number, -1) + 1, len(_LAST_STATUSES) - 1)
        return self._happens(_task(number, self.versions[number]))

    @rule(target=facts, number=st.integers(1, 2))
    def a_log_is_archived(self, number: int) -> Fact:
        """Its receipt is a fact like any other."""
        return self._happens(_receipt(number, "main", "complete"))

    @rule(fact=facts, replica=st.integers(0, 1))
    def a_replica_hears(self, fact: Fact, replica: int) -> None:
        """Any fact at any time after it happened."""
        self.replicas[replica] = merge(self.replicas[replica], fact)

    @rule()
    def the_replicas_have_heard_everything(self) -> None:
        """Then they hold the same, and it is the last of what happened."""
        first, second = (merge_all(replica, self.happened) for replica in self.replicas)
        assert first == second
        if first.execution is not None:
            assert (first.execution.redrive_count, first.execution.status) == (self.redrive_count, self.status)
        assert {held.task_id: held.version for held in first.tasks} == {
            f"t{number}": version for number, version in self.versions.items()
        }

    @invariant()
    def no_replica_knows_what_did_not_happen(self) -> None:
        """A register holds a fact that was heard, and never a mixture."""
        for replica in self.replicas:
            assert all(fact in self.happened for fact in replica.registers.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


RISING: list[tuple[str, list[Any]]] = [
    (
        "an execution's life, with a redrive",
        [
            execution("STARTED", observed_via="request"),
            execution("RUNNING"),
            execution("FAILED", detailed=False),
            execution("FAILED"),
            execution("RUNNING", redrive_count=1),
            execution("SUCCEEDED", redrive_count=1, detailed=False),
            execution("SUCCEEDED", redrive_count=1),
            execution("RUNNING", redrive_count=2),
        ],
    ),
    ("an end over a status that we do not know", [execution("RUNNING"), execution("NEW"), execution("ABORTED")]),
    ("an event over a sweep's answer", [execution("FAILED", observed_via="sweep"), execution("FAILED")]),
    (
        "an answer over an event that lacked something",
        [execution("SUCCEEDED", detailed=False), execution("SUCCEEDED", observed_via="sweep")],
    ),
    ("a task's versions, which may skip", [running(version=3), task(version=6)]),
    ("a log that was found after all", [receipt(status="absent"), receipt(status="possibly_lossy"), receipt()]),
]


@pytest.mark.parametrize("facts", [facts for _, facts in RISING], ids=[name for name, _ in RISING])
def test_which_of_two_facts_knows_more(facts: list[Any]) -> None:
    """In each list the later beats the earlier, and never the other way round."""
    for position, fact in enumerate(facts):
        for later in facts[position + 1 :]:
            assert (
                merge_all(Record.of_job(JOB), (fact, later))
                == merge_all(Record.of_job(JOB), (later, fact))
                == record(later)
            )


def test_the_first_request_with_an_id_is_the_job() -> None:
    """A second one, whatever it says, leaves it untouched."""
    first, second = requested(), requested(digest="e" * 64, tenant="other")
    assert record(first, second).request == first
    assert record(second, first).request == second


def test_open_tasks_are_those_not_known_to_have_stopped() -> None:
    """Heard of from ECS, or only named by the planner, in the old form of the ARN too."""
    old_form = task_arn("t3").replace("task/jobs/", "task/")
    job = record(
        requested(),
        execution(
            "FAILED", attempts=(attempt(1), attempt(2), attempt(3, task_arn=old_form), attempt(4, task_arn=None))
        ),
        task("t1"),
        running("t4"),
        task("t3"),
    )
    assert job.open_task_arns() == (task_arn("t4"), task_arn("t2"))


def test_a_redrive_is_announced_anew() -> None:
    """An announcement counts for its redrive count only."""
    job = record(requested(), execution("FAILED"), announced(0))
    assert job.announced is not None
    assert merge(job, execution("RUNNING", redrive_count=1)).announced is None


# Claims are locks: here it does matter who comes first.


def holder(job: Record) -> str:
    """Who holds the claim."""
    held = job.claim("announce#0")
    assert held is not None
    return held.owner


def mine(at: float, seconds: float = 60) -> Claimed:
    """My claim."""
    return claim("announce#0", "me", at, seconds)


def yours(at: float, seconds: float = 60) -> Claimed:
    """Yours."""
    return claim("announce#0", "you", at, seconds)


def test_the_first_to_claim_has_it() -> None:
    """Two at the same moment, or one a moment later: the first in the table wins."""
    for later in (0, 0.001, 30, 60):
        assert holder(record(mine(NOW), yours(NOW + later))) == "me"


def test_a_claim_that_has_run_out_may_be_taken() -> None:
    """The one who held it has died, or should have."""
    assert holder(record(mine(NOW), yours(NOW + 60.002))) == "you"


def test_a_claim_is_not_taken_back_by_an_old_one() -> None:
    """A message that was delayed does not unseat the one at work."""
    assert holder(record(mine(NOW), yours(NOW + 61), mine(NOW + 1))) == "you"


def test_a_claim_that_is_renewed_is_kept() -> None:
    """As often as need be; the renewal that was heard once is heard again without effect."""
    once = mine(NOW).renewed(NOW + 40)
    twice = once.renewed(NOW + 80)
    assert holder(record(mine(NOW), once, once, yours(NOW + 61), twice, yours(NOW + 139))) == "me"
    assert holder(record(mine(NOW), once, twice, yours(NOW + 141))) == "you"
    assert (twice.try_began_at, twice.began_at) == (NOW, NOW)


def test_a_renewal_that_comes_too_late_takes_nothing_back() -> None:
    """Whoever was away for longer than the claim's time has lost it, however new his renewal is."""
    assert holder(record(mine(NOW), yours(NOW + 61), mine(NOW).renewed(NOW + 62))) == "you"
    assert holder(record(mine(NOW), yours(NOW + 61), mine(NOW).renewed(NOW + 200))) == "you"


def test_what_someone_is_at_work_on() -> None:
    """His claims, and nobody else's."""
    job = record(claim("archive#t1", "me"), claim("archive#t2", "you"), claim("sweep", "me"))
    assert {item.what for item in job.claims_of("me")} == {"archive#t1", "sweep"}


def test_claims_of_different_things_do_not_meet() -> None:
    """Each thing has a lock of its own."""
    job = record(claim("archive#t1", "me"), claim("archive#t2", "you"))
    held = [job.claim(what) for what in ("archive#t1", "archive#t2", "archive#t3")]
    assert [item and item.owner for item in held] == ["me", "you", None]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 300), st.sampled_from("abc")), max_size=10))
def test_no_two_hold_a_claim_at_the_same_time(tries: list[tuple[float, str]]) -> None:
    """Whoever holds it may count on its seconds, as long as clocks agree."""
    job = Record.of_job(JOB)
    for at, who in sorted(tries):
        before = job.claim("x")
        job = merge(job, claim("x", who, NOW + at, seconds=60))
        held = job.claim("x")
        assert held is not None
        assert before is None or held is before or held.at > before.at + 60
