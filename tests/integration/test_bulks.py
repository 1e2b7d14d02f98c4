"""Many jobs at once: which are touched, what is counted, and that a worker's death loses and doubles nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from aiolimiter import AsyncLimiter

from schemas.bulk import TrackedBulk
from service.aws.errors import AwsError
from service.aws.job_list import JobList
from service.aws.jobs_table import JobsTable
from service.aws.queue import REPLAY, Message
from service.aws.record_items import attribute_of, item_key
from service.aws.replays import FirstSent, Replays, replay_item
from service.core.policy.actions import Action, LeaveUnstarted, RedriveExecution, StartExecution, StopExecution
from service.core.policy.owed import Patience
from service.core.record.asked import cancel_asked
from service.core.record.bulk_facts import BulkProgressed
from service.core.record.facts import ExecutionChanged, Fact
from service.core.record.hearing import left_unstarted
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, Redriven, RedriveRefused
from service.core.tracking.bulk import tracked_bulk
from service.metrics import UNMETERED
from service.settle import Settling
from service.tracking.finding import Finder
from tests.support.builders import announced, catalog, execution, rejected, requested
from tests.support.job_facts import Time
from workers.bulks import Bulks, SteersMany
from workers.control import Controls
from workers.requests import HeldBack, Requests
from workers.reruns import Reruns

WHO, SENDER, ASKED = "arn:aws:iam::123456789012:user/ann", "AIDAEXAMPLE", 1_700_001_000.0
KEY = RecordKey.of_bulk("web", "b-1")
DAY, TOKEN = 86_400.0, "0" * 32
HELLO = json.dumps({"stages": [{"image": "echo", "command": ["echo", "hello"]}]})


class Does:
    """Performs what jobs are owed, as AWS would let it; notes what it did to which job."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.refuses: set[str] = set()
        self.fails: set[str] = set()
        self.done_with_eight = asyncio.Event()

    async def perform(self, action: Action, job: Record, _me: str) -> tuple[Fact, ...]:
        """Do one thing."""
        if isinstance(action, StopExecution | StartExecution | LeaveUnstarted | RedriveExecution):
            self.done.append((type(action).__name__, job.job_id))
        if len(self.done) == len(MANY):
            self.done_with_eight.set()
        if job.key.kind == "job" and job.job_id in self.fails:
            raise RuntimeError("it broke")
        match action:
            case StopExecution(job_id=job_id):
                return (execution("ABORTED", job_id=job_id),)
            case StartExecution(job_id=job_id):
                return (execution("RUNNING", job_id=job_id),)
            case LeaveUnstarted(job_id=job_id):
                return (left_unstarted(job_id, "why", ASKED),)
            case RedriveExecution(job_id=job_id) if job_id in self.refuses:
                return (RedriveRefused(job_id=job_id, redrive_count=0, at=ASKED, why="too old"),)
            case RedriveExecution(job_id=job_id):
                wish = Redriven(job_id=job_id, tenant="web", asked_at=ASKED, asked_by=WHO, redrive_count=1)
                return wish, execution("RUNNING", job_id=job_id, redrive_count=1, redriven_at=ASKED + 1)
        return ()


class Objects:
    """A bucket that nothing is kept in."""

    async def put(self, *_: Any) -> None:
        """Take what is given."""


class Place:
    """A worker that works through bulks over a table of moto."""

    def __init__(self, table: JobsTable, time: Time) -> None:
        self.table, self.time, self.does, self.stopping = table, time, Does(), asyncio.Event()
        self.room, self.rooms = True, 0
        lists = JobList(table.client, table.name)
        parts: dict[str, Any] = {
            "objects": Objects(),
            "jobs": table,
            "replays": Replays(table.client, table.name),
            "now": time,
        }
        self.requests = Requests(
            catalog=catalog(), bucket="logs", metrics=UNMETERED, may_start=self._may, most_receives=50, **parts
        )
        reruns = Reruns(Finder(table.read_whole, lists.rejected_as).find, self.requests, cast(Any, Objects()), table)
        settling = Settling(table, self.does, Patience(), time)
        pace = AsyncLimiter(1000, 1)
        self.many = SteersMany(lists, table, settling, reruns, self.stopping, 60, time, page_jobs=3, pace=pace)
        self.bulks = Bulks(replace(settling, performer=self.many), table, self.stopping)
        self.taken: list[RecordKey] = []
        self.controls = Controls(cast(Any, Objects()), "logs", table, time, UNMETERED, reruns, self.taken.append)

    def _may(self, _job_id: str, _image: str) -> bool:
        self.rooms -= 1
        return self.room or self.rooms >= 0

    async def hear(self, **fields: Any) -> Any:
        """Hear a message about many jobs."""
        asked = {"tenant": "web", "bulk_id": "b-1", "requested_by": WHO, **fields}
        receives = asked.pop("receive_count", 1)
        message = Message("m-1", json.dumps(asked), "r", receive_count=receives, sent_at=ASKED, sender_id=SENDER)
        return await self.controls.hear(message)

    async def go_on(self) -> TrackedBulk:
        """Work through it, as far as that goes; a claim of before has expired."""
        self.time.seconds += 120
        await self.bulks.work_through(KEY)
        return await self.seen()

    async def seen(self) -> TrackedBulk:
        """How far it has come."""
        found = tracked_bulk(await self.table.read_whole(KEY))
        assert found is not None
        return found

    async def jobs(self, *ids: str, status: str = "RUNNING", **fields: Any) -> None:
        """Jobs of these ids, as they are."""
        for number, job_id in enumerate(ids):
            given = {"submitted_at": 1_700_000_000.0 + number, "digest": job_id, **fields}
            job = requested(job_id=job_id, asked=HELLO, **given)
            await self.table.merge(job)
            await self.table.merge(execution(status, job_id=job_id))
            if status != "RUNNING":
                told = announced(of=job.record_key).model_copy(update={"status": status})
                await self.table.merge(told)

    async def job(self, job_id: str) -> Record:
        """A job's record."""
        return await self.table.read_whole(RecordKey.of_job(job_id))


@pytest.fixture
def place(table: JobsTable, time: Time) -> Place:
    """Where nothing was asked yet, a while after the jobs' requests."""
    time.seconds = ASKED + 5
    return Place(table, time)


MANY = [f"job-{number}" for number in range(8)]


def counts(bulk: TrackedBulk) -> tuple[str, int, int, int]:
    """How it is: matched, done, refused."""
    return bulk.status, bulk.matched, bulk.done, bulk.refused


async def test_all_jobs_that_match_are_cancelled_and_no_others(place: Place) -> None:
    """Each by a fact of its own, with who asked and why; other tenants have nothing to do with it."""
    await place.jobs(*MANY, job_type="thumbs")
    await place.jobs("other-type", job_type="report")
    await place.jobs("over", status="FAILED", job_type="thumbs")
    await place.jobs("theirs", tenant="shop", job_type="thumbs")
    await place.jobs("too-young", job_type="thumbs", submitted_at=ASKED + 1)
    await place.hear(verb="cancel", jobs={"type": "thumbs"}, reason="all wrong")
    assert place.taken == [KEY]
    told = await place.go_on()
    assert counts(told) == ("FINISHED", 8, 8, 0)
    assert (told.requested_by, told.sent_by, told.reason) == (WHO, SENDER, "all wrong")
    assert sorted(place.does.done) == [("StopExecution", job_id) for job_id in MANY]
    asked = cancel_asked(await place.job("job-3"))
    assert asked is not None
    assert (asked.asked_by, asked.sent_by, asked.reason, asked.asked_at) == (WHO, SENDER, "all wrong", ASKED)
    for untouched in ("other-type", "over", "theirs", "too-young"):
        assert cancel_asked(await place.job(untouched)) is None


async def due(table: JobsTable) -> set[RecordKey]:
    """What the sweeper would find, one day."""
    found = [await table.due(shard, ASKED + 10**7, 100) for shard in range(8)]
    return {key for keys in found for key in keys}


async def test_the_sweeper_finds_a_bulk_until_it_is_over(place: Place) -> None:
    """So that it outlives the worker that heard of it."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    assert KEY in await due(place.table)
    await place.go_on()
    assert KEY not in await due(place.table)


@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_death_in_the_middle_doubles_and_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """What was done and not counted is gone through again, and counted once."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    merge = JobsTable.merge

    async def dies(table: JobsTable, fact: Fact, *more: Any, **known: Any) -> Record:
        if isinstance(fact, BulkProgressed) and fact.page == dies_at:
            raise RuntimeError("killed")
        return await merge(table, fact, *more, **known)

    with monkeypatch.context() as patched:
        patched.setattr(JobsTable, "merge", dies)
        assert (await place.go_on()).status == "RUNNING"
    for job_id in MANY[:4]:
        # Meanwhile some are over and told of: the list does not have them as open any more.
        if ("StopExecution", job_id) in place.does.done:
            told = announced(of=RecordKey.of_job(job_id)).model_copy(update={"status": "ABORTED"})
            await place.table.merge(told)
    assert counts(await place.go_on()) == ("FINISHED", 8, 8, 0)
    assert sorted(place.does.done) == [("StopExecution", job_id) for job_id in MANY]


async def test_the_same_message_is_the_same_bulk(place: Place) -> None:
    """It is not gone through again."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    before = await place.go_on()
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    assert await place.go_on() == before


@pytest.mark.parametrize("verb", ["bulk", "cancel"])
async def test_what_is_replayed_is_about_the_jobs_of_when_it_was_asked_for(place: Place, verb: str) -> None:
    """Two days in the dead-letter queue make it mean no more jobs, nor a later run, and nobody else's wish."""
    await place.jobs("old")
    await place.jobs("new", submitted_at=ASKED + DAY)
    await place.table.client.put_item(
        TableName=place.table.name, Item=replay_item(TOKEN, FirstSent("m-1", ASKED, SENDER), ASKED + 2 * DAY)
    )
    what = {"job_id": "old"} if verb == "cancel" else {"bulk_id": "b-1", "jobs": {"status": "OPEN"}}
    text = json.dumps({"verb": "cancel", "tenant": "web", "requested_by": WHO, **what})
    again = Message("m-9", text, "r", sent_at=ASKED + 2 * DAY, sender_id="OPERATOR", attributes={REPLAY: TOKEN})
    await place.controls.hear(again)
    if verb == "bulk":
        assert counts(await place.go_on()) == ("FINISHED", 1, 1, 0)
    wish = cancel_asked(await place.job("old"))
    assert wish is not None and (wish.asked_at, wish.sent_by) == (ASKED, SENDER)
    assert cancel_asked(await place.job("new")) is None


async def test_a_bulk_that_another_worker_is_at_is_left_to_it(place: Place) -> None:
    """For as long as that one renews its claim."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    claim = (await place.table.read(KEY)).new_claim("bulk", "another", place.time(), 600)
    await place.table.merge(claim)
    assert counts(await place.go_on()) == ("RUNNING", 0, 0, 0)
    place.time.seconds += 600
    assert counts(await place.go_on()) == ("FINISHED", 8, 8, 0)


async def test_a_bulk_is_stopped_between_two_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done stays done, and the rest is left alone."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    perform = Does.perform

    async def stops_it(does: Does, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        if isinstance(action, StopExecution) and len(does.done) == 2:
            await place.hear(verb="stop", requested_by="bob")
        return await perform(does, action, job, me)

    monkeypatch.setattr(Does, "perform", stops_it)
    told = await place.go_on()
    assert (told.status, told.done, told.stopped_by) == ("STOPPED", 3, "bob")
    assert len(place.does.done) == 3
    assert await place.go_on() == told


async def test_a_stop_that_comes_before_its_bulk_waits_for_it(place: Place) -> None:
    """For a quarter of an hour, within half of the receives that a message has; and there may be none."""
    waits = [await place.hear(verb="stop", receive_count=number) for number in range(1, 21)]
    seconds = [wait.seconds for wait in waits if isinstance(wait, HeldBack)]
    assert len(seconds) == 20 and 800 <= sum(seconds) <= 1000
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    assert await place.hear(verb="stop", receive_count=2) is None
    assert counts(await place.go_on()) == ("STOPPED", 0, 0, 0)
    assert await place.hear(verb="stop", bulk_id="none", receive_count=21) is None


async def test_what_cannot_be_redriven_is_counted_with_its_reason(place: Place) -> None:
    """What the list does not have as failed is not looked at."""
    await place.jobs("a", "b", "c", status="FAILED")
    await place.jobs("d", status="SUCCEEDED")
    await place.jobs("e")
    place.does.refuses = {"b"}
    await place.table.merge(ExecutionChanged.model_validate(execution(job_id="c", redrive_count=1).model_dump()))
    await place.hear(verb="redrive", jobs={"since": "2020-01-01T00:00Z"})
    told = await place.go_on()
    assert counts(told) == ("FINISHED", 3, 1, 2)
    assert {item.why: item.jobs for item in told.refusals} == {
        "Step Functions refused to redrive it: too old": 1,
        "It succeeded: only what failed, or was stopped, can be redriven.": 1,
    }
    assert sorted(place.does.done) == [("RedriveExecution", "a"), ("RedriveExecution", "b")]


async def test_many_are_made_again_and_none_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was rejected too; what a bulk makes it does not match itself."""
    await place.jobs(*MANY, status="FAILED")
    await place.hear(verb="rerun", jobs={"status": "FAILED"}, changes={"user": "eve"}, reason="again")
    merge = JobsTable.merge

    async def dies(table: JobsTable, fact: Fact, *more: Any, **known: Any) -> Record:
        if isinstance(fact, BulkProgressed) and fact.page == 2:
            raise RuntimeError("killed")
        return await merge(table, fact, *more, **known)

    with monkeypatch.context() as patched:
        patched.setattr(JobsTable, "merge", dies)
        await place.go_on()
    assert counts(await place.go_on()) == ("FINISHED", 8, 8, 0)
    started = [job_id for what, job_id in place.does.done if what == "StartExecution"]
    assert len(started) == len(set(started)) == 8
    made = [(await place.job(job_id)).request for job_id in started]
    assert sorted(request.retry_of or "" for request in made if request) == MANY
    assert {(request.user, request.rerun_of and request.rerun_of.reason) for request in made if request} == {
        ("eve", "again")
    }


async def test_reruns_that_are_refused_are_counted_and_told_to_nobody(place: Place) -> None:
    """Thousands of the same rejection would be no news."""
    await place.jobs(*MANY[:4], status="FAILED")
    await place.hear(verb="rerun", jobs={"status": "FAILED"}, changes={"stages.0.image": "nope"})
    told = await place.go_on()
    assert counts(told) == ("FINISHED", 4, 0, 4)
    assert [(item.why, item.jobs) for item in told.refusals] == [("stages.0.image: no image is named 'nope'", 4)]
    assert place.does.done == []


async def test_reruns_wait_for_capacity(place: Place) -> None:
    """The bulk goes on when there is some; what it had in hand is named."""
    await place.jobs(*MANY[:4], status="FAILED")
    await place.hear(verb="rerun", jobs={"status": "FAILED"})
    place.room = False
    assert counts(await place.go_on()) == ("RUNNING", 3, 0, 0)
    place.room = True
    assert counts(await place.go_on()) == ("FINISHED", 4, 4, 0)


async def test_what_was_made_already_asks_for_no_room_again(place: Place) -> None:
    """Where there is room for one at a time, each pass makes another one, and the page is got through."""
    await place.jobs(*MANY[:3], status="FAILED")
    await place.hear(verb="rerun", jobs={"status": "FAILED"})
    place.room = False
    seen = []
    for _ in range(4):
        place.rooms = 1
        seen.append((await place.go_on()).done)
    assert seen == [1, 2, 3, 3]
    started = [job_id for what, job_id in place.does.done if what == "StartExecution"]
    assert len(started) == len(set(started)) == 3


async def test_what_a_dead_worker_made_is_counted_where_there_is_no_room(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on record, and needs none."""
    await place.jobs("a", "b", status="FAILED")
    await place.hear(verb="rerun", jobs={"status": "FAILED"})
    merge = JobsTable.merge

    async def dies(table: JobsTable, fact: Fact, *more: Any, **known: Any) -> Record:
        if isinstance(fact, BulkProgressed) and fact.done:
            raise RuntimeError("killed")
        return await merge(table, fact, *more, **known)

    with monkeypatch.context() as patched:
        patched.setattr(JobsTable, "merge", dies)
        await place.go_on()
    place.room = False
    assert counts(await place.go_on()) == ("FINISHED", 2, 2, 0)
    assert len([what for what, _ in place.does.done if what == "StartExecution"]) == 2


async def test_a_job_that_cannot_be_read_holds_up_no_other(place: Place) -> None:
    """It is counted with the reason, as somebody may have written what this worker cannot read."""
    await place.jobs(*MANY)
    await place.table.client.update_item(
        TableName=place.table.name,
        Key=item_key(RecordKey.of_job("job-5")),
        UpdateExpression="SET #execution = :unreadable",
        ExpressionAttributeNames={"#execution": attribute_of("execution")},
        ExpressionAttributeValues={":unreadable": {"M": {"rank": {"N": "9"}, "fact": {"S": '{"kind":"execution"}'}}}},
    )
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    told = await place.go_on()
    assert counts(told) == ("FINISHED", 8, 7, 1)
    assert "The worker failed to do it" in told.refusals[0].why


async def test_what_aws_fails_with_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others are done meanwhile."""
    await place.jobs(*MANY[:3])
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    merge = JobsTable.merge

    async def fails(table: JobsTable, fact: Fact, *more: Any, **known: Any) -> Record:
        if isinstance(fact, CancelAsked) and fact.job_id == "job-1":
            raise AwsError("Rate exceeded", "ThrottlingException")
        return await merge(table, fact, *more, **known)

    with monkeypatch.context() as patched:
        patched.setattr(JobsTable, "merge", fails)
        assert counts(await place.go_on()) == ("RUNNING", 3, 2, 0)
    assert counts(await place.go_on()) == ("FINISHED", 3, 3, 0)
    assert sorted(place.does.done) == [("StopExecution", job_id) for job_id in MANY[:3]]


async def test_a_job_that_cannot_be_settled_holds_up_no_other(place: Place) -> None:
    """It is asked for, and the sweeper's from then on."""
    await place.jobs(*MANY)
    place.does.fails = {"job-2"}
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    assert counts(await place.go_on()) == ("FINISHED", 8, 8, 0)
    assert cancel_asked(await place.job("job-2")) is not None


async def test_a_worker_that_is_told_to_stop_leaves_the_rest(place: Place) -> None:
    """To the next one."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    place.stopping.set()
    assert counts(await place.go_on()) == ("RUNNING", 0, 0, 0)
    await asyncio.wait_for(place.bulks.run(), 5)
    place.stopping.clear()
    assert counts(await place.go_on()) == ("FINISHED", 8, 8, 0)


async def test_what_is_taken_up_is_worked_through(place: Place) -> None:
    """By the loop, until it is told to stop."""
    await place.jobs(*MANY)
    await place.hear(verb="cancel", jobs={"status": "OPEN"})
    for _ in range(2):
        place.bulks.take_up(KEY)
    running = asyncio.create_task(place.bulks.run())
    await place.does.done_with_eight.wait()
    place.stopping.set()
    await running
    assert sorted(job_id for _, job_id in place.does.done) == MANY


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a filter of nothing": ({"verb": "cancel", "jobs": {}}, "jobs"),
    "an unknown status": ({"verb": "cancel", "jobs": {"status": "RUNNING"}}, "jobs.status"),
    "an unknown criterion": ({"verb": "cancel", "jobs": {"colour": "red"}}, "jobs.colour"),
    "changes of a cancel": ({"verb": "cancel", "jobs": {"status": "OPEN"}, "changes": {"user": "x"}}, ""),
    "a moment without a zone": ({"verb": "cancel", "jobs": {"since": "2026-01-01T00:00"}}, "jobs.since"),
    "a stop of nothing": ({"verb": "stop", "bulk_id": None}, "bulk_id"),
}


@pytest.mark.parametrize(("fields", "field"), UNREADABLE.values(), ids=UNREADABLE)
async def test_a_message_that_cannot_be_read_is_a_rejection(place: Place, fields: dict[str, Any], field: str) -> None:
    """With the field's path."""
    heard = await place.hear(**fields)
    assert heard.rejection is not None and heard.rejection.problems[0].field == field


async def test_a_message_that_cannot_be_read_claims_no_id(place: Place) -> None:
    """Who asks for a rejected request by the id that it claimed finds the request."""
    await place.table.merge(rejected(claimed_tenant="web", claimed_job_id="odd", submitted_at=ASKED - 9))
    heard = await place.controls.hear(Message("m-2", '{"verb": "pause", "tenant": "web", "job_id": "odd"}', "r"))
    assert isinstance(heard, Record) and heard.rejection is not None
    found = await JobList(place.table.client, place.table.name).rejected_as("web", "odd")
    assert found == rejected().record_key


async def test_rejected_requests_are_made_again_by_many(place: Place) -> None:
    """As soon as what was wrong is mended; here their bodies are kept no longer."""
    refused = rejected(claimed_tenant="web", claimed_job_id="odd", body_s3_uri=None)
    await place.table.merge(refused)
    await place.hear(verb="rerun", jobs={"status": "REJECTED"})
    told = await place.go_on()
    assert counts(told) == ("FINISHED", 1, 0, 1)
    assert told.refusals[0].why == "job_id: the body of the rejected request was not kept"
