"""The page over moto's records: what it shows, what it never becomes, and what it costs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from deploy.local.stack import PROJECT
from service.api.app import Serving
from service.aws.jobs_table import JobsTable
from service.console.app import build_console
from service.tracking.wiring import Place, Tracking, wire_tracking
from tests.support.asking import ask, listening
from tests.support.builders import (
    JOB,
    MACHINE,
    NOW,
    announced,
    attempt,
    execution,
    receipt,
    rejected,
    requested,
    running,
    task,
)  # fmt: skip
from tests.support.connecting import Connect, answering, refusal

PAGE = f"/jobs/web/{JOB}"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "</textarea></title></style><svg onload=alert(1)>",
    "<div hx-get=/ hx-trigger=load>",
    "&lt;script&gt; <!-- -->",
]


class Markup(HTMLParser):
    """The tags and attributes that a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.dangers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what could only be somebody else's."""
        given = dict(attrs)
        if tag == "img" or (tag == "script" and "src" not in given):
            self.dangers.append(tag)
        self.dangers += [name for name in given if name.startswith("on")]
        urls = (given.get(name) or "" for name in ("href", "src", "action", "hx-get"))
        self.dangers += [url for url in urls if url.startswith(("javascript:", "/"))]


@pytest.fixture
async def tracking(connect: Connect, name: str, table: JobsTable) -> Tracking:
    """What reads a deployment on moto."""
    await (await connect("s3")).create_bucket(Bucket=name)
    place = Place(
        request_queue_url="https://queue",
        control_queue_url="https://queue",
        state_machine_arn=MACHINE,
        log_bucket=name,
        jobs_table=table.name,
        catalog=str(PROJECT / "deploy" / "catalog.yaml"),
    )
    return wire_tracking(place, connect, None, lambda: NOW + 120)


@pytest.fixture
def app(tracking: Tracking) -> Any:
    """The page and the API over it."""
    return build_console(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))


async def merged(table: JobsTable, *facts: Any) -> None:
    """A record of these facts."""
    for fact in facts:
        await table.merge(fact)


ENDED = (requested(), execution(attempts=(attempt(),)), task(), receipt(), announced())


async def test_a_list_leads_to_its_jobs(app: Any, table: JobsTable) -> None:
    """By a relative link, so that it works behind any path."""
    await merged(table, *ENDED)
    answer = await ask(app, "GET", "/?q=tenant:web")
    assert (answer.status, f'href="jobs/web/{JOB}"' in answer.text) == (200, True)
    assert re.findall(r'(?:href|src|action|hx-get)="/', answer.text) == []
    assert "succeeded" in answer.text


async def test_a_job_is_shown_with_nothing_from_outside(app: Any, table: JobsTable) -> None:
    """Under a policy that lets no other script run."""
    await merged(table, requested(stages=2), execution("RUNNING"), running())
    answer = await ask(app, "GET", PAGE)
    assert answer.status == 200 and "running" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert re.findall(r'(?:href|src|action|hx-get|sse-connect)="/', answer.text) == []
    assert re.findall(r"<script(?! src=)|\sstyle=", answer.text) == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_others_write_never_becomes_markup(app: Any, table: JobsTable, text: str) -> None:
    """As user, type, file, label, stop reason, rejected id: on the list, on the page, and in its live pieces."""
    facts = (
        requested(user=text, job_type=text, input_file=text, labels={"a": text}),
        execution("FAILED", error=text, cause=text),
        task(exit_code=1, stopped_reason=text),
        announced(),
    )
    await merged(table, *facts, rejected(claimed_tenant="web", claimed_job_type=text))
    async with listening(app, f"{PAGE}/live") as stream:
        live = (await anext(stream))["data"]
    for target in ("/?q=tenant:web", PAGE, "/rows?q=tenant:web"):
        answer = await ask(app, "GET", target)
        assert answer.status == 200
        assert Markup(answer.text).dangers == [] == Markup(live).dangers, target


async def test_a_page_whose_log_is_lost_shows_all_else(app: Any, tracking: Tracking, table: JobsTable) -> None:
    """The bucket's lifecycle deleted it: the job is there as it was, and the log's place says why it is empty."""
    bucket = table.name
    await merged(table, *ENDED[:3], receipt(s3_bucket=bucket, s3_key="gone"), announced())
    answer = await ask(app, "GET", PAGE)
    assert (answer.status, "succeeded" in answer.text, "is gone" in answer.text) == (200, True, True)


async def test_a_job_that_is_not_there_is_a_page_that_says_so(app: Any) -> None:
    """404, for people."""
    answer = await ask(app, "GET", "/jobs/web/none")
    assert (answer.status, "There is no such job." in answer.text) == (404, True)


async def test_a_page_says_when_aws_cannot_be_asked(app: Any, tracking: Tracking) -> None:
    """With the code, and without AWS's own words."""
    records: Any = tracking.tracker.records
    with answering(await opened(records.client), "Query", refusal("ThrottlingException")):
        answer = await ask(app, "GET", PAGE)
    assert (answer.status, "ThrottlingException" in answer.text) == (503, True)


async def opened(client: Any) -> Any:
    """A client that is opened when it is needed first."""
    await client.list_tables()
    return client._client


async def test_many_who_look_cost_what_one_costs(app: Any, tracking: Tracking, table: JobsTable) -> None:
    """Twenty lists at once are one list."""
    await merged(table, *ENDED)
    calls: list[str] = []
    records: Any = tracking.tracker.records
    (await opened(records.client)).meta.events.register("before-call.*", lambda model, **_: calls.append(model.name))
    for _ in range(20):
        await ask(app, "GET", "/rows?q=tenant:web")
    assert sorted(calls) == ["BatchGetItem", "Query"]
