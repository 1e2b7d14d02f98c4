"""Each route of the HTTP API: what it asks of the tracker, what it refuses, and how it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast
from urllib.parse import quote

import pytest
from fastapi import FastAPI

from schemas.notification import Problem
from schemas.tracking import (
    Asked,
    EventsSeen,
    JobPage,
    LogLines,
    StepsPage,
    Submitted,
    TrackedJob,
    Validated,
    Why,
    Wish,
)
from service.api.app import Serving, build_app
from service.aws.errors import AwsError
from service.aws.objects import SignedLink
from service.core.tracking.job import track
from service.core.tracking.listing import CursorError, JobFilter
from service.tracking.errors import (
    CatalogUnknownError,
    NotNowError,
    RefusedError,
    TakenError,
    UnknownJobError,
    UnknownLogError,
)
from service.tracking.logs import LogPlace
from tests.support.asking import Answer, ask
from tests.support.builders import (
    JOB,
    NOW,
    TRACE_HEADER,
    TRACEPARENT,
    announced,
    attempt,
    execution,
    receipt,
    record,
    requested,
    task,
)
from tests.support.lent import Lent

JOBS, ONE = "/tenants/web/jobs", f"/tenants/web/jobs/{JOB}"
LOG = f"{ONE}/logs/2/3/main"


@dataclass
class Behind:
    """What is behind the routes: it notes what it is asked, and answers by its table, or raises."""

    answers: dict[str, Any]
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def answer(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            told = self.answers[name]
            if isinstance(told, list):
                told = told.pop(0)
            if isinstance(told, Exception):
                raise told
            return told

        return answer


def tracked(*facts: Any) -> TrackedJob:
    """A job of these facts."""
    job = track(record(requested(), *facts))
    assert job is not None
    return job


def lines(*told: str, first: int = 1, complete: bool = True, more: bool = False) -> LogLines:
    """Lines of a log."""
    status = "complete" if complete else "running"
    place = {"job_id": JOB, "stage": 2, "attempt": 3, "redrive": 0, "container": "main"}
    given = {"first_line": first, "lines": told, "more": more, "complete": complete, "status": status}
    return LogLines.model_validate({**place, **given})


RUNS = tracked(execution("RUNNING"))
OVER = tracked(execution(attempts=(attempt(),)), task(), receipt(), announced())
ASKED = Asked(
    verb="cancel", job_id=JOB, tenant="web", requested_by="ann", message_id="m", location=f"/tenants/web/jobs/{JOB}"
)
SENT = Submitted(job_id="j-1", tenant="web", location="/tenants/web/jobs/j-1")
USUAL: dict[str, Any] = {
    "jobs": JobPage(jobs=(), cursor=None, searched_back_to=None),
    "job": RUNS,
    "steps": StepsPage(job_id=JOB, steps=(), more=False, as_of="now"),
    "why": Why(job_id=JOB, status="RUNNING", as_of="now", text=()),
    "since": (EventsSeen(job=RUNS, events=()), "c1"),
    "log": lines("a"),
    "log_link": SignedLink("https://signed", NOW),
    "ask": ASKED,
    "submit": SENT,
    "validate": Validated(tenant="web", stages=()),
}


async def answered(
    method: str, target: str, body: str = "", *, headers: dict[str, str] | None = None, **answers: Any
) -> tuple[Answer, list[tuple[Any, ...]]]:
    """A route's answer, and what it asked for."""
    behind = Behind({**USUAL, **answers})
    app, lent = shared_app()
    lent.to(behind)
    return await ask(app, method, target, body, **(headers or {})), behind.asked


@cache
def shared_app() -> tuple[FastAPI, Lent]:
    """An app, and what stands behind all of its routes."""
    lent = Lent()
    it = cast("Any", lent)
    return build_app(Serving(it, it, it, it, stream_seconds=0.0)), lent


DATES = f"since={quote('2023-11-14T22:13:20+00:00')}&until={quote('2023-11-15T00:13:20+02:00')}"
READS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "a list": (JOBS, ("jobs", "web", JobFilter(), 50, None)),
    "a list by everything": (
        f"{JOBS}?status=FAILED&type=t&user=u&label=team=we=b&failure_class=lost&{DATES}&id=42&limit=200&cursor=c",
        (
            "jobs",
            "web",
            JobFilter(
                status="FAILED",
                job_type="t",
                user="u",
                label="team",
                label_value="we=b",
                failure_class="lost",
                since=NOW,
                until=NOW,
                text="42",
            ),
            200,
            "c",
        ),
    ),
    "a list by a label of any value": (f"{JOBS}?label=team&limit=1", ("jobs", "web", JobFilter(label="team"), 1, None)),
    "a list by a label without a value": (
        f"{JOBS}?label=team=",
        ("jobs", "web", JobFilter(label="team", label_value=""), 50, None),
    ),
    "a job": (ONE, ("job", "web", JOB)),
    "steps": (f"{ONE}/steps", ("steps", "web", JOB, 0, 100)),
    "steps from one on": (f"{ONE}/steps?after=25000&limit=500", ("steps", "web", JOB, 25_000, 500)),
    "a step": (f"{ONE}/steps?limit=1", ("steps", "web", JOB, 0, 1)),
    "why": (f"{ONE}/why", ("why", "web", JOB)),
    "a log": (LOG, ("log", "web", JOB, LogPlace(2, 3, "main"), 1, 1000)),
    "some lines": (
        f"{LOG}?redrive=0&first=1000000000&count=5000",
        ("log", "web", JOB, LogPlace(2, 3, "main", 0), 1_000_000_000, 5000),
    ),
    "the greatest places": (
        f"{ONE}/logs/100/10000/{'c' * 255}?redrive=10000&count=1",
        ("log", "web", JOB, LogPlace(100, 10_000, "c" * 255, 10_000), 1, 1),
    ),
}


@pytest.mark.parametrize(("target", "asked"), READS.values(), ids=READS)
async def test_what_a_route_asks_for(target: str, asked: tuple[Any, ...]) -> None:
    """By its defaults, and by what is given, to the ends of what may be."""
    answer, found = await answered("GET", target)
    assert (answer.status, found) == (200, [asked])


LABEL = "l" * 64
REFUSED = {
    **{
        f"{JOBS}?{query}": query.partition("=")[0]
        for query in ("status=GONE", "type=", "user=", "failure_class=", "id=")
    },
    **{f"{JOBS}?{name}={'x' * 257}": name for name in ("type", "user", "failure_class", "id")},
    **{f"{JOBS}?label={label}": "label" for label in ("", "=x", ".a", f"{LABEL}l", f"a={'x' * 257}", "a=%00", "a b")},
    **{f"{JOBS}?{query}": query.partition("=")[0] for query in ("since=2023-11-14T22:13:20", "until=noon")},
    **{f"{JOBS}?limit={limit}": "limit" for limit in (0, 201, "x")},
    f"{JOBS}?cursor={'c' * 1025}": "cursor",
    f"{JOBS}?page=2": "page",
    **{
        f"{ONE}/steps?{query}": query.partition("=")[0] for query in ("after=-1", "after=25001", "limit=0", "limit=501")
    },
    f"{ONE}/logs/0/1/main": "stage",
    f"{ONE}/logs/101/1/main": "stage",
    f"{ONE}/logs/1/0/main": "attempt",
    f"{ONE}/logs/1/10001/main": "attempt",
    f"{ONE}/logs/1/1/{'c' * 256}": "container",
    **{
        f"{LOG}?{query}": query.partition("=")[0]
        for query in ("redrive=-1", "redrive=10001", "first=0", "first=1000000001", "count=0", "count=5001", "follow=x")
    },
    f"/tenants/web/jobs/{'j' * 65}": "job_id",
    "/tenants/a*b/jobs": "tenant",
}


@pytest.mark.parametrize(("target", "name"), REFUSED.items(), ids=[target[:60] for target in REFUSED])
async def test_what_a_parameter_may_not_be(target: str, name: str) -> None:
    """A problem names the parameter and where to read of it; nobody behind it is asked."""
    answer, found = await answered("GET", target)
    told = answer.json()
    assert (answer.status, found) == (422, [])
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["title"], told["status"], told["detail"]) == (
        "Unprocessable Entity",
        422,
        "A parameter cannot be used.",
    )
    [problem] = told["problems"]
    assert problem["field"].split(".")[0] == name
    assert problem["remedy"] == "See /openapi.json for what it may be."


@pytest.mark.parametrize(
    "target", [f"{JOBS}?label={LABEL}={'x' * 256}", f"{JOBS}?user={'x' * 256}", f"{JOBS}?cursor={'c' * 1024}"]
)
async def test_what_is_as_long_as_may_be_is_taken(target: str) -> None:
    """To the last character."""
    assert (await answered("GET", target))[0].status == 200


PROBLEMS: dict[str, tuple[Exception, int, dict[str, Any]]] = {
    "no job": (UnknownJobError(), 404, {"title": "Not Found", "detail": "There is no such job."}),
    "no log": (UnknownLogError("Not this."), 404, {"title": "Not Found", "detail": "Not this."}),
    "an odd cursor": (CursorError(), 400, {"title": "Bad Request"}),
    "not now": (NotNowError("It is over."), 409, {"title": "Conflict", "detail": "It is over."}),
    "a taken id": (TakenError((Problem(field="job_id", message="m", remedy="r"),)), 409, {"title": "Conflict"}),
    "a refusal": (RefusedError.of("tenant", "m", "r"), 422, {"title": "Unprocessable Entity"}),
    "no catalogue": (CatalogUnknownError(), 501, {"title": "Not Implemented"}),
    "AWS": (
        AwsError("arn:secret", "ThrottlingException"),
        503,
        {
            "title": "Service Unavailable",
            "detail": "AWS could not be asked (ThrottlingException). What was shown before may be old by now.",
        },
    ),
    "AWS, without a code": (
        AwsError("arn:secret"),
        503,
        {"detail": "AWS could not be asked. What was shown before may be old by now."},
    ),
}


@pytest.mark.parametrize(("error", "status", "told"), PROBLEMS.values(), ids=PROBLEMS)
async def test_every_error_is_a_problem(error: Exception, status: int, told: dict[str, Any]) -> None:
    """With the status that says whose fault it is, and when to ask again where that helps."""
    answer, _ = await answered("GET", ONE, job=error)
    found = answer.json()
    assert (answer.status, found["status"]) == (status, status)
    assert {name: found[name] for name in told} == told
    assert answer.headers.get("retry-after") == ("2" if status == 503 else None)
    assert [problem["field"] for problem in found["problems"]] == {
        "TakenError": ["job_id"],
        "RefusedError": ["tenant"],
    }.get(type(error).__name__, [])
    assert "secret" not in answer.text


async def test_a_path_and_a_method_that_are_not_there_are_problems_too() -> None:
    """The framework's own words, in the same form."""
    for method, target, status in (("GET", "/nowhere", 404), ("DELETE", ONE, 405), ("GET", f"{ONE}/cancel", 405)):
        answer, _ = await answered(method, target)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.headers.get("allow") == {404: None, 405: "GET" if method == "DELETE" else "POST"}[status]


async def test_no_page_of_the_frameworks_is_served() -> None:
    """They load scripts from outside; the document is there."""
    for path in ("/docs", "/redoc"):
        assert (await answered("GET", path))[0].status == 404
    told = (await answered("GET", "/openapi.json"))[0].json()
    assert (told["info"]["title"], told["info"]["version"]) == ("Jobferry", "1")


@pytest.mark.parametrize(("on_loopback", "status"), [(True, 403), (False, 200)])
async def test_only_on_loopback_another_host_is_refused(on_loopback: bool, status: int) -> None:
    """Elsewhere whoever serves it says who may ask."""
    it = cast("Any", Behind(dict(USUAL)))
    app = build_app(Serving(it, it, it, it, on_loopback=on_loopback))
    answer = await ask(app, "GET", ONE, host="evil.example")
    assert answer.status == status
    if status == 403:
        assert answer.json()["detail"] == "This is served for this machine alone: ask it by 127.0.0.1 or localhost."


async def test_a_stream_of_events_is_sent_as_it_comes() -> None:
    """To whoever has seen some of it, from there on."""
    answer, asked = await answered("GET", f"{ONE}/events", headers={"last_event_id": "c0"})
    assert asked == [("since", "web", JOB, "c0")] * 2
    assert {name: answer.headers[name] for name in ("cache-control", "x-accel-buffering", "content-type")} == {
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "content-type": "text/event-stream; charset=utf-8",
    }
    assert "event: job\nid: c1\n" in answer.text


@pytest.mark.parametrize(("seen", "settled", "status"), [("c1", OVER, 204), ("c0", OVER, 200), ("c1", RUNS, 200)])
async def test_a_stream_that_was_seen_to_its_end_is_empty(seen: str, settled: TrackedJob, status: int) -> None:
    """A browser that reconnects by itself stops at 204."""
    told = (EventsSeen(job=settled, events=()), "c1")
    answer, _ = await answered("GET", f"{ONE}/events", headers={"last_event_id": seen}, since=told)
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.body == b"" if status == 204 else answer.body


@pytest.mark.parametrize(("seen", "first"), [(None, 7), ("12", 13), ("x", 7), ("1234567890123", 123_456_790)], ids=str)
async def test_a_log_is_followed_from_the_line_after_the_last_that_was_seen(seen: str | None, first: int) -> None:
    """Or from the one that is asked for."""
    headers = {"last_event_id": seen} if seen else {}
    told = [lines("a", first=first), lines("a", first=first)]
    answer, asked = await answered("GET", f"{LOG}?follow=true&first=7&count=5", headers=headers, log=told)
    assert asked == [("log", "web", JOB, LogPlace(2, 3, "main"), first, 5)] * 2
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.endswith("event: end\ndata: {}\n\n")


async def test_a_download_is_a_fresh_link() -> None:
    """Which nobody keeps."""
    answer, asked = await answered("GET", f"{LOG}?download=true")
    assert asked == [("log_link", "web", JOB, LogPlace(2, 3, "main"))]
    assert (answer.status, answer.headers["location"]) == (307, "https://signed")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("verb", ["cancel", "redrive"])
@pytest.mark.parametrize(("body", "reason"), [("", None), ('{"reason": "wrong input"}', "wrong input"), ("{}", None)])
async def test_a_wish_is_asked_for(verb: str, body: str, reason: str | None) -> None:
    """With its reason, where it has one; the answer says where to look."""
    headers = {"content_type": "application/json"} if body else {}
    answer, asked = await answered("POST", f"{ONE}/{verb}", body, headers=headers)
    assert asked == [("ask", verb, "web", JOB, reason, None)]
    assert (answer.status, answer.headers["location"]) == (202, ONE)
    assert Asked.model_validate_json(answer.body) == ASKED
    assert Wish().reason is None


ECHO = json.dumps({"job_id": "j-1"})


async def test_a_request_is_sent_with_its_key_and_its_trace() -> None:
    """As it stands in the body, unread by the framework."""
    headers = {"idempotency_key": "k" * 255, "traceparent": TRACEPARENT, "x_amzn_trace_id": TRACE_HEADER}
    answer, asked = await answered("POST", JOBS, ECHO, headers=headers)
    [(name, tenant, body, key, trace)] = asked
    assert (name, tenant, body, key) == ("submit", "web", ECHO, "k" * 255)
    assert (trace.traceparent, trace.aws_trace_header) == (TRACEPARENT, TRACE_HEADER)
    assert (answer.status, answer.headers["location"]) == (202, SENT.location)
    assert Submitted.model_validate_json(answer.body) == SENT
    assert (await answered("POST", JOBS, ECHO))[1] == [("submit", "web", ECHO, None, None)]


@pytest.mark.parametrize(
    "headers",
    [
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"traceparent": "t" * 257},
        {"x_amzn_trace_id": "x" * 1025},
    ],
)
async def test_a_header_that_is_too_long_is_refused(headers: dict[str, str]) -> None:
    """And an empty key."""
    answer, asked = await answered("POST", JOBS, ECHO, headers=headers)
    assert (answer.status, asked) == (422, [])


async def test_a_request_may_be_judged_only() -> None:
    """The answer is another then."""
    answer, asked = await answered("POST", f"{JOBS}?validate_only=true", ECHO)
    assert (answer.status, asked) == (200, [("validate", "web", ECHO)])
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"tenant": "web", "stages": []} | answer.json()


@pytest.mark.parametrize(("size", "status"), [(1_048_576, 202), (1_048_577, 413)])
async def test_a_body_has_no_more_bytes_than_a_message_may(size: int, status: int) -> None:
    """The problem says how many those are."""
    answer, asked = await answered("POST", JOBS, "x" * size)
    assert (answer.status, len(asked)) == (status, status == 202)
    if status == 413:
        assert answer.json()["detail"] == "The body has more than 1,048,576 bytes: keep large data in S3."


async def test_a_location_leads_back_through_what_stands_before() -> None:
    """A stage of API Gateway, or the base path of a domain."""
    it = cast("Any", Behind(dict(USUAL)))
    app = build_app(Serving(it, it, it, it, on_loopback=False))

    async def behind_v1(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": "/v1"}, receive, send)

    for target, where in ((JOBS, SENT.location), (f"{ONE}/cancel", ONE)):
        answer = await ask(behind_v1, "POST", f"/v1{target}", ECHO if target == JOBS else "")
        assert answer.headers["location"] == f"/v1{where}"
