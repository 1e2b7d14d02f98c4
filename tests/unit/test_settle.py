"""The heart: what is owed is done, and what is done is known, against a table in memory and a scripted performer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from service.aws.errors import AwsError
from service.core.policy.actions import (
    Action,
    Announce,
    ArchiveLog,
    AskExecution,
    AskHistory,
    AskTask,
    Claim,
    GiveUpLog,
    StartExecution,
    StopTask,
)
from service.core.policy.log_work import work_of
from service.core.policy.owed import SWEEP, Patience
from service.core.record.facts import Claimed, Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record, Tally, merge
from service.settle import NotWholeError, Settling
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
    requested,
    running,
    task,
    task_arn,
)
from tests.support.waiting import eventually


@dataclass
class InMemory:
    """The jobs table, without DynamoDB."""

    records: dict[RecordKey, Record] = field(default_factory=dict)

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        held = await self.read(fact.record_key)
        job = merge(held, fact)
        if carrying is not None and job is not held:
            job = job.holding(carrying)
        self.records[fact.record_key] = job
        return job

    async def read(self, key: RecordKey) -> Record:
        return self.records.get(key, Record(key))

    async def read_whole(self, key: RecordKey) -> Record:
        return await self.read(key)

    async def all_of(self, *facts: Fact) -> Record:
        """The record after these facts."""
        for fact in facts:
            job = await self.merge(fact)
        return job


@dataclass
class InParts(InMemory):
    """The same, which answers with heads: what they leave out is read apart, or is gone."""

    reads: int = 0
    is_gone: bool = False

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        return _head(await super().merge(fact, carrying))

    async def read_whole(self, key: RecordKey) -> Record:
        self.reads += 1
        whole = await self.read(key)
        return _head(whole) if self.is_gone else whole


def _head(whole: Record) -> Record:
    return whole.holding(whole.request.in_brief()) if whole.request else whole


@dataclass
class Scripted:
    """Performs nothing, and answers each action with the facts that the script gives; claims are claimed."""

    answers: dict[Action, tuple[Fact, ...]] = field(default_factory=dict)
    done: list[Action] = field(default_factory=list)
    fails: Callable[[Action], bool] = lambda action: False
    now: float = NOW + 60

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        self.done.append(action)
        if self.fails(action):
            raise ConnectionError
        if isinstance(action, Claim):
            return (job.new_claim(action.what, me, self.now, 60),)
        return self.answers.get(action, ())


START = StartExecution(JOB)
ASK = AskExecution(JOB)
ANNOUNCE = Announce(KEY, 0)
ARCHIVE = ArchiveLog(JOB, "t1", "main")
OUTCOME = execution(attempts=(attempt(),))
END = NOW + 60  # When the builders' executions end.
USUAL: dict[Action, tuple[Fact, ...]] = {
    START: (execution("STARTED", observed_via="request"),),
    ARCHIVE: (receipt(),),
    ANNOUNCE: (announced(),),
}


def settling(jobs: InMemory, performer: Scripted) -> Settling:
    """The heart, beating by the performer's clock."""
    return Settling(jobs, performer, Patience(task_grace=30, log_deadline=900), lambda: performer.now)


async def test_what_a_head_leaves_out_is_read_once_and_only_by_who_needs_it() -> None:
    """A log of a stage that is not the last is archived without it, an announcement is not made, and whoever has it
    reads no more.
    """
    jobs, performer = InParts(), Scripted(USUAL)
    job = await jobs.all_of(requested(stages=2), execution("RUNNING"), task())
    job = await settling(jobs, performer).settle(job)
    assert (performer.done[-1], jobs.reads) == (ARCHIVE, 0)
    await settling(jobs, performer).settle(await jobs.merge(OUTCOME))
    assert (performer.done[-1], jobs.reads) == (ANNOUNCE, 1)


async def test_what_came_between_the_head_and_the_whole_is_decided_on() -> None:
    """The whole is read later than the head was answered: the job may be redriven by then."""
    jobs, performer = InParts(), Scripted(USUAL)
    job = await jobs.all_of(requested(), task(), receipt(), OUTCOME, claim("announce#0", "me", performer.now))
    await jobs.merge(execution("RUNNING", redrive_count=1))
    await settling(jobs, performer).settle(job, "me")
    assert jobs.reads == 1
    assert ANNOUNCE not in performer.done


async def test_a_record_whose_request_is_gone_is_no_endless_look() -> None:
    """Somebody deleted it by hand, say; the message comes again, and is set aside in the end."""
    jobs = InParts(is_gone=True)
    job = await jobs.merge(requested())
    with pytest.raises(NotWholeError, match=JOB):
        await settling(jobs, Scripted(USUAL)).settle(job)


async def test_a_request_is_started_once() -> None:
    """The answer is a fact, so the start is known and not repeated."""
    jobs, performer = InMemory(), Scripted(USUAL)
    job = await jobs.merge(requested())
    for _ in range(3):
        job = await settling(jobs, performer).settle(job)
    assert performer.done == [START]


async def test_an_end_is_archived_claimed_and_announced_in_one_go() -> None:
    """Whatever the last event was that completes the record."""
    jobs, performer = InMemory(), Scripted(USUAL)
    job = await jobs.all_of(requested(), OUTCOME, task())
    job = await settling(jobs, performer).settle(job)
    assert performer.done == [Claim(KEY, "archive#t1"), ARCHIVE, ANNOUNCE]
    assert job.announced is not None
    assert await settling(jobs, performer).settle(job) is job
    assert performer.done[3:] == []


async def test_the_last_receipt_claims_the_announcement_for_whoever_comes_next() -> None:
    """By the write that counts it; until the job has ended there is nothing to announce."""
    for ended in (False, True):
        jobs, performer = InParts(), Scripted(USUAL)
        mine = claim("archive#t1", "me", performer.now)
        job = await jobs.all_of(requested(), execution("RUNNING"), task(), mine)
        work = work_of(job, "t1", "me", 10, performer.now)
        if ended:
            await jobs.merge(OUTCOME)
        job = await settling(jobs, performer).archive(work, "heir")
        held = job.claim("announce#0")
        assert (held.owner if held else None) == ("heir" if ended else None)
        await settling(jobs, performer).settle(job, "heir")
        assert performer.done == [ARCHIVE, ANNOUNCE][: 1 + ended]


@pytest.mark.parametrize("reverse", [False, True])
async def test_any_order_of_events_leads_to_one_announcement(reverse: bool) -> None:
    """Each event is settled as it comes, as a worker does it."""
    jobs, performer = InMemory(), Scripted(USUAL)
    await jobs.merge(requested())
    facts: list[Fact] = [execution("STARTED"), running(), execution("RUNNING"), task(), OUTCOME]
    for fact in facts[::-1] if reverse else facts:
        for _ in range(2):
            await settling(jobs, performer).settle(await jobs.merge(fact))
    assert performer.done.count(ANNOUNCE) == 1
    assert performer.done.count(ARCHIVE) == 1


async def test_asking_in_vain_comes_to_an_end() -> None:
    """Nobody answers anything, every action is tried once a pass, and the pass is over."""
    jobs, performer = InMemory(), Scripted()
    job = await jobs.all_of(requested(), execution("FAILED", detailed=False), running(), claim(SWEEP, "me"))
    performer.now = NOW + 9999
    await settling(jobs, performer).settle(job, "me")
    assert performer.done == [ASK, AskTask(JOB, task_arn()), StopTask(JOB, task_arn())]


async def test_answers_that_change_nothing_come_to_an_end() -> None:
    """Step Functions goes on saying what we know already."""
    still = execution("RUNNING", observed_via="sweep")
    jobs, performer = InMemory(), Scripted({ASK: (still,)})
    job = await jobs.all_of(requested(), still, claim(SWEEP, "me"))
    await settling(jobs, performer).settle(job, "me")
    assert performer.done == [ASK]


async def test_a_sweep_finds_the_end_that_no_event_told() -> None:
    """With every event lost, one pass asks, archives and announces."""
    answers = {**USUAL, ASK: (OUTCOME,), AskTask(JOB, task_arn()): (task(),)}
    jobs, performer = InMemory(), Scripted(answers)
    job = await jobs.all_of(requested(), execution("STARTED"), claim(SWEEP, "me"))
    job = await settling(jobs, performer).settle(job, "me")
    assert performer.done[:2] == [ASK, AskTask(JOB, task_arn())]
    assert performer.done[-1] == ANNOUNCE
    assert job.announced is not None


async def test_no_task_is_stopped_of_a_redrive_that_only_a_question_tells_of() -> None:
    """It was redriven at once, and every event of Step Functions is lost."""
    jobs, performer = InMemory(), Scripted({ASK: (execution("RUNNING", redrive_count=1),)}, now=NOW + 100)
    job = await jobs.all_of(requested(), execution("FAILED"), running(created_at=NOW + 61, redrive=1))
    await settling(jobs, performer).settle(job)
    assert performer.done == [ASK, AskHistory(JOB)]


async def test_no_task_is_stopped_before_the_execution_was_asked_after() -> None:
    """Its end was told by an event that came late, and it was redriven since."""
    jobs, performer = InMemory(), Scripted({ASK: (execution("RUNNING", redrive_count=1),)}, now=NOW + 100)
    job = await jobs.all_of(requested(), execution("FAILED"), running(redrive=None))
    await settling(jobs, performer).settle(job)
    assert performer.done == [AskTask(JOB, task_arn()), ASK, AskHistory(JOB)]


async def test_what_another_claimed_is_left_to_them() -> None:
    """A claim that is lost ends the pass without the work."""
    jobs, performer = InMemory(), Scripted(USUAL)
    job = await jobs.all_of(requested(), OUTCOME, task(), receipt())
    await jobs.merge(claim("announce#0", "them", NOW + 60))
    job = await settling(jobs, performer).settle(job)
    assert performer.done == [Claim(KEY, "announce#0")]
    assert job.announced is None


@pytest.mark.parametrize("crashing", [START, ARCHIVE, ANNOUNCE, Claim(KEY, "announce#0")], ids=str)
async def test_after_a_crash_anywhere_the_next_pass_finishes(crashing: Action) -> None:
    """Nothing is remembered outside the record, so nothing needs to be recovered."""
    jobs, broken = InMemory(), Scripted(USUAL, fails=lambda action: action == crashing)
    healthy = Scripted(USUAL)
    for fact in (requested(), task(), OUTCOME):
        try:
            await settling(jobs, broken).settle(await jobs.merge(fact))
        except ConnectionError:
            healthy.now = broken.now + 61  # By then the claim of the one that crashed has run out.
    job = await settling(jobs, healthy).settle(jobs.records[KEY])
    assert job.announced is not None
    together = [action for action in broken.done + healthy.done if action != crashing]
    assert len([action for action in together if not isinstance(action, Claim)]) == len(
        {action for action in together if not isinstance(action, Claim)}
    )


async def test_a_log_that_cannot_be_archived_holds_nothing_up_for_ever() -> None:
    """After the deadline there is a receipt that says so, and the announcement goes out."""
    given_up = receipt(status="absent", why="it could not be read in time")
    jobs = InMemory()
    performer = Scripted({**USUAL, GiveUpLog(JOB, "t1", "main"): (given_up,)}, fails=lambda action: action == ARCHIVE)
    await jobs.all_of(requested(), OUTCOME, task())
    for seconds in (0, 300, 901):
        performer.now = END + seconds
        with pytest.raises(ConnectionError):
            await settling(jobs, performer).settle(jobs.records[KEY])
    performer.now = END + 901 + 61
    job = await settling(jobs, performer).settle(jobs.records[KEY])
    assert job.announced is not None


@dataclass
class SlowArchive(Scripted):
    """Archives a log for as long as it takes; its clock moves with every look at it, so that claims are short."""

    claim_seconds: float = 0.003
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> float:
        self.now += self.claim_seconds / 2
        return self.now

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        if isinstance(action, Claim):
            self.done.append(action)
            return (job.new_claim(action.what, me, self.clock(), self.claim_seconds),)
        if action == ARCHIVE:
            await self.may_end.wait()
        return await super().perform(action, job, me)


class Flaky(InMemory):
    """Every other renewal fails, as in an outage."""

    renewals: int = 0

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        if isinstance(fact, Claimed) and fact.renews is not None:
            self.renewals += 1
            if self.renewals % 2:
                raise AwsError
        return await super().merge(fact, carrying)


async def test_a_claim_lives_as_long_as_its_work() -> None:
    """An archive of many times the claim's span is made once, though others look at the job all the while."""
    jobs, performer = Flaky(), SlowArchive(USUAL)
    job = await jobs.all_of(requested(), OUTCOME, task())
    heart = Settling(jobs, performer, Patience(), performer.clock)
    working = asyncio.create_task(heart.settle(job))
    await eventually(lambda: jobs.renewals > 20)
    held = jobs.records[KEY].claim("archive#t1")
    assert held is not None and held.at > held.try_began_at + 5 * held.seconds
    others = Scripted(now=held.at + held.seconds / 2)
    await settling(jobs, others).settle(jobs.records[KEY])
    assert others.done == []
    performer.may_end.set()
    job = await working
    assert performer.done.count(ARCHIVE) == 1
    assert job.announced is not None


async def test_no_claim_is_renewed_after_its_work() -> None:
    """Nor where the work failed: the next try waits for the claim's time only."""
    jobs = Flaky()
    performer = SlowArchive(USUAL, fails=lambda action: action == ARCHIVE)
    performer.may_end.set()
    with pytest.raises(ConnectionError):
        await Settling(jobs, performer, Patience(), performer.clock).settle(
            await jobs.all_of(requested(), OUTCOME, task())
        )
    assert len(asyncio.all_tasks()) == 1
    assert jobs.renewals == 0


async def test_who_has_lost_a_claim_renews_it_no_more() -> None:
    """He was away for longer than the claim's span: another works at it, and keeps it."""
    jobs, performer = Flaky(), SlowArchive(USUAL)
    job = await jobs.all_of(requested(), OUTCOME, task())
    working = asyncio.create_task(Settling(jobs, performer, Patience(), performer.clock).settle(job))
    await eventually(lambda: jobs.records[KEY].claim("archive#t1"))
    theirs = claim("archive#t1", "another", performer.now + 9999)
    await jobs.merge(theirs)
    await eventually(lambda: len(asyncio.all_tasks()) == 2)  # This test's, and the work's.
    performer.may_end.set()
    await working
    assert jobs.records[KEY].claim("archive#t1") == theirs


async def test_a_log_waits_out_an_outage() -> None:
    """However long nobody worked, it is not given up before it was tried to read."""
    jobs, performer = InMemory(), Scripted(USUAL, now=END + 9999)
    job = await settling(jobs, performer).settle(await jobs.all_of(requested(), OUTCOME, task()))
    assert ARCHIVE in performer.done
    assert job.announced is not None


async def test_each_pass_works_under_a_name_of_its_own() -> None:
    """Two workings of the same message must not share a claim."""
    owners = set()
    for _ in range(2):
        jobs, performer = InMemory(), Scripted()
        await settling(jobs, performer).settle(await jobs.all_of(requested(), OUTCOME, task()))
        held = jobs.records[KEY].claim("archive#t1")
        assert held is not None
        owners.add(held.owner)
    assert len(owners) == 2


async def test_every_container_of_a_task_is_archived() -> None:
    """Those that nobody asked for as well."""
    both = {**USUAL, ArchiveLog(JOB, "t1", "agent"): (receipt("t1", "agent", status="absent"),)}
    jobs, performer = InMemory(), Scripted(both)
    job = await jobs.all_of(requested(), OUTCOME, task(containers=(container("agent", None), container())))
    job = await settling(jobs, performer).settle(job)
    assert job.announced is not None
    assert performer.done.count(Claim(KEY, "archive#t1")) == 1


async def test_nothing_is_owed_to_a_job_that_nobody_requested() -> None:
    """An event of a stranger's execution does nothing."""
    jobs, performer = InMemory(), Scripted(USUAL)
    await settling(jobs, performer).settle(await jobs.merge(OUTCOME))
    assert performer.done == []


@dataclass
class Unanswered(Scripted):
    """Is given no answer by AWS."""

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        facts = await super().perform(action, job, me)
        if not isinstance(action, Claim):
            raise AwsError("no answer")
        return facts


async def test_a_log_that_could_not_be_archived_is_left_to_the_next_who_comes() -> None:
    """Its message comes again within seconds, and would find the log claimed for a minute."""
    jobs, aws = InMemory(), Unanswered()
    job = await jobs.all_of(requested(), execution("RUNNING"), task())
    settling = Settling(jobs, aws, Patience(), lambda: END)
    with pytest.raises(AwsError):
        await settling.settle(job, "me")
    aws.now = END + 2
    with pytest.raises(AwsError):
        await replace(settling, now=lambda: END + 2).settle(await jobs.read(KEY), "another")
    assert aws.done.count(ARCHIVE) == 2
    held = (await jobs.read(KEY)).claim("archive#t1")
    assert held is not None and (held.owner, held.began_at) == ("another", END)


@dataclass
class Unread(InParts):
    """Cannot be read whole."""

    async def read_whole(self, key: RecordKey) -> Record:
        raise AwsError("Query", "down")


async def test_a_finished_archive_is_kept_where_the_record_cannot_be_read() -> None:
    """A large log is not copied twice because of one read."""
    jobs = Unread()
    job = await jobs.all_of(requested(), execution("RUNNING"), task())
    with pytest.raises(AwsError):
        await settling(jobs, Scripted(USUAL)).settle(job)
    assert (await jobs.read(KEY)).registers["receipt#t1#main"] == receipt()


@dataclass
class Overtaken(InMemory):
    """Refuses the first claim on an announcement: another counts a change meanwhile, and leaves the rest to us."""

    claims: list[int | None] = field(default_factory=list)

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        if isinstance(fact, Claimed) and fact.what == "announce#0":
            self.claims.append(known.tally.changes if known else None)
            if len(self.claims) == 1:
                counted = replace(await self.read(KEY), tally=Tally(changes=1), seen=1)
                self.records[KEY] = counted
                return counted
        return await super().merge(fact, carrying)


async def test_an_announcement_is_claimed_by_all_that_is_counted_or_once_more() -> None:
    """Else who has the claim would keep others from announcing, and would not announce."""
    jobs, performer = Overtaken(), Scripted(USUAL)
    await settling(jobs, performer).settle(await jobs.all_of(requested(), OUTCOME, task(), receipt()))
    assert jobs.claims == [0, 1]
    assert performer.done[-1] == ANNOUNCE


async def test_an_announcement_without_an_answer_stays_claimed() -> None:
    """It may have been made: whoever comes at once would make a copy of it."""
    jobs, aws = InMemory(), Unanswered()
    job = await jobs.all_of(requested(), OUTCOME, task(), receipt())
    with pytest.raises(AwsError):
        await Settling(jobs, aws, Patience(), lambda: END).settle(job, "me")
    held = (await jobs.read(KEY)).claim("announce#0")
    assert held is not None and not held.has_expired(END + 59)


@dataclass
class Noting(InMemory):
    """Notes which receipts are said to be the last of their tasks."""

    last: list[bool] = field(default_factory=list)

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        if fact.register_name.startswith("receipt#"):
            self.last.append(is_last)
        return await super().merge(fact, carrying)


@pytest.mark.parametrize("stages", [1, 2])
async def test_the_last_receipt_of_a_task_is_said_to_be_that(stages: int) -> None:
    """Of the last stage and of another; what came of the other containers is known by then."""
    pair = task(containers=(container(), container("proxy")))
    jobs = Noting()
    performer = Scripted(USUAL | {ArchiveLog(JOB, "t1", "proxy"): (receipt(name="proxy"),)})
    await settling(jobs, performer).settle(await jobs.all_of(requested(stages=stages), execution("RUNNING"), pair))
    assert jobs.last == [False, True]
