"""DynamoDB by moto, the table built from the template: merging a fact is one conditional write."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import ValidationError

from schemas.notification import Problem
from schemas.plan import Attempt
from service.aws import record_items
from service.aws.errors import AwsError
from service.aws.jobs_table import JobsTable
from service.aws.open_jobs import shard_of
from service.aws.record_items import item_key, record_of
from service.core.policy.owed import SWEEP
from service.core.record.facts import FACT, Claimed, Fact, LogArchived, Rejected, TaskChanged
from service.core.record.keys import RecordKey
from service.core.record.record import Record, Tally
from service.core.record.register_names import archiving, marker_of
from service.settings import SettingsError
from tests.support.job_facts import (
    GRACE,
    KEY,
    RETENTION_DAYS,
    SILENCE,
    TASK,
    Time,
    announced,
    claimed,
    execution,
    heard,
    item,
    open_jobs,
    progress_told,
    requested,
    task,
)


async def test_the_first_request_with_an_id_is_the_job(table: JobsTable) -> None:
    """The second writer is answered with what the first one wrote."""
    first, second = requested(digest="d1"), requested(digest="d2")
    assert (await table.merge(first)).request == first
    assert (await table.merge(second)).request == first
    assert (await table.read(KEY)).request == first.in_brief()
    assert (await table.read_whole(KEY)).request == first


async def test_what_a_request_began_and_left_the_next_one_completes(table: JobsTable) -> None:
    """Its worker died between the request and the head: whoever comes, a rival even, finds the first one's job."""
    first = requested(digest="d1")
    with patch.object(table.client, "update_item", side_effect=ConnectionError("died")), pytest.raises(AwsError):
        await table.merge(first)
    assert await table.read(KEY) == Record.of_job("job")
    assert (await table.merge(requested(digest="d2"))).request == first
    assert (await table.read(KEY)).request == first.in_brief()


async def test_a_write_of_the_head_does_not_carry_the_request(table: JobsTable) -> None:
    """An update is billed by its whole item, and most decisions need little of a request."""
    large = requested().model_copy(update={"execution_input": "x" * 12_000})
    await table.merge(large)
    head = await table.client.get_item(TableName=table.name, Key=item_key(KEY), ConsistentRead=True)
    assert len(str(head["Item"])) < 1000
    assert (await table.read_whole(KEY)).request == large


async def test_a_record_of_many_pages_is_read_whole(table: JobsTable) -> None:
    """DynamoDB answers with 1 MB at most at a time."""
    await table.merge(requested())
    for number in range(4):
        await table.client.put_item(
            TableName=table.name, Item={**item_key(KEY, f"note#{number}"), "text": {"S": "x" * 390_000}}
        )
    told = {"rank": {"N": "0"}, "fact": {"S": execution("FAILED").model_dump_json()}}
    await table.client.put_item(TableName=table.name, Item={**item_key(KEY, "z"), "r#execution": {"M": told}})
    whole = await table.read_whole(KEY)
    assert (whole.request, whole.execution) == (requested(), execution("FAILED"))


async def test_the_table_of_the_template_passes_the_look_at_start(table: JobsTable) -> None:
    """Nothing is left behind by it."""
    await table.check()
    assert await table.read(RecordKey.of_job("no-job")) == Record.of_job("no-job")


WRONG_TABLES = {
    "none at all": (None, "there is no such table"),
    "no index": (("record_key", "part"), "the index open_jobs"),
    "no parts": (("record_key",), "the key record_key and part"),
    "another key": (("id",), "the key record_key and part"),
}


@pytest.mark.parametrize(("shape", "why"), WRONG_TABLES.values(), ids=WRONG_TABLES)
async def test_a_wrong_table_is_refused_in_a_sentence(table: JobsTable, shape: Any, why: str) -> None:
    """It names the setting, the table, and what it must have."""
    wrong = replace(table, name=f"{table.name}-wrong")
    if shape:
        attributes: Any = [{"AttributeName": key, "AttributeType": "S"} for key in shape]
        kinds = zip(shape, ("HASH", "RANGE"), strict=False)
        keys: Any = [{"AttributeName": key, "KeyType": kind} for key, kind in kinds]
        await table.client.create_table(
            TableName=wrong.name, AttributeDefinitions=attributes, KeySchema=keys, BillingMode="PAY_PER_REQUEST"
        )
    with pytest.raises(SettingsError) as refusal:
        await wrong.check()
    assert str(refusal.value).startswith(f"JOBFERRY_JOBS_TABLE ({wrong.name}) cannot be used: ")
    assert why in str(refusal.value)


async def test_of_two_facts_the_higher_rank_wins_and_both_writers_see_it(table: JobsTable) -> None:
    """Also the writer whose fact knew less is answered with the whole record."""
    await table.merge(requested())
    newer = await table.merge(task(5))
    older = await table.merge(task(3))
    assert newer == older == await table.read(KEY)
    assert [each.version for each in older.tasks] == [5]
    assert older.request == requested().in_brief()


async def test_a_fact_heard_twice_changes_nothing(table: JobsTable, time: Time) -> None:
    """A duplicated event does not even move the job in the sweeper's index."""
    await table.merge(requested())
    once = await table.merge(task(3))
    before = await item(table)
    time.seconds += 1000
    assert await table.merge(task(3)) == once
    assert await item(table) == before


async def test_a_fact_about_an_unknown_job_leaves_nothing_behind(table: JobsTable) -> None:
    """Another's execution may have a name like ours: nothing grows of it, and nothing fails."""
    for fact in (task(3), execution("SUCCEEDED"), claimed("me", 1.0), announced()):
        assert await table.merge(fact) == Record.of_job("job")
    assert await item(table) == {}


async def test_a_rejection_needs_no_job(table: JobsTable) -> None:
    """It is a record of its own."""
    problem = Problem(field="", message="not JSON", remedy="send JSON")
    rejection = Rejected(message_id="m1", submitted_at=1.0, problems=(problem,))
    assert (await table.merge(rejection)).rejection == rejection
    assert (await table.read(RecordKey.of_rejection("m1"))).rejection == rejection


async def test_a_claim_holds_until_it_expires(table: JobsTable) -> None:
    """A lock is whoever's comes first, and the next one's only after its time."""
    await table.merge(requested())
    owners = []
    for owner, at in (("first", 100.0), ("second", 101.0), ("third", 159.9), ("fourth", 160.1)):
        claim = (await table.merge(claimed(owner, at))).claim("announce#0")
        owners.append(claim.owner if claim else None)
    assert owners == ["first", "first", "first", "fourth"]


async def test_a_claim_is_renewed_by_its_owner_only(table: JobsTable) -> None:
    """And by him only while nobody else has it."""
    await table.merge(requested())
    first = claimed("first", 100.0)
    owners = []
    for claim in (first, first.renewed(140.0), claimed("second", 199.0), claimed("third", 201.0), first.renewed(300.0)):
        held = (await table.merge(claim)).claim("announce#0")
        owners.append(held.owner if held else None)
    assert owners == ["first", "first", "first", "third", "third"]


async def test_unknown_attributes_are_no_registers(table: JobsTable) -> None:
    """The index and what a later version may add do not disturb reading."""
    assert record_of(KEY, {**item_key(KEY), "due_at": {"N": "1"}, "novelty": {"S": "x"}}) == Record.of_job("job")


async def test_a_fact_of_a_kind_that_only_a_newer_worker_knows_stands_in_nobodys_way(table: JobsTable) -> None:
    """A worker that was rolled back decides without it, and leaves it to the next newer one."""
    await table.merge(requested())
    novelty = {"rank": {"N": "7"}, "fact": {"S": '{"kind": "novelty", "job_id": "job"}'}}
    await table.client.update_item(
        TableName=table.name,
        Key=item_key(KEY),
        UpdateExpression="SET #register = :fact",
        ExpressionAttributeNames={"#register": "r#novelty"},
        ExpressionAttributeValues={":fact": {"M": novelty}},
    )
    read, merged = await table.read(KEY), await table.merge(execution("FAILED"))
    assert read.registers.keys() == {"request"}
    assert merged.registers.keys() == {"request", "execution"}
    answer = await table.client.get_item(TableName=table.name, Key=item_key(KEY))
    assert answer["Item"]["r#novelty"] == {"M": novelty}


def test_a_fact_of_a_known_kind_that_cannot_be_read_is_no_novelty() -> None:
    """What is wrong with it is a bug, and is not passed over."""
    broken = {"M": {"rank": {"N": "0"}, "fact": {"S": '{"kind": "execution", "job_id": "job"}'}}}
    record = record_of(KEY, {"r#execution": broken})
    with pytest.raises(ValidationError, match="arn"):
        assert record.execution


async def test_what_nobody_looks_at_is_not_read(table: JobsTable) -> None:
    """Nor is what was just written: it is used as it is."""
    await table.merge(requested())
    await table.merge(task(3))
    with patch.object(record_items, "FACT") as reader:
        heard = execution("FAILED")
        job = await table.merge(heard)
        assert job.execution is heard
    assert reader.validate_json.call_count == 0
    with patch.object(record_items, "FACT", wraps=FACT) as reader:
        assert (await table.read(KEY)).tasks == (task(3),)
    assert reader.validate_json.call_count == 1


@pytest.mark.parametrize("seed", range(8))
async def test_the_table_merges_as_the_pure_core_does(table: JobsTable, seed: int) -> None:
    """Any order, any repetition: the record in DynamoDB is the one that the definition gives."""
    chance = random.Random(seed)
    facts: list[Fact] = [task(version, "STOPPED" if version > 4 else "RUNNING") for version in range(1, 7)]
    facts += [execution(status, redrive) for status in ("RUNNING", "FAILED", "SUCCEEDED") for redrive in (0, 1)]
    facts += [announced(0), announced(1), claimed("a", 10.0), claimed("b", 20.0), claimed("c", 75.0)]
    facts += [
        LogArchived(job_id="job", task_id="t", container="main", status=status)
        for status in ("absent", "possibly_lossy", "complete")
    ]
    told = [requested(), *chance.choices(facts, k=25), requested(digest="d2")]
    expected = known = Record.of_job("job")
    for fact in told:
        expected = heard(expected, fact)
        known = (await table.merge(fact)).beside(known)
        assert known == expected
    assert await table.read_whole(KEY) == expected


def step(seconds: float) -> int:
    """By how much later a job may be due that was put off for so long."""
    return int(seconds / (2 if seconds == SILENCE else 10))


async def test_a_new_job_is_open_and_due_when_it_was_silent_for_long(table: JobsTable, time: Time) -> None:
    """If we die before it is started its message comes again, and the sweeper finds it when that is set aside."""
    await table.merge(requested())
    assert await open_jobs(table, time() + SILENCE) == set()
    assert await open_jobs(table, time() + SILENCE + step(SILENCE) + 1) == {"job"}


@pytest.mark.parametrize(
    ("fact", "patience"),
    [
        (execution("RUNNING"), SILENCE),
        (execution("FAILED"), GRACE),
    ],
    ids=lambda value: value.register_name if not isinstance(value, int) else str(value),
)
async def test_news_of_an_execution_puts_off_the_sweep(table: JobsTable, time: Time, fact: Fact, patience: int) -> None:
    """A job that runs may be silent for long, one that nears its end only for the grace time."""
    await table.merge(requested())
    time.seconds += 10
    await table.merge(fact)
    assert await open_jobs(table, time() + patience) == set()
    assert await open_jobs(table, time() + patience + step(patience) + 1) == {"job"}


async def test_news_of_a_task_does_not_put_off_the_look_after_a_redrive(table: JobsTable, time: Time) -> None:
    """Tasks of before it may run on, and are to be found when their grace time is over."""
    await table.merge(requested())
    await table.merge(execution("RUNNING", redrive=1))
    before = (await item(table))["due_at"]
    time.seconds += GRACE / 2
    await table.merge(task(3))
    assert (await item(table))["due_at"] == before


def swept(owner: str, at: float) -> Claimed:
    """A claim of the sweeper's."""
    return claimed(owner, at).model_copy(update={"what": SWEEP})


@pytest.mark.parametrize("fact", [task(4, "STOPPED"), claimed("me", 1_700_000_000.0)], ids=["a task", "a claim"])
async def test_what_the_jobs_end_looks_after_moves_no_key_of_the_index(
    table: JobsTable, time: Time, fact: Fact
) -> None:
    """A stopped task's log, or an announcement, whose worker died: the end of the job makes it due soon."""
    await table.merge(requested())
    await table.merge(execution("FAILED"))
    before = (await item(table))["due_at"]
    await table.merge(fact)
    assert (await item(table))["due_at"] == before
    assert await open_jobs(table, time() + GRACE + step(GRACE) + 1) == {"job"}


@pytest.mark.parametrize("made", range(7))
async def test_a_sweep_makes_the_job_due_when_its_claim_expires(table: JobsTable, time: Time, made: int) -> None:
    """Not after a whole silence: whoever made it may be dead, and the message that it worked on gone."""
    time.seconds += made
    await table.merge(requested())
    await table.merge(execution("FAILED"))
    await table.merge(claim := swept("me", time()))
    assert await open_jobs(table, time() + claim.seconds) == set()
    assert await open_jobs(table, time() + claim.seconds + step(claim.seconds) + 1) == {"job"}
    await table.merge(renewed := claim.renewed(time() + 20))
    assert await open_jobs(table, renewed.at + claim.seconds) == set()
    assert await open_jobs(table, renewed.at + claim.seconds + step(claim.seconds) + 1) == {"job"}


async def test_facts_that_come_close_together_move_no_key_of_the_index(table: JobsTable, time: Time) -> None:
    """An equal value costs no write of the index, and one that moves costs two: a job's task is told of many times."""
    await table.merge(requested())
    dues = set()
    for version in range(1, 31):
        await table.merge(task(version))
        dues.add((await item(table))["due_at"])
        time.seconds += 1
    assert len(dues) <= 2


async def test_what_we_told_does_not_put_off_the_sweep(table: JobsTable, time: Time) -> None:
    """An ended job whose progress was told is taken up as soon as one without; an announced one stays closed."""
    await table.merge(requested())
    await table.merge(execution("FAILED"))
    due = (await item(table))["due_at"]
    time.seconds += 10
    assert (await table.merge(progress_told())).was_told("0:STARTED")
    assert (await item(table))["due_at"] == due
    await table.merge(announced())
    await table.merge(progress_told("STAGE_FINISHED:1:1"))
    assert await open_jobs(table, time() + 10 * SILENCE) == set()


async def test_an_announced_job_is_closed_and_expires(table: JobsTable, time: Time) -> None:
    """The sweeper sees it no more; DynamoDB deletes it after the retention."""
    await table.merge(requested())
    await table.merge(announced())
    assert await open_jobs(table, time() + 10 * SILENCE) == set()
    left = await item(table)
    assert left.keys() == {"record_key", "part", "expires_at"}
    assert int(left["expires_at"]) == int(time()) + RETENTION_DAYS * 86_400


async def test_a_late_fact_does_not_reopen_an_announced_job(table: JobsTable, time: Time) -> None:
    """What comes after the announcement is remembered, and nobody sweeps for it."""
    await table.merge(requested())
    await table.merge(announced())
    await table.merge(task(9, "STOPPED"))
    assert await open_jobs(table, time() + 10 * SILENCE) == set()
    assert "expires_at" in await item(table)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
async def test_a_redriven_job_is_open_again(table: JobsTable, time: Time, status: str) -> None:
    """Its first announcement closed it; the redrive's news open it, even where its RUNNING event was lost."""
    await table.merge(requested())
    await table.merge(execution("FAILED"))
    await table.merge(announced(0))
    await table.merge(execution(status, redrive=1))
    assert await open_jobs(table, time() + SILENCE + step(SILENCE) + 1) == {"job"}
    assert "expires_at" not in await item(table)


async def test_the_most_silent_come_first_and_no_more_than_asked_for(table: JobsTable, time: Time) -> None:
    """A look at a shard is bounded."""
    same_shard = [key for key in (RecordKey.of_job(str(number)) for number in range(200)) if shard_of(key) == 3][:5]
    for key in same_shard:
        await table.merge(requested(key.id))
        time.seconds += step(SILENCE)
    at = time() + SILENCE + step(SILENCE) + 1
    found = await table.due(3, at, 100)
    assert list(found) == same_shard
    assert list(found.values()) == sorted(found.values()) and found[same_shard[-1]] < at
    assert list(await table.due(3, at, 2)) == same_shard[:2]


async def test_shards_are_the_sweepers(table: JobsTable) -> None:
    """Every job lies in a shard that a sweep looks at."""
    assert {shard_of(RecordKey.of_job(str(number))) for number in range(1000)} == set(range(8))


async def test_a_refused_write_is_no_answer(table: JobsTable) -> None:
    """Only a failed condition is knowledge; a missing table is an error that SQS is to retry."""
    missing = replace(table, name="no-such-table")
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        await missing.merge(requested())


def stopped(task_id: str = "0123456789abcdef", version: int = 4, made: float = 100.0) -> TaskChanged:
    """A task that ended."""
    arn = TASK.rpartition("/")[0] + f"/{task_id}"
    return task(version, "STOPPED").model_copy(update={"arn": arn, "created_at": made, "stage": 1})


def archived(of: TaskChanged, status: str = "complete") -> LogArchived:
    """What became of its log."""
    told = {"job_id": "job", "task_id": of.task_id, "container": "main", "status": status}
    return LogArchived.model_validate(told)


def mine(of: TaskChanged, owner: str = "me") -> Claimed:
    """A claim on a task's logs."""
    return claimed(owner, 10.0).model_copy(update={"what": archiving(of.task_id)})


async def settle(table: JobsTable, of: TaskChanged) -> Record:
    """A task stops, and its log is archived: the answer to the last write."""
    await table.merge(of, mine(of))
    return await table.merge(archived(of), is_last=True)


async def item_of(table: JobsTable, part: str = "head") -> Any:
    """A part as it lies there."""
    return (await table.client.get_item(TableName=table.name, Key=item_key(KEY, part), ConsistentRead=True))["Item"]


async def test_what_stopped_lies_beside_the_head(table: JobsTable) -> None:
    """The task that ran leaves it; the head counts it, and owes its log, and who wrote it knows all of it."""
    await table.merge(requested())
    ran = stopped().model_copy(update={"version": 3, "last_status": "RUNNING"})
    assert (await table.merge(ran)).tasks == (ran,)
    told = await table.merge(stopped(), mine(stopped()))
    assert (told.tasks, told.claims_of("me"), told.has_every_task) == ((stopped(),), (mine(stopped()),), True)
    head = await table.read(KEY)
    assert set(head.registers) == {"request"}
    assert head.tally == Tally(1, 1, 100.0, frozenset({marker_of(stopped().task_id)}))
    assert not head.has_every_task
    whole = await table.read_whole(KEY)
    assert whole.registers.keys() == {"request", stopped().register_name, mine(stopped()).register_name}
    assert whole.is_whole


async def test_the_last_receipt_says_that_nothing_is_owed(table: JobsTable) -> None:
    """It lies beside the head, which counts it; an earlier one of the same task changes nothing of what is owed."""
    await table.merge(requested())
    await table.merge(stopped())
    assert (await table.merge(archived(stopped()))).tally.logs_owed == {marker_of(stopped().task_id)}
    told = await table.merge(archived(stopped()), is_last=True)
    assert (told.tally.logs_owed, told.tally.changes) == (frozenset(), 3)
    [container] = stopped().containers
    assert (await table.read_whole(KEY)).receipt(stopped(), container) == archived(stopped())


@pytest.mark.parametrize(
    "late",
    [stopped(), stopped(version=9), archived(stopped(), "absent"), mine(stopped(), "another")],
    ids=["its end again", "more of its end", "a receipt", "a claim"],
)
async def test_what_comes_late_of_a_settled_task_owes_nothing(table: JobsTable, late: Fact) -> None:
    """It would be archived once more, or be waited for; what it knows more is kept."""
    await table.merge(requested())
    await settle(table, stopped())
    told = await table.merge(late)
    whole = await table.read_whole(KEY)
    assert (told.tally.logs_owed, whole.tally.stops) == (frozenset(), 1)
    [held] = whole.tasks
    assert held.version == (9 if isinstance(late, TaskChanged) and late.version == 9 else 4)
    [container] = held.containers
    assert whole.receipt(held, container) == archived(stopped())


async def test_that_a_task_runs_is_old_news_once_it_has_stopped(table: JobsTable) -> None:
    """While its log is owed, and afterwards, for as long as no other has stopped."""
    await table.merge(requested())
    ran = stopped().model_copy(update={"version": 3, "last_status": "RUNNING"})
    await table.merge(stopped())
    before = await item_of(table)
    assert (await table.merge(ran)).tasks == ()
    assert await item_of(table) == before
    await table.merge(archived(stopped()), is_last=True)
    assert (await table.merge(ran)).tasks == ()


async def test_of_a_stop_the_one_that_knows_more_stays(table: JobsTable) -> None:
    """In whatever order they come; each is counted, and its log owed once."""
    await table.merge(requested())
    await table.merge(stopped(version=9))
    told = await table.merge(stopped())
    assert [task.version for task in told.tasks] == [9]
    assert (told.tally.stops, told.tally.changes, len(told.tally.logs_owed)) == (1, 2, 1)


async def test_who_wrote_and_did_not_count_is_counted_by_the_next(table: JobsTable) -> None:
    """The worker died between the two: its message comes again, and from then on everybody looks at the whole."""
    await table.merge(requested())
    counting = patch.object(JobsTable, "_count", side_effect=AwsError("died"))
    with counting, pytest.raises(AwsError):
        await table.merge(stopped(), mine(stopped()))
    assert (await table.read(KEY)).tally == Tally()
    told = await table.merge(stopped(), mine(stopped(), "another"))
    assert (told.tally.changes, told.claims_of("me")) == (1, (mine(stopped()),))
    assert not (await table.merge(execution("FAILED"))).has_every_task


async def test_a_stop_of_no_job_is_to_leave(table: JobsTable, time: Time) -> None:
    """Another's task may be of a group like ours."""
    assert await table.merge(stopped()) == Record.of_job("job")
    assert int((await item_of(table, f"task#{stopped().task_id}"))["expires_at"]["N"]) == int(time())


async def test_a_head_stays_small_however_many_have_stopped(table: JobsTable) -> None:
    """Also where the logs of all are owed: an update is billed by the whole head."""
    await table.merge(requested())
    for number in range(20):
        await table.merge(stopped(f"{number:016x}", made=float(number)))
    owing = await item_of(table)
    assert len(owing["logs_owed"]["SS"]) == 20
    assert all(len(marker) == 4 for marker in owing["logs_owed"]["SS"])
    for number in range(20):
        await table.merge(archived(stopped(f"{number:016x}")), is_last=True)
    assert "logs_owed" not in await item_of(table)
    assert len((await table.read_whole(KEY)).tasks) == 20


NEWS = {
    "none": (None, "me"),
    "a redrive": (execution("RUNNING", redrive=1), None),
    "that another task stopped": (stopped("fedcba9876543210"), None),
    "that another announces it": (claimed("another", 10.0), "another"),
}


@pytest.mark.parametrize(("news", "owner"), NEWS.values(), ids=NEWS)
async def test_the_last_receipt_carries_a_claim_if_the_job_is_as_it_was(
    table: JobsTable, news: Fact | None, owner: str | None
) -> None:
    """Else more may be owed, and who has the claim would keep others from announcing; it is counted all the same."""
    await table.merge(requested())
    await table.merge(execution("FAILED"))
    await table.merge(stopped())
    known = await table.read_whole(KEY)
    if news is not None:
        await table.merge(news)
    told = await table.merge(archived(stopped()), claimed("me", 20.0), is_last=True, known=known)
    held = told.claim("announce#0")
    assert (held.owner if held else None) == owner
    assert marker_of(stopped().task_id) not in told.tally.logs_owed


async def test_logs_are_claimed_of_a_task_that_is_there(table: JobsTable) -> None:
    """And the claim is renewed, and let go of, beside the head."""
    await table.merge(requested())
    assert (await table.merge(mine(stopped()))).claims_of("me") == ()
    await table.merge(stopped())
    first = await table.merge(mine(stopped()))
    assert (first.claims_of("me"), first.request) == ((mine(stopped()),), requested().in_brief())
    kept = mine(stopped()).renewed(40.0)
    assert (await table.merge(kept)).claim(kept.what) == kept
    assert (await table.merge(mine(stopped(), "another"))).claim(kept.what) == kept


async def test_a_claim_is_carried_by_news_only(table: JobsTable) -> None:
    """Whoever hears the same once more has not claimed anything by that."""
    await table.merge(requested())
    first = await table.merge(stopped(), mine(stopped()))
    assert first.claims_of("me") == (mine(stopped()),)
    again = await table.merge(stopped(), mine(stopped()).model_copy(update={"owner": "another"}))
    assert again.claims_of("another") == ()


async def test_an_outcome_of_many_attempts_lies_beside_the_head(table: JobsTable) -> None:
    """What is written after the end does not carry them; six hundred are told whole."""
    await table.merge(requested())
    attempts = tuple(Attempt(stage=number, attempt=1, passed=True) for number in range(1, 601))
    long = execution("SUCCEEDED").model_copy(update={"attempts": attempts})
    assert (await table.merge(long)).execution == long
    head = await table.read(KEY)
    assert head.execution == long.in_brief()
    assert (head.has_every_task, len(str(await item_of(table))) < 1500) == (False, True)
    assert (await table.read_whole(KEY)).execution == long
