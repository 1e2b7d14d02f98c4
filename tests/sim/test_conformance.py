"""The simulated services say what AWS's say: the real adapters are put to the same questions on both."""

from __future__ import annotations

from random import Random

import pytest

from service.aws.errors import AwsError
from service.aws.failures import Failures
from service.aws.jobs_table import JobsTable
from service.aws.queue import Message, Queue
from service.core.record.facts import Fact, LogArchived
from service.core.record.record import Record
from tests.support.job_facts import (
    GRACE,
    KEY,
    SILENCE,
    Time,
    announced,
    claimed,
    execution,
    heard,
    item,
    open_jobs,
    requested,
    task,
)

_REDRIVEN = execution("RUNNING", redrive=1)


# The table of jobs.


@pytest.mark.parametrize("seed", range(4))
async def test_facts_merge_as_the_pure_core_merges_them(table: JobsTable, seed: int) -> None:
    """In any order, with any repetition, and with all that decisions are made on as the answer each time."""
    chance = Random(seed)
    facts: list[Fact] = [task(version, "STOPPED" if version > 4 else "RUNNING") for version in range(1, 7)]
    facts += [execution(status, redrive) for status in ("RUNNING", "FAILED", "SUCCEEDED") for redrive in (0, 1)]
    facts += [announced(0), announced(1), claimed("a", 10.0), claimed("b", 20.0), claimed("c", 75.0)]
    facts += [
        LogArchived(job_id="job", task_id="t", container="main", status=status)
        for status in ("absent", "possibly_lossy", "complete")
    ]
    expected = known = Record.of_job("job")
    for fact in (requested(), *chance.choices(facts, k=25), requested(digest="d2")):
        expected = heard(expected, fact)
        known = (await table.merge(fact)).beside(known)
        assert known == expected
    assert (await table.read(KEY)).beside(known) == expected
    assert await table.read_whole(KEY) == expected


async def test_what_is_said_of_an_unknown_job_leaves_nothing(table: JobsTable) -> None:
    """A fact that does not create is refused, and its refusal holds no item."""
    for fact in (task(3), execution("SUCCEEDED"), claimed("me", 1.0), announced()):
        assert await table.merge(fact) == Record.of_job("job")
    assert await item(table) == {}


@pytest.mark.parametrize(
    ("facts", "due_after"),
    [
        pytest.param((), SILENCE, id="requested"),
        pytest.param((execution("RUNNING"),), SILENCE, id="started"),
        pytest.param((task(3),), SILENCE, id="its-task-runs"),
        pytest.param((task(4, "STOPPED"),), SILENCE, id="its-task-stopped"),
        pytest.param((execution("FAILED"),), GRACE, id="ended"),
        pytest.param((execution("FAILED"), announced()), None, id="announced"),
        pytest.param((announced(), task(9, "STOPPED")), None, id="a-task-told-late"),
        pytest.param((execution("FAILED"), announced(), _REDRIVEN), GRACE, id="redriven"),
        pytest.param((execution("FAILED"), _REDRIVEN, announced()), GRACE, id="redriven-while-announced"),
        pytest.param((execution("FAILED"), _REDRIVEN, announced(1)), None, id="redriven-and-announced"),
    ],
)
async def test_the_sweepers_index_is_the_same(
    table: JobsTable, time: Time, facts: tuple[Fact, ...], due_after: int | None
) -> None:
    """Open, due and closed at the same moments; an announcement that a redrive overtook closes nothing."""
    for fact in (requested(), *facts):
        await table.merge(fact)
    horizon = 10 * SILENCE if due_after is None else due_after
    assert await open_jobs(table, time() + horizon) == set()
    assert await open_jobs(table, time() + horizon + horizon // 2 + 1) == (set() if due_after is None else {"job"})
    assert ("expires_at" in await item(table)) == (due_after is None)


async def test_closing_asks_whether_the_job_was_redriven(table: JobsTable, time: Time) -> None:
    """A record that is out of date closes nothing."""
    await table.merge(requested())
    stale = await table.merge(execution("FAILED"))
    await table.merge(execution("RUNNING", redrive=1))
    await table.close(stale)
    assert await open_jobs(table, time() + 2 * SILENCE) == {"job"}
    await table.close(await table.read(KEY))
    assert await open_jobs(table, time() + 2 * SILENCE) == set()


async def test_the_most_silent_come_first(table: JobsTable, time: Time) -> None:
    """A look at a shard is sorted by due time and bounded."""
    for job_id in ("16", "34", "9"):
        await table.merge(requested(job_id))
        time.seconds += SILENCE // 2
    shards = {shard: await table.due(shard, time() + 2 * SILENCE, 2) for shard in range(8)}
    assert sorted(str(key) for found in shards.values() for key in found) == ["16", "34", "9"]
    assert all(len(found) <= 2 for found in shards.values())


async def test_a_failure_is_kept_beside_the_jobs(table: JobsTable, time: Time) -> None:
    """It is no job, and nobody sweeps for it."""
    failures = Failures(table.client, table.name, time)
    await failures.note("m1", "events", ValueError("why"))
    await failures.note("m1", "events", ValueError("why now"))
    assert (await item(table, "failed:m1"))["reason"] == "why now"
    assert await open_jobs(table, time() + 10 * SILENCE) == set()


# The queue.


async def sent(queue: Queue, *bodies: str) -> tuple[Message, ...]:
    """Messages that were sent, and are taken."""
    for body in bodies:
        await queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    taken: tuple[Message, ...] = ()
    while len(taken) < len(bodies):
        taken += await queue.receive(10, wait_seconds=1)
    return taken


async def test_a_message_is_taken_with_its_story(queue: Queue) -> None:
    """Its id, its body, how often it was received, and since when it is there."""
    [first] = await sent(queue, "ünïcode")
    assert (first.body, first.receive_count) == ("ünïcode", 1)
    assert 1_600_000_000 < first.sent_at < 10_000_000_000
    await queue.set_visibility(first, 0)
    [second] = await queue.receive(10, wait_seconds=1)
    assert (second.message_id, second.receive_count) == (first.message_id, 2)


async def test_an_empty_queue_answers_with_no_message(queue: Queue) -> None:
    """A poll ends when its wait is over."""
    assert await queue.receive(10, wait_seconds=1) == ()


async def test_no_more_than_ten_are_taken_at_once(queue: Queue) -> None:
    """Nor more than were asked for."""
    await sent(queue, *map(str, range(12)))
    for number in range(12):
        await queue.client.send_message(QueueUrl=queue.url, MessageBody=str(number))
    assert len(await queue.receive(1, wait_seconds=1)) == 1
    assert 1 <= len(await queue.receive(50, wait_seconds=1)) <= 10


async def test_what_is_taken_is_hidden_until_its_lease_ends(queue: Queue) -> None:
    """Then it is received again."""
    [taken] = await sent(queue, "a")
    assert await queue.receive(1, wait_seconds=0) == ()
    [again] = await queue.receive(1, wait_seconds=5)
    assert again.message_id == taken.message_id


async def test_a_lease_that_is_kept_does_not_end(queue: Queue) -> None:
    """Renewed at a third of its span, for twice that span."""
    [taken] = await sent(queue, "a")
    async with queue.lease(taken):
        assert await queue.receive(1, wait_seconds=2 * queue.visibility_seconds) == ()
    [again] = await queue.receive(1, wait_seconds=5)
    assert again.message_id == taken.message_id


async def test_what_is_deleted_does_not_come_back(queue: Queue) -> None:
    """Deleting it once more is no failure."""
    taken = await sent(queue, "a", "b")
    assert await queue.delete(taken) == ()
    assert await queue.delete(taken) == ()
    assert await queue.receive(10, wait_seconds=2 * queue.visibility_seconds) == ()


async def test_the_lease_of_a_deleted_message_cannot_be_renewed(queue: Queue) -> None:
    """It is refused, which the renewing worker must bear."""
    taken = await sent(queue, "a")
    await queue.delete(taken)
    with pytest.raises(AwsError):
        await queue.set_visibility(taken[0], 10)
