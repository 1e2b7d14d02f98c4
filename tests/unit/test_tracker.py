"""The tracker over records, lists and histories that stand still: what it reads, how often, and what it makes of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.bulk import BulkFilter
from schemas.price import Price
from schemas.tracking import JobPage, ListedJob
from service.aws.errors import AwsError
from service.aws.objects import ObjectTooLargeError, SignedLink
from service.core.log_layout import history_key
from service.core.record.facts import Fact, StageSpent
from service.core.record.keys import RecordKey
from service.core.record.record import Record, Tally
from service.core.redaction import Redaction
from service.core.telling.moments import iso
from service.core.tracking.bulk import MOST_COUNTED, counted
from service.core.tracking.events import cursor_of, events_of, unseen
from service.core.tracking.glance import Glance, glance_at
from service.core.tracking.job import track
from service.core.tracking.listing import JobFilter
from service.core.tracking.why import why
from service.tracking.errors import UnknownJobError
from service.tracking.history import Histories
from service.tracking.logs import LogPlace, LogReader
from service.tracking.tracker import POLL_SECONDS, Tracker
from tests.support.builders import (
    JOB,
    KEY,
    NOW,
    announced,
    attempt,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

PRICES = {"FARGATE": Price(vcpu_hour=0.04, gb_hour=0.004)}
SECRET = Redaction.of(("pin=[0-9]+",))
LATELY = ((StageSpent(image="echo", stage=1, passed=True, running=10.0),),) * 6
HISTORY = [
    {
        "id": 1,
        "type": "ExecutionStarted",
        "timestamp": datetime.fromtimestamp(NOW, UTC),
        "executionStartedEventDetails": {},
    },
    {
        "id": 2,
        "type": "TaskStateEntered",
        "timestamp": datetime.fromtimestamp(NOW + 1, UTC),
        "stateEnteredEventDetails": {"name": "run", "input": '{"a": "pin=1234"}'},
    },
]
END = {"id": 3, "type": "ExecutionSucceeded", "timestamp": datetime.fromtimestamp(NOW + 60, UTC)}


@dataclass
class Aws:
    """Records, lists, histories and objects; what is asked of them is noted."""

    records: dict[RecordKey, Record]
    history_: list[dict[str, Any]] = field(default_factory=lambda: list(HISTORY))
    objects: dict[str, bytes] = field(default_factory=dict)
    fails: Exception | None = None
    refuses_to_keep: bool = False
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def read_whole(self, key: RecordKey) -> Record:
        self.asked.append(("read", str(key)))
        return self.records.get(key, Record(key))

    async def read_many(self, keys: Collection[RecordKey]) -> Mapping[RecordKey, Record]:
        self.asked.append(("read_many", *map(str, keys)))
        return {key: self.records[key] for key in keys if key in self.records}

    async def rejected_as(self, tenant: str, job_id: str) -> RecordKey | None:
        return None

    async def page(self, *asked: Any) -> JobPage:
        self.asked.append(("page", *asked))
        return JobPage(jobs=(), cursor=None, searched_back_to=None)

    async def lately(self, *asked: Any) -> Any:
        self.asked.append(("lately", *asked))
        return LATELY

    async def history(self, job_id: str) -> list[dict[str, Any]]:
        self.asked.append(("history", job_id))
        return self.history_

    async def link(self, bucket: str, key: str, seconds: int) -> SignedLink:
        return SignedLink("https://signed", float(seconds))

    async def chunks(self, bucket: str, key: str, *_: Any) -> AsyncIterator[bytes]:
        yield b"one\ntwo\nthree\n"

    async def get(self, bucket: str, key: str, largest: int) -> bytes:
        self.asked.append(("get", bucket, key, largest))
        if self.fails is not None:
            raise self.fails
        if key not in self.objects:
            raise AwsError("no", "NoSuchKey")
        return self.objects[key]

    async def put(self, bucket: str, key: str, body: bytes, kind: str) -> None:
        self.asked.append(("put", bucket, key, kind))
        if self.refuses_to_keep:
            raise AwsError("no", "AccessDenied")
        self.objects[key] = body


def tracking(*facts: Fact) -> tuple[Tracker, Aws]:
    """A tracker a hundred seconds after the request of a job of these facts."""
    aws = Aws({KEY: record(*facts)})
    it = cast("Any", aws)
    histories, logs = Histories(it, it), LogReader(it, it, it)
    return Tracker(it, it, histories, logs, lambda: NOW + 100, SECRET, PRICES), aws


RUNS = (requested(job_type="greet"), execution("RUNNING"), running(cpu="256", memory="512"))
OVER = (requested(), execution(attempts=(attempt(),)), task(cpu="256", memory="512"), receipt(), announced())


async def test_a_job_is_shown_with_its_cost_and_read_once_a_second() -> None:
    """However many ask, and whatever of it they ask for."""
    tracker, aws = tracking(*OVER)
    assert await tracker.job("web", JOB) == track(record(*OVER), PRICES, SECRET)
    assert (await tracker.find(None, JOB)).request == requested()
    assert aws.asked == [("read", JOB)]
    assert (tracker.record_seconds, POLL_SECONDS, tracker.link_seconds) == (1.0, 1.0, 3600)
    with pytest.raises(UnknownJobError):
        await tracker.job("shop", JOB)


async def test_a_list_is_asked_for_as_it_is() -> None:
    """Whose, which, how many, and from where on."""
    tracker, aws = tracking()
    await tracker.jobs("web", JobFilter(user="u"), 7, "c")
    await tracker.jobs("web", JobFilter(), 7)
    assert aws.asked == [("page", "web", JobFilter(user="u"), 7, "c"), ("page", "web", JobFilter(), 7, None)]


async def test_why_compares_with_the_last_jobs_of_the_type_asked_for_once_a_minute() -> None:
    """Of the tenant's; the secrets of this deployment are hidden."""
    tracker, aws = tracking(*RUNS)
    for _ in range(3):
        assert await tracker.why("web", JOB) == why(record(*RUNS), NOW + 100, LATELY, SECRET)
    assert aws.asked == [("read", JOB), ("lately", "web", JobFilter(job_type="greet"), 50)]
    assert (tracker._lately.seconds, tracker._lately.most) == (60.0, 200)


async def test_of_many_jobs_no_more_are_counted_than_anybody_needs_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many look at the form within half a minute."""
    tracker, aws = tracking()
    listed = cast("Any", [SimpleNamespace(status=status) for status in ("FAILED",) * 900 + ("SUCCEEDED",) * 100])
    endless = JobPage.model_construct(jobs=listed, cursor="on", searched_back_to=None)

    async def page(*asked: Any) -> JobPage:
        aws.asked.append(asked)
        return endless

    monkeypatch.setattr(aws, "page", page)
    for _ in range(3):
        count = await tracker.matching("web", "redrive", BulkFilter(type="thumbs"))
        assert (count, counted(count), counted(MOST_COUNTED)) == (10_800, "more than 10,000", "10,000")
    assert len(aws.asked) == 12
    await tracker.matching("web", "redrive", BulkFilter(type="other"))
    assert len(aws.asked) == 24


async def test_of_a_rejection_nothing_is_compared() -> None:
    """There is no type that it is of."""
    tracker, aws = tracking()
    aws.records[KEY] = record(rejected(claimed_tenant="web"))
    assert (await tracker.why("web", JOB)).status == "REJECTED"
    assert [asked[0] for asked in aws.asked] == ["read"]


async def test_what_happened_since_is_told_with_how_the_job_is() -> None:
    """By a cursor that changes with either."""
    tracker, _ = tracking(*OVER)
    job, events = track(record(*OVER), PRICES, SECRET), events_of(record(*OVER), SECRET)
    assert job is not None
    seen, cursor = await tracker.since("web", JOB, None)
    assert (seen.job, seen.events) == (job, events)
    assert cursor == cursor_of(events, job.model_dump_json())
    assert (await tracker.since("web", JOB, cursor))[0].events == ()


async def test_steps_are_told_with_their_moment_and_without_this_deployments_secrets() -> None:
    """Some of them, from one on."""
    tracker, aws = tracking(*RUNS)
    aws.history_ += [{**HISTORY[1], "stateEnteredEventDetails": {"name": "wait"}}]
    page = await tracker.steps("web", JOB)
    assert (page.job_id, page.as_of, page.more) == (JOB, iso(NOW + 100), False)
    assert [(step.name, step.input) for step in page.steps] == [("run", {"a": "[redacted]"}), ("wait", None)]
    first, rest = await tracker.steps("web", JOB, 0, 1), await tracker.steps("web", JOB, 1, 1)
    assert [(step.name, part.more) for part in (first, rest) for step in part.steps] == [("run", True), ("wait", False)]


async def test_listed_jobs_are_glanced_at_by_one_read() -> None:
    """Of a rejected request there is no more to know, nor of one that is gone."""
    tracker, aws = tracking(*RUNS)
    aws.records[RecordKey.of_job("head-only")] = record(execution("RUNNING", job_id="head-only"))
    usual = {"tenant": "web", "status": "OPEN", "submitted_at": "", "labels": {}}
    nothing = dict.fromkeys(("job_type", "user", "ended_at", "duration_seconds", "failure_class"))
    listed = [
        ListedJob.model_validate({"id": name or "m", "job_id": name, **usual, **nothing})
        for name in (JOB, None, "gone", "head-only")
    ]
    assert await tracker.glances(listed) == {JOB: glance_at(record(*RUNS), NOW + 100, SECRET)}
    assert aws.asked == [("read_many", JOB, "gone", "head-only")]
    assert await tracker.glances(listed[1:2]) == {}
    assert len(aws.asked) == 1


def test_a_glance_is_a_line() -> None:
    """An attempt is a task, also one that stopped and lies beside the head; why it waits is told of what is open."""
    job = replace(record(*RUNS), tally=Tally(changes=5, stops=2, last_made_at=2.0))
    [reason, *_] = why(job, NOW + 100, (), SECRET).text
    assert glance_at(job, NOW + 100, SECRET) == Glance("RUNNING", attempts=3, stages=1, why=reason)
    assert glance_at(record(*OVER), NOW + 100, SECRET) == Glance("SUCCEEDED", attempts=1, stages=1, why=None)
    refused = record(rejected())
    assert glance_at(refused, NOW, SECRET).stages == 0


def test_who_looks_all_day_asks_less_often() -> None:
    """All of a job together costs a read a second at most."""
    tracker, _ = tracking()
    calm = tracker.unhurried()
    assert (calm.record_seconds, calm.histories.running_seconds, calm.logs.look_seconds) == (2.5, 5.0, 2.5)
    assert 1 / 2.5 + 1 / 5.0 + 1 / 2.5 <= 1
    assert (tracker.histories.running_seconds, tracker.logs.look_seconds) == (2.0, 1.0)
    assert calm.now is tracker.now


BUCKET, KEPT = "jobferry-logs", history_key(JOB, 0, "SUCCEEDED")
LARGEST = 64 * 1024 * 1024


def histories(aws: Aws) -> Histories:
    """Over this AWS."""
    return Histories(cast("Any", aws), cast("Any", aws))


async def test_the_history_of_what_runs_is_asked_for_and_not_kept() -> None:
    """Once for all who look within two seconds; times are numbers, and what nobody reads is left out."""
    aws = Aws({})
    both = histories(aws)
    job = record(*RUNS)
    for _ in range(2):
        found = await both.of(job)
    assert found == [
        {"type": "ExecutionStarted", "timestamp": NOW, "executionStartedEventDetails": {}},
        {
            "type": "TaskStateEntered",
            "timestamp": NOW + 1,
            "stateEnteredEventDetails": {"name": "run", "input": '{"a": "pin=1234"}'},
        },
    ]
    assert aws.asked == [("history", JOB)]
    assert (both._running.seconds, both._ended.seconds) == (2.0, 60.0)
    assert (both._running.most, both._ended.most) == (8, 8)


@pytest.mark.parametrize("facts", [(requested(),), (execution(),), (requested(), execution("FAILED", arn=""))])
async def test_what_has_no_execution_has_no_history(facts: tuple[Fact, ...]) -> None:
    """AWS is not asked."""
    aws = Aws({})
    assert await histories(aws).of(record(*facts)) == []
    assert aws.asked == []


async def test_a_whole_history_is_kept_and_read_again() -> None:
    """By every process; the same history is the same object."""
    aws = Aws({}, [*HISTORY, END])
    found = await histories(aws).of(record(*OVER))
    assert found[-1] == {"type": "ExecutionSucceeded", "timestamp": NOW + 60}
    assert aws.asked == [("get", BUCKET, KEPT, LARGEST), ("history", JOB), ("put", BUCKET, KEPT, "application/gzip")]
    assert json.loads(gzip.decompress(aws.objects[KEPT])) == found
    assert aws.objects[KEPT][4:8] == b"\0\0\0\0"
    aws.asked.clear()
    assert await histories(aws).of(record(*OVER)) == found
    assert aws.asked == [("get", BUCKET, KEPT, LARGEST)]


@pytest.mark.parametrize("fails", [AwsError("no", "AccessDenied"), ObjectTooLargeError("no")])
async def test_what_cannot_be_read_or_kept_is_asked_for_and_shown(fails: Exception) -> None:
    """Whoever may only read sees it all the same."""
    aws = Aws({}, [*HISTORY, END], fails=fails, refuses_to_keep=True)
    assert len(await histories(aws).of(record(*OVER))) == 3
    assert [asked[0] for asked in aws.asked] == ["get", "history", "put"]


async def test_a_history_without_its_end_is_not_kept() -> None:
    """The end would never be seen."""
    aws = Aws({})
    assert len(await histories(aws).of(record(*OVER))) == 2
    assert [asked[0] for asked in aws.asked] == ["get", "history"]


def test_a_cursor_names_how_many_events_were_seen_and_which() -> None:
    """And what else was shown."""
    events = events_of(record(*OVER))
    count, names, state = cursor_of(events, "state").split("-")
    assert (count, len(names), len(state)) == (str(len(events)), 12, 12)
    assert unseen(events, f"3-{cursor_of(events[:3], '').split('-')[1]}-any") == events[3:]
    assert unseen(events[:2], cursor_of(events, "state")) == events[:2]
    assert unseen(events, cursor_of(events, "state")) == ()
    assert unseen(events, cursor_of((), "")) == events


async def test_a_log_and_a_link_to_it_are_of_the_job_that_is_found() -> None:
    """The tenant's own; the link is good for as long as links are."""
    tracker, aws = tracking(*OVER)
    place = LogPlace(1, 1, "main")
    with pytest.raises(UnknownJobError):
        await tracker.log("shop", JOB, place, 1, 1)
    aws.asked.clear()
    patient = replace(tracker, link_seconds=77)
    assert await patient.log_link("web", JOB, place) == SignedLink("https://signed", 77.0)
    found = await tracker.log("web", JOB, place, 3, 1)
    assert (found.job_id, found.container, found.first_line) == (JOB, "main", 3)
