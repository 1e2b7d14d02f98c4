"""What a list makes of what lies in its index: each job, the pages, the cursors, and how long stages took."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

import pytest

from schemas.tracking import JobPage, ListedJob
from service.aws.job_list import JobList
from service.core.record.facts import StageSpent
from service.core.record.keys import RecordKey
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose
from service.core.tracking.listing import CursorError, JobFilter, json_of, spent_from, spent_of
from tests.support.builders import NOW, attempt, execution, receipt, record, requested, task

AT = "2023-11-14T22:13:20.000Z"


@dataclass
class Index:
    """Answers one by one, and notes where each began, and how many were asked for."""

    answers: list[Mapping[str, Any]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def query(self, **asked: Any) -> Mapping[str, Any]:
        self.asked.append((asked["ExpressionAttributeValues"].get(":last", {}).get("S", ""), asked["Limit"]))
        return self.answers.pop(0)

    def list(self) -> JobList:
        """The list over this index."""
        return JobList(cast("Any", self), "jobs")


def item(number: int = 1, **texts: str) -> dict[str, Any]:
    """One summary, of the job of this number."""
    usual = {"list_at": f"{AT}#job-{number}", "list_status": "OPEN"}
    return {name: {"S": text} for name, text in {**usual, **texts}.items()}


def listed(number: int = 1, **fields_: Any) -> ListedJob:
    """What is made of one."""
    usual = {"id": f"job-{number}", "job_id": f"job-{number}", "tenant": "web", "status": "OPEN", "submitted_at": AT}
    nothing = dict.fromkeys(("job_type", "user", "ended_at", "duration_seconds", "failure_class"))
    return ListedJob.model_validate({**usual, **nothing, "labels": {}, **fields_})


ENDED = {"list_ended_at": {"N": "1700000062.5"}}
OVER: dict[str, Any] = {"ended_at": "2023-11-14T22:14:22.500Z", "duration_seconds": 62.5}
SUMMARIES: dict[str, tuple[dict[str, Any], ListedJob]] = {
    "an open job": (item(list_type="t", list_user="u"), listed(job_type="t", user="u")),
    "one with labels": (item() | {"list_labels": {"M": {"team": {"S": "web"}}}}, listed(labels={"team": "web"})),
    "one that failed": (
        item(list_status="FAILED", list_failure="lost") | ENDED,
        listed(status="FAILED", failure_class="lost", **OVER),
    ),
    "one that succeeded": (item(list_status="SUCCEEDED", list_failure="") | ENDED, listed(status="SUCCEEDED", **OVER)),
    "one that ended nobody knows when": (item(list_status="ABORTED"), listed(status="ABORTED")),
    "one that was redriven": (item(list_failure="lost") | ENDED, listed()),
    "one that ended before it was requested, by two clocks": (
        item(list_status="FAILED") | {"list_ended_at": {"N": "1699999999.0"}},
        listed(status="FAILED", ended_at="2023-11-14T22:13:19.000Z", duration_seconds=0.0),
    ),
    "a rejected request": (
        item(list_at=f"{AT}#rejected:m-1", list_status="REJECTED", list_failure="x") | ENDED,
        listed(id="m-1", job_id=None, status="REJECTED"),
    ),
}


@pytest.mark.parametrize(("summary", "job"), SUMMARIES.values(), ids=SUMMARIES)
async def test_a_summary_is_a_listed_job(summary: dict[str, Any], job: ListedJob) -> None:
    """What an open job has of an end is of the run before."""
    page = await Index([{"Items": [summary]}]).list().page("web", JobFilter(), 50)
    assert page == JobPage(jobs=(job,), cursor=None, searched_back_to=None)


def reached(number: int) -> dict[str, Any]:
    """Where a look of DynamoDB's ended."""
    return {"LastEvaluatedKey": {"list_at": {"S": f"{AT}#job-{number}"}}}


NARROW, PLAIN = JobFilter(user="u"), JobFilter()
PAGES: dict[str, tuple[JobFilter, list[dict[str, Any]], list[int], int | None, int]] = {
    "less than a page": (PLAIN, [{"Items": [item(1)]}], [1], None, 1),
    "a page, and it ends there": (PLAIN, [{"Items": [item(1), item(2)]}], [1, 2], None, 1),
    "a page, and there is more": (PLAIN, [{"Items": [item(1), item(2)], **reached(2)}], [1, 2], 2, 1),
    "more than a page in one look": (NARROW, [{"Items": [item(n) for n in (1, 2, 3)], **reached(9)}], [1, 2], 2, 1),
    "a page of two looks": (NARROW, [{"Items": [item(1)], **reached(5)}, {"Items": [item(6)]}], [1, 6], None, 2),
    "one look finds the rest and more": (
        NARROW,
        [{"Items": [item(1)], **reached(5)}, {"Items": [item(6), item(7)], **reached(9)}],
        [1, 6],
        6,
        2,
    ),
    "four looks find nothing": (NARROW, [{"Items": [], **reached(n)} for n in range(4)], [], 3, 4),
}


@pytest.mark.parametrize(("wanted", "answers", "jobs", "place", "looks"), PAGES.values(), ids=PAGES)
async def test_a_page_of_two(
    wanted: JobFilter, answers: list[dict[str, Any]], jobs: list[int], place: int | None, looks: int
) -> None:
    """Its cursor leads to what follows the last job, or to where was looked last."""
    index = Index([*answers])
    page = await index.list().page("web", wanted, 2)
    assert [job.id for job in page.jobs] == [f"job-{number}" for number in jobs]
    assert len(index.asked) == looks
    if place is None:
        assert (page.cursor, page.searched_back_to) == (None, None)
    else:
        assert page.cursor == wanted.cursor("web", f"{AT}#job-{place}")
        assert page.searched_back_to == AT


async def test_the_next_page_begins_after_the_place_of_its_cursor() -> None:
    """Which DynamoDB gives once more, and is left out."""
    index = Index([{"Items": [item(2), item(3)], **reached(3)}, {"Items": [item(3), item(4)]}])
    cursor = PLAIN.cursor("web", f"{AT}#job-2")
    page = await index.list().page("web", PLAIN, 2, cursor)
    assert [job.id for job in page.jobs] == ["job-3", "job-4"]
    assert index.asked == [(f"{AT}#job-2", 3), (f"{AT}#job-3", 2)]


async def test_how_long_the_last_jobs_took() -> None:
    """Of those that tell it, no more than are asked for, by one look."""
    took = [StageSpent(image="echo", stage=1, passed=True, running=float(n)) for n in range(3)]
    items = [item(0), *(item(n, list_spent=json_of((each,))) for n, each in enumerate(took)), item(9, list_spent="[]")]
    index = Index([{"Items": items, **reached(9)}])
    assert await index.list().lately("web", PLAIN, 2) == ((took[0],), (took[1],))
    assert index.asked == [("9", 1000)]


async def test_the_last_request_that_claimed_an_id() -> None:
    """By its message."""
    found = Index([{"Items": [item(list_at=f"{AT}#rejected:m-1")]}, {"Items": []}]).list()
    assert await found.rejected_as("web", "odd") == RecordKey.of_rejection("m-1")
    assert await found.rejected_as("web", "odd") is None


FILTERS: dict[str, Any] = {
    "status": "FAILED",
    "job_type": "t",
    "user": "u",
    "label": "l",
    "label_value": "v",
    "failure_class": "lost",
    "since": 0.0,
    "until": NOW,
    "text": "x",
}


@pytest.mark.parametrize("name", FILTERS)
def test_which_filters_make_a_list_narrow_and_its_cursor_its_own(name: str) -> None:
    """All but a span of time, which is looked at by the key."""
    asked = JobFilter(**{name: FILTERS[name]})
    assert asked.is_narrow is (name not in {"since", "until"})
    cursor = asked.cursor("web", "here")
    assert asked.place("web", cursor) == "here"
    for other, tenant in ((PLAIN, "web"), (asked, "shop")):
        with pytest.raises(CursorError):
            other.place(tenant, cursor)
    assert {item.name for item in fields(JobFilter)} == FILTERS.keys()


def packed(value: object) -> str:
    """A cursor that somebody made up."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


_, DIGEST = json.loads(base64.urlsafe_b64decode(PLAIN.cursor("web", "a") + "=="))


@pytest.mark.parametrize(
    "cursor",
    ["", "?", "a", "ü", packed(7), packed([]), packed(["a"]), packed(["a", DIGEST, 1]), packed(["a", "b"]), packed({})],
)
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    """Whatever it holds."""
    with pytest.raises(CursorError):
        PLAIN.place("web", cursor)


def test_a_cursor_is_as_it_was() -> None:
    """A page that stays open asks by the one that an earlier version gave; it fits into an address."""
    assert json.loads(base64.urlsafe_b64decode(PLAIN.cursor("web", "a") + "==")) == ["a", DIGEST]
    assert len(DIGEST) == 16
    assert all("=" not in PLAIN.cursor("web", "a" * n) for n in range(9))
    assert PLAIN.place("web", packed([7, DIGEST])) == "7"


SPENT = StageSpent(image="echo", stage=2, passed=True, queued=1.0, starting=2.0, running=3.5, archiving=4.0, memory=512)


def test_what_is_kept_of_the_time_that_stages_took() -> None:
    """Rows in the order of the fields, without a blank; what a later version adds to a row is passed over."""
    assert json_of((SPENT,)) == '[["echo",2,true,1.0,2.0,3.5,4.0,512]]'
    assert spent_from(json_of((SPENT, SPENT))) == (SPENT, SPENT)
    assert spent_from('[["echo",2,true,1.0,2.0,3.5,4.0,512,"novelty"]]') == (SPENT,)
    assert spent_from('[["echo",2,false]]') == (StageSpent(image="echo", stage=2, passed=False),)
    assert spent_from(None) == spent_from("") == ()


def test_the_first_stages_of_a_notification_are_kept_by_their_last_attempts() -> None:
    """Twelve of them; one that did not run is none."""
    attempts = tuple(attempt(stage, 1) for stage in range(1, 14))
    tasks = [task(f"t{stage}", stage=stage, memory="2048") for stage in range(1, 14)]
    kept = [receipt(f"t{stage}", archived_at=NOW + 53) for stage in range(1, 14)]
    job = record(requested(stages=14), execution("FAILED", attempts=attempts), *tasks, *kept)
    spent = spent_of(compose(job, Links(), {}, Redaction.of()))
    assert [each.stage for each in spent] == list(range(1, 13))
    assert spent[0] == StageSpent(
        image="echo", stage=1, passed=True, queued=2.0, starting=3.0, running=44.0, archiving=3.0, memory=2048
    )
    few = record(requested(stages=2), execution("FAILED", attempts=attempts[:1]), tasks[0])
    assert [each.stage for each in spent_of(compose(few, Links(), {}, Redaction.of()))] == [1]
