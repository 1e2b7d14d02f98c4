"""New jobs of old ones: what is made, what is told of it, and what is said where nothing can be made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.notification import JobNotification
from service.aws.objects import TEXT
from service.aws.queue import Message
from service.core.record.facts import ExecutionChanged
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.tracking.events import events_of
from service.core.tracking.job import track
from service.metrics import UNMETERED
from service.tracking.finding import Finder
from tests.support.builders import body, catalog
from tests.support.names import BUCKET, EPOCH, EXECUTION_ARN
from tests.support.whole_path import Path
from workers.control import Controls
from workers.requests import LARGEST_TRAVELLING_BYTES, HeldBack
from workers.reruns import Reruns

LARGER = catalog(
    images={
        "echo": {
            "task_definition": "echo",
            "container": "main",
            "commands": [["echo", "**"]],
            "environment": ["MODE", "OPT_*"],
            "max_memory": 2048,
        }
    }
)
WHO = "arn:aws:iam::123456789012:user/ann"
SENDER = "AIDAEXAMPLE"


class Place:
    """A worker's way in for requests and for wishes, over an AWS in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests = replace(path.requests, catalog=LARGER)
        table, objects = path.runtime.table, path.requests.objects

        async def rejected_as(_tenant: str, _job_id: str) -> RecordKey:
            return RecordKey.of_rejection("rejected-1")

        reruns = Reruns(Finder(table.read_whole, rejected_as).find, self.requests, objects, table)
        self.controls = Controls(objects, BUCKET, table, path.requests.now, UNMETERED, reruns, lambda _: None)

    async def request(self, text: str, message_id: str = "m-1") -> Record:
        """A request, heard and settled."""
        heard = await self.requests.hear(Message(message_id, text, "r", sent_at=EPOCH))
        assert isinstance(heard, Record)
        return await self.path.runtime.settling.settle(heard)

    async def wish(self, at: float = EPOCH + 50, message_id: str = "w-1", **fields: Any) -> Record:
        """A rerun, heard and settled."""
        heard = await self.hear(at, message_id, **fields)
        assert isinstance(heard, Record)
        return await self.path.runtime.settling.settle(heard)

    async def hear(self, at: float = EPOCH + 50, message_id: str = "w-1", **fields: Any) -> Record | HeldBack | None:
        """A rerun, heard."""
        asked = {"verb": "rerun", "job_id": "old", **fields}
        return await self.controls.hear(Message(message_id, json.dumps(asked), "r", sent_at=at, sender_id=SENDER))

    async def whole(self, job_id: str) -> Record:
        """All of a job's record."""
        return await self.path.runtime.table.read_whole(RecordKey.of_job(job_id))

    def told(self) -> JobNotification:
        """The last notification."""
        return JobNotification.model_validate_json(json.loads(self.path.calls.published[-1]["Message"])["default"])


@pytest.fixture
async def place() -> Place:
    """Where nothing was asked yet."""
    return Place(await Path.laid())


OLD = body(job_id="old", user="ann", labels={"team": "web"})


async def ended(place: Place, job_id: str, status: str = "SUCCEEDED") -> None:
    """The job is over, and announced."""
    over = {"status": status, "observed_via": "event", "started_at": 1.0, "stopped_at": 1.0}
    fact = ExecutionChanged.model_validate({"job_id": job_id, "arn": f"{EXECUTION_ARN}{job_id}", **over})
    await place.path.runtime.settling.settle(await place.path.runtime.table.merge(fact))


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", None])
async def test_a_job_is_made_again_under_a_new_id(place: Place, status: str | None) -> None:
    """Whatever became of the old one; each says of which other it knows, and who wanted that."""
    await place.request(OLD)
    if status:
        await ended(place, "old", status)
    made = await place.wish(requested_by=WHO, reason="once more", changes={"sizes.echo.memory": 1024, "user": "eve"})
    assert made.request is not None
    assert made.job_id.startswith("old-r") and made.request.user == "eve" and made.request.labels == {"team": "web"}
    started = json.loads(place.path.calls.started[-1]["input"])
    assert started["lambda_result"]["config"]["stages"][0]["memory"] == 1024
    old, new = track(await place.whole("old")), track(await place.whole(made.job_id))
    assert old is not None and new is not None
    assert (old.rerun_as, old.retry_of, new.retry_of) == (made.job_id, None, "old")
    [wish], [cause] = old.asked_for, new.steered
    assert (wish.verb, wish.by, wish.sent_by, wish.reason) == ("rerun", WHO, SENDER, "once more")
    assert (cause.verb, cause.by, cause.sent_by, cause.reason) == ("rerun", WHO, SENDER, "once more")
    told = [event.text for event in events_of(await place.whole("old"))]
    assert f"A rerun, as {made.job_id}, was asked for by {WHO}: once more." in told


async def test_subscribers_are_told_whose_rerun_it_is(place: Place) -> None:
    """In a field, and in the letter."""
    await place.request(OLD)
    made = await place.wish(requested_by=WHO)
    await ended(place, made.job_id)
    told = place.told()
    assert (told.job_id, told.retry_of) == (made.job_id, "old")
    assert 'A rerun of "old".' in told.text and f"Rerun by {WHO}" in told.text


async def test_the_same_message_makes_the_same_job(place: Place) -> None:
    """However often it comes; another message makes another."""
    await place.request(OLD)
    made = {(await place.wish()).job_id for _ in range(3)}
    assert len(made) == 1 and len(place.path.calls.started) == 2
    assert (await place.wish(message_id="w-2")).job_id not in made


async def test_the_new_id_may_be_given(place: Place) -> None:
    """One that another job has is refused, and that job goes on."""
    await place.request(OLD)
    assert (await place.wish(new_job_id="new")).job_id == "new"
    taken = await place.wish(new_job_id="new", message_id="w-2", changes={"user": "eve"})
    assert taken.rejection is not None and taken.rejection.problems[0].field == "job_id"
    assert (await place.wish(new_job_id="new")).job_id == "new"


async def test_a_rerun_can_be_rerun(place: Place) -> None:
    """Its own request is kept, changes included."""
    await place.request(OLD)
    first = await place.wish(changes={"sizes.1.memory": 2048})
    second = await place.wish(job_id=first.job_id, message_id="w-2")
    assert json.loads(place.path.calls.started[-1]["input"])["lambda_result"]["config"]["stages"][0]["memory"] == 2048
    assert second.request is not None and second.request.retry_of == first.job_id


async def test_who_sent_a_message_is_who_asks_where_it_says_nobody(place: Place) -> None:
    """As SQS knows the sender."""
    await place.request(OLD)
    made = await place.wish()
    assert made.request is not None and made.request.rerun_of is not None
    assert (made.request.rerun_of.asked_by, made.request.rerun_of.sent_by) == (SENDER, SENDER)


async def test_a_rejected_request_is_made_again_with_what_was_wrong_mended(place: Place) -> None:
    """By its message's id, or by the id that it claimed."""
    rejected = await place.request(body(job_id="odd", stages=[{"image": "ecko"}]), "rejected-1")
    assert rejected.rejection is not None
    for number, name in enumerate(("rejected-1", "odd")):
        made = await place.wish(job_id=name, message_id=f"w-{number}", changes={"stages.0.image": "echo"})
        assert made.request is not None and made.request.retry_of == name
    still = await place.wish(job_id="rejected-1", message_id="w-9")
    assert still.rejection is not None and still.rejection.retry_of == "rejected-1"
    assert [problem.field for problem in still.rejection.problems] == ["stages.0.image"]
    seen = track(await place.path.runtime.table.read_whole(rejected.key))
    assert seen is not None and seen.rerun_as is not None


async def test_a_rejected_rerun_is_made_again_of_the_request_that_was_first(place: Place) -> None:
    """However often it was rejected: what was kept of it is the wish, whose changes are given anew."""
    await place.request(OLD)
    first = await place.wish(changes={"sizes.echo.memory": 999_999}, new_job_id="again")
    second = await place.wish(job_id="w-1", message_id="w-2", changes={"sizes.echo.memory": 888_888})
    assert first.rejection is not None and second.rejection is not None
    assert [problem.field for problem in second.rejection.problems] == ["sizes.echo.memory", "sizes.echo"]
    made = await place.wish(job_id="w-2", message_id="w-3", changes={"sizes.echo.memory": 1024})
    assert made.request is not None and (made.request.retry_of, made.request.user) == ("w-2", "ann")


async def test_a_rejected_rerun_under_the_id_that_it_names_has_no_request_to_be_made_of(place: Place) -> None:
    """It is said so, and nobody looks for ever."""
    refused = await place.wish(job_id="rejected-1", message_id="rejected-1")
    assert refused.rejection is not None and refused.rejection.retry_of == "rejected-1"
    again = await place.wish(job_id="rejected-1", message_id="w-2")
    assert (
        again.rejection is not None and "the request that was first is not found" in again.rejection.problems[0].message
    )


async def test_what_was_no_request_is_said_to_be_none(place: Place) -> None:
    """A control message that could not be read: a rerun of it names what to send again."""
    unread = await place.wish(message_id="w-1", verb="pause", tenant="default")
    assert unread.rejection is not None and unread.rejection.was_control
    refused = await place.wish(job_id="w-1", message_id="w-2")
    assert refused.rejection is not None
    [problem] = refused.rejection.problems
    assert (problem.field, problem.message) == ("job_id", "w-1 was no request")
    assert "send that again" in problem.remedy


async def test_a_large_request_is_made_again(place: Place) -> None:
    """What is too large for a record lies in S3."""
    many = [{"image": "echo", "command": ["echo", "x" * 200]}] * (LARGEST_TRAVELLING_BYTES // 200)
    old = await place.request(body(job_id="old", stages=many))
    assert old.request is not None and old.request.asked_s3_key
    made = await place.wish()
    assert made.request is not None and len(made.request.stages) == len(many)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "more memory than the image may have": ({"sizes.echo.memory": 4096}, "sizes.echo.memory", "4096 MiB are more"),
    "a variable that is not allowed": ({"stages.0.environment.HOME": "/"}, "stages.0.environment.HOME", "may not"),
    "an unknown field": ({"priority": 1}, "priority", "Extra inputs"),
    "a stage that is not there": ({"stages.4.image": "echo"}, "stages.4.image", "there is no 4"),
    "another tenant": ({"tenant": "shop"}, "tenant", "whose job it was"),
}


@pytest.mark.parametrize(("changes", "field", "why"), WRONG.values(), ids=WRONG)
async def test_a_change_that_cannot_be_is_a_rejection_with_its_reason(
    place: Place, changes: dict[str, Any], field: str, why: str
) -> None:
    """Told to whoever waits for the new job, as of any request."""
    await place.request(OLD)
    refused = await place.wish(new_job_id="new", changes=changes)
    assert refused.rejection is not None
    [problem] = refused.rejection.problems
    assert problem.field == field and why in problem.message and problem.remedy
    told = place.told()
    assert (told.status, told.job_id, told.retry_of) == ("REJECTED", "new", "old")
    assert (await place.whole("old")).registers.keys() & {"rerun"} == set()


async def test_what_is_kept_no_longer_is_said_to_be_gone(place: Place) -> None:
    """The record, its S3 object, and what an earlier version did not keep: send the request again."""
    gone = await place.wish(job_id="nobody", new_job_id="new")
    assert gone.rejection is not None and "has no job nobody" in gone.rejection.problems[0].message
    old = await place.request(OLD)
    assert old.request is not None
    before = old.request.model_copy(update={"job_id": "before", "asked": ""})
    await place.path.runtime.table.merge(before)
    unkept = await place.wish(job_id="before", message_id="w-2")
    assert unkept.rejection is not None and "before requests were kept" in unkept.rejection.problems[0].message
    await place.path.runtime.table.merge(before.model_copy(update={"job_id": "deleted", "asked_s3_key": "gone"}))
    deleted = await place.wish(job_id="deleted", message_id="w-3")
    assert deleted.rejection is not None and "was deleted" in deleted.rejection.problems[0].message
    assert {record.rejection.problems[0].remedy for record in (gone, unkept, deleted) if record.rejection} == {
        "Send the request itself again."
    }


async def test_another_tenants_job_is_as_one_that_is_not_there(place: Place) -> None:
    """The answer is the same, and nothing is made."""
    await place.request(OLD)
    theirs = await place.wish(tenant="shop", new_job_id="a")
    nobodys = await place.wish(tenant="shop", job_id="none", message_id="w-2", new_job_id="b")
    assert theirs.rejection is not None and nobodys.rejection is not None
    assert theirs.rejection.problems[0].message.replace("old", "none") == nobodys.rejection.problems[0].message
    assert len(place.path.calls.started) == 1


async def test_what_was_rejected_and_is_no_request_is_refused_again(place: Place) -> None:
    """A message that was meant for the other queue."""
    await place.request('{"verb": "explode"}', "rejected-1")
    refused = await place.wish(job_id="rejected-1")
    assert refused.rejection is not None
    assert "verb" in [problem.field for problem in refused.rejection.problems]
    await place.path.requests.objects.put(BUCKET, "rejected/rejected-1.json", b"[]", TEXT)
    odd = await place.wish(job_id="rejected-1", message_id="w-2")
    assert odd.rejection is not None and odd.rejection.problems[0].message == "the body is an array, not a JSON object"


async def test_a_rerun_waits_for_capacity_as_any_request(place: Place) -> None:
    """It stays in the control queue, and nobody remembers it."""
    await place.request(OLD)
    place.controls = replace(
        place.controls,
        reruns=replace(
            place.controls.reruns, requests=replace(place.requests, may_start=lambda _job_id, _image: False)
        ),
    )
    assert isinstance(await place.hear(new_job_id="new"), HeldBack)
    assert (await place.whole("new")).request is None
