"""What is asked for on the page of a job: said first, sent once, and never by a page of another site."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from service.api.app import Serving
from service.aws.jobs_table import JobsTable
from service.console.app import build_console
from service.core.record.wishes import RedriveAsked, RedriveRefused
from service.tracking.wiring import Place, Tracking, wire_tracking
from tests.integration.test_control import asked_for
from tests.integration.test_page import merged
from tests.integration.test_tracking_api import place, tracking  # noqa: F401  # fixtures
from tests.support.asking import Answer, ask, listening
from tests.support.builders import JOB, NOW, announced, execution, rejected, requested, running
from tests.support.connecting import Connect

PAGE = f"/jobs/web/{JOB}"
FORM = {"content_type": "application/x-www-form-urlencoded"}
RUNS = (requested(stages=2), execution("RUNNING"), running())
OVER = (requested(stages=2), execution("FAILED"), announced())


@pytest.fixture
def app(tracking: Tracking) -> Any:  # noqa: F811
    """The page and the API over it."""
    return build_console(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))


def cookie_of(answer: Answer) -> str:
    """What the browser sends back."""
    return answer.headers["set-cookie"].partition(";")[0]


def token_of(answer: Answer) -> str:
    """The token of the form."""
    found = re.search(r'name="token" value="(\w+)"', answer.text)
    assert found, answer.text
    return found[1]


async def confirmed(app: Any, verb: str, reason: str = "", **headers: str) -> Answer:
    """The form is opened, and its button is pressed."""
    form = await ask(app, "GET", f"{PAGE}/ask/{verb}")
    body = urlencode({"token": token_of(form), "reason": reason})
    return await ask(app, "POST", f"{PAGE}/ask/{verb}", body, **{**FORM, "cookie": cookie_of(form), **headers})


async def test_a_form_says_what_will_happen_and_sends_nothing(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """Which stage is stopped, and which will not run."""
    await merged(table, *RUNS)
    form = await ask(app, "GET", f"{PAGE}/ask/cancel")
    assert "the task of stage 1 (stage-1)" in form.text and "stage 2 (stage-2) will not run" in form.text
    assert re.findall(r'(?:href|src|action)="/', form.text) == []
    assert await asked_for(connect, place.control_queue_url) == []


async def test_a_wish_is_sent_with_its_reason(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """And nobody else can be shown that he sent it."""
    await merged(table, *RUNS)
    answer = await confirmed(app, "cancel", "wrong input", origin="http://127.0.0.1")
    where = answer.headers["location"]
    assert answer.status == 303 and where.startswith(f"../../{JOB}?sent=cancel.")
    [sent] = await asked_for(connect, place.control_queue_url)
    assert (sent["verb"], sent["tenant"], sent["job_id"], sent["reason"]) == ("cancel", "web", JOB, "wrong input")
    cookie = cookie_of(await ask(app, "GET", f"{PAGE}/ask/cancel"))
    strange = await ask(app, "GET", f"/jobs/web/{where.removeprefix('../../')}", cookie=cookie)
    assert "Your cancel was sent" not in strange.text


async def test_a_wish_that_was_heard_is_shown_until_it_has_come(app: Any, table: JobsTable) -> None:
    """By whom, when and why; the page is alive as long as it waits, also that of a job that is over."""
    told = {"job_id": JOB, "tenant": "web", "asked_at": NOW + 119, "asked_by": "ann", "reason": "wrong input"}
    await merged(table, *OVER, RedriveAsked.model_validate(told))
    async with listening(app, f"{PAGE}/live") as stream:
        head = await anext(stream)
        assert (await anext(stream))["event"] == "piece"
    assert "Redrive asked for at 22:15:19 UTC by ann; waiting until it goes on. <q>wrong input</q>" in head["data"]


async def test_what_was_sent_is_shown_to_who_sent_it(app: Any, table: JobsTable) -> None:
    """Until a worker has heard it."""
    await merged(table, *RUNS)
    form = await ask(app, "GET", f"{PAGE}/ask/cancel")
    given = {**FORM, "cookie": cookie_of(form)}
    answer = await ask(app, "POST", f"{PAGE}/ask/cancel", urlencode({"token": token_of(form)}), **given)
    page = await ask(
        app, "GET", f"/jobs/web/{answer.headers['location'].removeprefix('../../')}", cookie=given["cookie"]
    )
    assert "Your cancel was sent at 22:15:20 UTC; waiting for a worker to hear it." in page.text


async def test_a_form_outlives_its_server(app: Any, table: JobsTable, connect: Connect, place: Place) -> None:  # noqa: F811
    """One that was opened before a restart is taken by the next process."""
    await merged(table, *RUNS)
    form = await ask(app, "GET", f"{PAGE}/ask/cancel")
    again = wire_tracking(place, connect, None, lambda: NOW + 130)
    restarted = build_console(Serving(again.tracker, again.submission, again.steering, again.cases))
    body = urlencode({"token": token_of(form)})
    answer = await ask(restarted, "POST", f"{PAGE}/ask/cancel", body, **{**FORM, "cookie": cookie_of(form)})
    assert answer.status == 303


@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        ({}, {}, 403),
        ({"token": "0" * 64}, {}, 403),
        ({"token": "TOKEN"}, {"cookie": "jobferry-forms=" + "A" * 43}, 403),
        ({"token": "TOKEN"}, {"cookie": ""}, 403),
        ({"token": "TOKEN"}, {"origin": "http://evil.example"}, 403),
        ({"token": "TOKEN"}, {"origin": "http://127.0.0.1:8080"}, 403),
        ({"token": "TOKEN"}, {"sec_fetch_site": "cross-site"}, 403),
        ({"token": "TOKEN", "reason": "a\nb"}, {}, 422),
        ({"token": "TOKEN", "reason": "a" * 513}, {}, 422),
        ({"token": "TOKEN", "reason": "a" * 40_000}, {}, 413),
    ],
    ids=["no token", "a wrong one", "another browser's", "no cookie", "another site", "another port", "cross-site",
         "two lines", "a long reason", "a very long one"],
)  # fmt: skip
async def test_what_this_browser_did_not_confirm_is_not_sent(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
    fields: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    """Whatever of it is missing; and no cookie and no token is for another verb, job or tenant."""
    await merged(table, *RUNS)
    form = await ask(app, "GET", f"{PAGE}/ask/cancel")
    given = {name: token_of(form) if value == "TOKEN" else value for name, value in fields.items()}
    sent = {**FORM, "cookie": cookie_of(form), **headers}
    answer = await ask(app, "POST", f"{PAGE}/ask/cancel", urlencode(given), **sent)
    assert answer.status == status
    assert await asked_for(connect, place.control_queue_url) == []


async def test_a_token_is_for_one_wish_alone(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """That of a cancel redrives nothing."""
    await merged(table, *OVER)
    form = await ask(app, "GET", f"{PAGE}/ask/redrive")
    given = {**FORM, "cookie": cookie_of(form)}
    answer = await ask(app, "POST", f"{PAGE}/ask/cancel", urlencode({"token": token_of(form)}), **given)
    assert answer.status == 403
    assert await asked_for(connect, place.control_queue_url) == []


LATE: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "a cancel of what is over": ("cancel", OVER, "It is over already."),
    "a redrive of what runs": ("redrive", RUNS, "It is not over"),
    "a redrive of what succeeded": ("redrive", (OVER[0], execution()), "It succeeded"),
    "a redrive that was refused": (
        "redrive",
        (*OVER, RedriveRefused(job_id=JOB, redrive_count=0, at=NOW + 90, why="it is too old")),
        "Step Functions refused to redrive it: it is too old",
    ),
}


@pytest.mark.parametrize(("verb", "facts", "words"), LATE.values(), ids=LATE)
async def test_a_wish_that_comes_too_late_is_answered_in_words(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
    verb: str,
    facts: tuple[Any, ...],
    words: str,
) -> None:
    """On its form, on which there is no button then; the page does not offer it; and it is not sent."""
    await merged(table, *facts)
    form = await ask(app, "GET", f"{PAGE}/ask/{verb}")
    assert words in form.text and 'method="post"' not in form.text
    page = await ask(app, "GET", PAGE)
    assert f"ask/{verb}" not in page.text


async def test_what_ended_meanwhile_is_said_where_the_button_was_pressed(
    tracking: Tracking,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """With status 409, and nothing sent."""
    await merged(table, *RUNS)
    app = build_console(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))
    form = await ask(app, "GET", f"{PAGE}/ask/cancel")
    await merged(table, execution("SUCCEEDED"), announced())
    given = {**FORM, "cookie": cookie_of(form)}
    answer = await ask(app, "POST", f"{PAGE}/ask/cancel", urlencode({"token": token_of(form)}), **given)
    assert (answer.status, "It is over already." in answer.text) == (409, True)
    assert await asked_for(connect, place.control_queue_url) == []


async def test_a_rejected_request_can_be_made_again_alone(app: Any, table: JobsTable) -> None:
    """There is nothing to steer, and its form says so."""
    await merged(table, rejected(claimed_tenant="web", claimed_job_id=JOB))
    page = await ask(app, "GET", PAGE)
    form = await ask(app, "GET", f"{PAGE}/ask/redrive")
    assert re.findall("ask/([a-z]+)", page.text) == ["rerun"] and "was rejected" in form.text


async def rerun(app: Any, changes: str) -> Answer:
    """A new job is asked for, twice by the same form, as by a double click."""
    form = await ask(app, "GET", f"{PAGE}/ask/rerun")
    found = re.search(r'name="key" value="([\w-]+)"', form.text)
    assert found
    body = urlencode({"token": token_of(form), "key": found[1], "reason": "again", "changes": changes})
    given = {**FORM, "cookie": cookie_of(form)}
    answers = [await ask(app, "POST", f"{PAGE}/ask/rerun", body, **given) for _ in range(2)]
    if answers[0].status == 303:
        where = answers[0].headers["location"].removeprefix("../../")
        return await ask(app, "GET", f"/jobs/web/{where}", cookie=given["cookie"])
    return answers[0]


async def test_a_new_job_is_made_of_a_job(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """With changes; the page leads to it, and a form that is sent twice makes one."""
    await merged(table, *OVER)
    page = await rerun(app, 'parameters.size="small"\n\n labels.team = web')
    sent = await asked_for(connect, place.control_queue_url)
    assert {(item["verb"], item["reason"], item["new_job_id"]) for item in sent} == {
        ("rerun", "again", sent[0]["new_job_id"])
    }
    assert sent[0]["changes"] == {"parameters.size": "small", "labels.team": "web"}
    assert f'It makes <a class="id" href="{sent[0]["new_job_id"]}">' in page.text


async def test_a_change_that_cannot_be_read_is_said_with_its_line(
    app: Any,
    table: JobsTable,
    connect: Connect,
    place: Place,  # noqa: F811
) -> None:
    """What was written stays in the form, and nothing is sent."""
    await merged(table, *OVER)
    answer = await rerun(app, "size small")
    assert (answer.status, "size small is no change" in answer.text) == (422, True)
    assert ">size small</textarea>" in answer.text
    assert await asked_for(connect, place.control_queue_url) == []


async def test_over_tls_the_key_is_the_hosts_own(app: Any, table: JobsTable) -> None:
    """Behind a proxy that ends TLS, and says so."""
    await merged(table, *RUNS)
    form = await ask(app, "GET", f"{PAGE}/ask/cancel", x_forwarded_proto="https")
    cookie = form.headers["set-cookie"]
    assert cookie.startswith("__Host-jobferry-forms=") and "; Secure" in cookie and "; Path=/;" in cookie
