"""What is asked for of all jobs that match a list: counted first, sent once, followed on a page of its own."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from service.api.app import Serving
from service.console.app import build_console
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.tracking.wiring import wire_tracking
from tests.support.asking import Answer, ask
from tests.support.builders import NOW, announced, execution, requested
from tests.support.shelf import Shelf

FORM = {"content_type": "application/x-www-form-urlencoded"}


def made(number: int) -> tuple[Fact, ...]:
    """Jobs of which every third failed."""
    of = {"job_id": f"thumbs-{number}", "job_type": "thumbs"}
    told = announced(of=RecordKey.of_job(of["job_id"])).model_copy(
        update={"status": "SUCCEEDED" if number % 3 else "FAILED", "ended_at": NOW + 60}
    )
    begun = requested(**of, submitted_at=NOW + number, tenant="default")  # type: ignore[arg-type]  # texts
    return (begun, execution(told.status, job_id=of["job_id"]), told)


@pytest.fixture
def shelf() -> Shelf:
    """Thirty jobs."""
    return Shelf(many=30, made=made)


@pytest.fixture
def app(shelf: Shelf) -> Any:
    """The page over them."""
    tracking = wire_tracking(shelf.place, shelf.open, None, lambda: NOW + 3600)
    return build_console(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))


def hidden(form: Answer, name: str) -> str:
    """A field that the form brings."""
    found = re.search(rf'name="{name}" value="([^"]+)"', form.text)
    assert found, form.text
    return found[1]


async def sent(app: Any, form: Answer, verb: str, **fields: str) -> Answer:
    """The form's button is pressed."""
    given = {name: hidden(form, name) for name in ("token", "key", "jobs")}
    cookie = form.headers["set-cookie"].partition(";")[0]
    return await ask(app, "POST", f"/ask/{verb}", urlencode({**given, **fields}), **FORM, cookie=cookie)


async def test_all_that_match_are_redriven_after_their_number_was_said(app: Any, shelf: Shelf) -> None:
    """A moment that was so long ago is the same moment when the button is pressed; a second press is the same bulk."""
    listed = await ask(app, "GET", "/?q=status:failed+since:2h")
    assert re.findall(r"ask/(\w+)\?q=status", listed.text) == ["redrive", "rerun"]
    form = await ask(app, "GET", "/ask/redrive?q=status:failed+since:2h")
    assert "Redrive all 10 that match" in form.text and shelf.sent == []
    answers = [await sent(app, form, "redrive", reason="the network is back") for _ in range(2)]
    assert {answer.status for answer in answers} == {303}
    first, second = map(json.loads, shelf.sent)
    assert first == second
    assert (first["verb"], first["reason"], first["jobs"]["status"]) == ("redrive", "the network is back", "FAILED")
    assert first["jobs"]["since"].startswith("2023-11-14T21:13:00")
    where = answers[0].headers["location"]
    assert where == f"../bulk/default/{first['bulk_id']}"
    page = await ask(app, "GET", where.removeprefix(".."))
    assert "Waiting for a worker to hear it." in page.text


async def test_what_would_mean_every_job_is_not_asked_for(app: Any, shelf: Shelf) -> None:
    """Nor what cannot be read, nor where nothing matches: there is no button."""
    for q in ("", "tenant:default", "status:odd", "type:none"):
        form = await ask(app, "GET", f"/ask/redrive?{urlencode({'q': q})}")
        assert (form.status, 'method="post"' in form.text) == (200, False), q
    assert "name a status at least" in (await ask(app, "GET", "/ask/redrive")).text
    assert "ask/" not in (await ask(app, "GET", "/")).text
    assert shelf.sent == []


async def test_a_token_is_for_these_jobs_alone(app: Any, shelf: Shelf) -> None:
    """Neither another filter nor another verb, nor a browser that has it not."""
    form = await ask(app, "GET", "/ask/redrive?q=status:failed")
    wider = await sent(app, form, "redrive", jobs="type:thumbs")
    other = await sent(app, form, "rerun")
    bare = await ask(app, "POST", "/ask/redrive", urlencode({"token": hidden(form, "token")}), **FORM)
    assert [wider.status, other.status, bare.status] == [403, 403, 403]
    assert shelf.sent == []


async def test_types_that_were_listed_are_suggested(app: Any, shelf: Shelf) -> None:
    """Without a read of their own."""
    await ask(app, "GET", "/")
    before = len(shelf.calls)
    lines = await ask(app, "GET", "/suggest?q=status:failed+type:th")
    assert 'value="status:failed type:thumbs"' in lines.text and len(shelf.calls) == before


async def test_whoever_may_not_submit_is_offered_no_rerun_and_refused_one(shelf: Shelf) -> None:
    """On the list, on a job, in the forms and by the API: the changes of a rerun can make any job of it."""
    it = wire_tracking(shelf.place, shelf.open, None, lambda: NOW + 3600)
    app = build_console(Serving(it.tracker, it.submission, it.steering, it.cases, reruns=False))
    listed, job = await ask(app, "GET", "/?q=status:failed"), await ask(app, "GET", "/jobs/default/thumbs-3")
    assert re.findall(r"ask/(\w+)", listed.text + job.text) == ["redrive", "redrive"]
    for path in ("/ask/rerun?q=status:failed", "/jobs/default/thumbs-3/ask/rerun"):
        assert "may rerun none" in (form := await ask(app, "GET", path)).text and form.status == 403, path
    wish = {"verb": "rerun", "jobs": {"status": "FAILED"}}
    for path, body in (("/tenants/default/jobs/thumbs-3/rerun", {}), ("/tenants/default/bulk", wish)):
        refused = await ask(app, "POST", path, json.dumps(body), content_type="application/json")
        assert refused.status == 403 and "may rerun none" in refused.text, path
    form = await ask(app, "GET", "/jobs/default/thumbs-3/ask/redrive")
    assert form.status == 200 and shelf.sent == []


async def test_a_bulk_that_nobody_has_heard_of_is_none_after_a_minute(shelf: Shelf) -> None:
    """The page looks again until then, and no more."""
    clock = [NOW + 3600.0]
    it = wire_tracking(shelf.place, shelf.open, None, lambda: clock[0])
    app = build_console(Serving(it.tracker, it.submission, it.steering, it.cases))
    page = await ask(app, "GET", "/bulk/default/typo")
    again = re.search(r'data-again="([^"]+)"', page.text)
    assert again and page.status == 200 and "Waiting for a worker to hear it." in page.text
    clock[0] += 60
    assert (await ask(app, "GET", f"/bulk/default/typo{again[1]}")).status == 200
    clock[0] += 1
    gone = await ask(app, "GET", f"/bulk/default/typo{again[1]}")
    assert gone.status == 404 and "There is no such bulk" in gone.text
    assert re.findall(r"data-again|http-equiv|<form method=.post", gone.text) == []


async def test_a_stop_is_said_to_be_asked_for_or_refused(app: Any, shelf: Shelf) -> None:
    """With the token of the page; by another's word nobody is shown that he asked."""
    page = await ask(app, "GET", "/bulk/default/b")
    cookie = page.headers["set-cookie"].partition(";")[0]
    refused = await ask(app, "POST", "/bulk/default/b", urlencode({"token": "x"}), **FORM, cookie=cookie)
    assert refused.status == 403 and "was not made for this browser" in refused.text and shelf.sent == []
    assert "data-again" not in refused.text
    token = urlencode({"token": hidden(page, "token")})
    stopped = await ask(app, "POST", "/bulk/default/b", token, **FORM, cookie=cookie)
    where = f"/bulk/default/{stopped.headers['location']}"
    assert stopped.status == 303 and json.loads(shelf.sent[0])["verb"] == "stop"
    assert "It is to be stopped" in (await ask(app, "GET", where, cookie=cookie)).text
    assert "It is to be stopped" not in (await ask(app, "GET", where)).text
