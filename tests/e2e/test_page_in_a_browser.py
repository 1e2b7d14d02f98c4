"""The page as people meet it, in Chromium, over a deployment in memory: keys, themes, widths, faults, hostile texts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from deploy.local.stack import PROJECT
from schemas.bulk import BulkFilter
from service.console.streams import LOOK_SECONDS
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.core.record.wishes import CancelAsked
from tests.bench.page import history, large_log, made, of_many_stages, with_a_large_log
from tests.support.browsing import chromium, faults, go, hide, later, needs_axe, needs_browser, opened, prefixed, ready
from tests.support.builders import (
    NOW,
    announced,
    container,
    execution,
    execution_arn,
    receipt,
    requested,
    running,
    task,
)
from tests.support.serving import serving
from tests.support.shelf import BUCKET, Shelf
from tests.support.waiting import unchanged, wait_for

pytestmark = needs_browser
SHOTS = PROJECT / "build" / "page"
HOSTILE = [
    "<script>document.title='run'</script>",
    '"><img src=x onerror="document.title=\'run\'">',
    "' onmouseover='document.title=1' autofocus onfocus='document.title=1",
    "javascript:document.title='run'",
    "</textarea></title></style></template><svg onload=\"document.title='run'\">",
    '<a href="javascript:document.title=1" hx-on:click="1" hx-get="/" hx-trigger="load">x</a>',
    "\x1b]8;;javascript:document.title='run'\x07click\x1b]8;;\x07\x1b[2J\x1b[31m<b>red</b>\x1b[0m",
    "invoice\u202egpj.exe \u2066hidden\u2069 \u200f \x00\x07\x9b31m",
    "{{7*7}} ${7*7} <!--#exec cmd=1--> &lt;b&gt; \u2028 ]]>",
]
NOW_AT = NOW + 400
SPEED = 10.0


def of(job_id: str, *facts: Fact) -> tuple[Fact, ...]:
    """A job of the default tenant."""
    return (requested(job_id=job_id, tenant="default", submitted_at=NOW + 300, stages=3), *facts)


def runs(job_id: str) -> tuple[Fact, ...]:
    """A job whose first stage runs."""
    return of(job_id, execution("RUNNING", job_id=job_id, arn=execution_arn(job_id)), running(job_id=job_id))


def failed(job_id: str) -> tuple[Fact, ...]:
    """A job whose first stage failed."""
    ended = execution("FAILED", job_id=job_id, arn=execution_arn(job_id), error="States.TaskFailed", cause="exit 3")
    told = announced(of=RecordKey.of_job(job_id)).model_copy(
        update={"status": "FAILED", "ended_at": NOW + 360, "failure_class": "application_exit"}
    )
    log = receipt(job_id=job_id, s3_bucket=BUCKET, s3_key="log", tail=("Traceback", "KeyError: 'width'"))
    return of(job_id, ended, task(job_id=job_id, containers=(container(exit_code=3),)), log, told)


def hostile(number: int, text: str) -> tuple[Fact, ...]:
    """A job of which everything that somebody else may write is hostile."""
    job_id, plain = f"evil-{number}", "".join(each for each in text if each.isprintable()) or "x"
    begun = requested(
        job_id=job_id, tenant="default", submitted_at=NOW + number, user=plain, job_type=plain, input_file=plain,
        labels={"a": plain},
    )  # fmt: skip
    ended = execution("FAILED", job_id=job_id, arn=execution_arn(job_id), error=text, cause=text)
    stopped = task(job_id=job_id, stopped_reason=text, containers=(container(exit_code=1, reason=text),))
    log = receipt(job_id=job_id, s3_bucket=BUCKET, s3_key=f"evil{number}", tail=(text,))
    asked = CancelAsked(job_id=job_id, tenant="default", asked_at=NOW + 30, asked_by=plain, reason=plain)
    return (begun, ended, stopped, log, asked, announced(of=RecordKey.of_job(job_id)))


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """Jobs of every kind."""
    held = Shelf(many=60, made=made, lines=["begun", "\x1b[32mok\x1b[0m"])
    held.more = {job_id: facts(job_id) for job_id, facts in {"failed-1": failed, "runs-1": runs}.items()}
    held.more |= {"staged": of_many_stages(), "large": with_a_large_log()}
    held.more |= {f"evil-{number}": hostile(number, text) for number, text in enumerate(HOSTILE)}
    held.histories = {"staged": history()}
    held.objects = {**large_log(), "log": b"one\ntwo\n\x1b[31mKeyError: 'width'\x1b[0m\n"}
    held.objects |= {f"evil{number}": f"{text}\n".encode() for number, text in enumerate(HOSTILE)}
    return held


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Any]:
    """One for all."""
    with chromium() as found:
        yield found


@pytest.fixture
def browser(one_browser: Any) -> Iterator[Any]:
    """Without the pages of the test before: what is open goes on asking."""
    yield one_browser
    for context in one_browser.contexts:
        context.close()


@pytest.fixture(scope="module")
def hasty(shelf: Shelf) -> Iterator[str]:
    """Where the same is served by a server whose time goes by faster."""
    with serving(shelf, lambda: NOW_AT, speed=SPEED) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def address(shelf: Shelf) -> Iterator[str]:
    """Where all of it is served."""
    with serving(shelf, lambda: NOW_AT) as port:
        yield f"http://127.0.0.1:{port}/"


def test_a_job_is_cancelled_and_redriven_by_keys_alone(browser: Any, address: str, shelf: Shelf) -> None:
    """From the list; each asks first, with a reason, and the page says that it was sent. Nothing is complained of."""
    said: list[str] = []
    page = opened(browser, address, said)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-cancel")
    for key, reason in (("c", "wrong input"),):
        page.keyboard.press(key)
        page.wait_for_selector("#ask[open] #reason:focus")
        assert "stage 1 (stage-1)" in page.locator("#ask .will").inner_text()
        page.keyboard.type(reason)
        page.keyboard.press("Enter")
        page.wait_for_selector(".note.waits")
    assert json.loads(shelf.sent[-1])["verb"] == "cancel" and json.loads(shelf.sent[-1])["reason"] == "wrong input"
    go(page, f"{address}jobs/default/failed-1")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open] #reason:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector("#ask[open]", state="detached")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open] #reason:focus")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".note.waits")
    assert json.loads(shelf.sent[-1])["verb"] == "redrive"
    assert said == []


def test_the_list_is_gone_through_by_keys(browser: Any, address: str) -> None:
    """Down, up, to the filter, into a job and back, and a list of the keys; none is heard in a field."""
    page = opened(browser, address)
    heard = []
    for key in "jjk":
        page.keyboard.press(key)
        heard.append(page.evaluate("document.activeElement.textContent"))
    assert heard[0] == heard[2] != heard[1]
    page.keyboard.press("/")
    page.keyboard.type("j?")
    assert page.input_value("#q") == "j?" and page.locator("#help[open]").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert "next and previous job" in page.locator("#help[open]").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    ready(page)
    with page.expect_navigation():
        page.keyboard.press("u")
    assert page.url == address


def test_a_list_stands_still_while_one_selects(browser: Any, address: str) -> None:
    """What is below the pointer stays there; then it goes on."""
    page = opened(browser, address, timed=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.why'))")
    later(page, 60)
    assert asked == []
    with page.expect_request(re.compile("/rows")):
        page.evaluate("getSelection().removeAllRanges()")
        later(page, 3)


def test_a_job_is_steered_without_javascript(browser: Any, address: str, shelf: Shelf) -> None:
    """By a form on a page of its own; the log, the graph and the filter are there as well."""
    page = opened(browser, f"{address}jobs/default/failed-1", java_script_enabled=False)
    assert page.locator("#lines .fg-1").inner_text() == "KeyError: 'width'"
    assert page.locator("svg.graph").count() == 1
    page.click("#ask-redrive")
    page.fill("#reason", "by hand")
    page.click("button.grave")
    assert "Your redrive was sent" in page.locator(".note").inner_text()
    assert json.loads(shelf.sent[-1])["reason"] == "by hand"
    page.goto(address)
    page.fill("#q", "status:failed")
    page.click("form.filter button")
    assert page.locator("a.job").count() >= 1
    page.click("text=Redrive all that match")
    assert "that match" in page.locator("h1").inner_text()


@pytest.mark.parametrize(("where", "kept_by"), [("", "/rows"), ("jobs/default/runs-1", "/live")])
def test_a_page_that_is_hidden_asks_nothing(browser: Any, address: str, where: str, kept_by: str) -> None:
    """Neither the list nor a job that runs; when it is looked at again it is brought up to date."""
    page = opened(browser, address + where, timed=True)
    if kept_by == "/live":
        page.wait_for_selector("[sse-connect]", state="attached")
    hide(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    later(page, 60)
    assert (asked, page.locator("[sse-connect]").count()) == ([], 0)
    with page.expect_request(re.compile(kept_by)):
        hide(page, hidden=False)
        later(page, 5)
    page.context.close()


def test_a_stream_that_nobody_hears_asks_nothing_of_aws(browser: Any, hasty: str, shelf: Shelf) -> None:
    """Its server notices that the page is hidden, and looks no more."""
    page = opened(browser, f"{hasty}jobs/default/runs-1")
    wait_for(partial(has_asked, shelf, len(shelf.calls)), "a look")
    hide(page)
    # For as long as three looks take; what was under way before may come yet.
    wait_for(unchanged(lambda: len(shelf.calls), 3 * LOOK_SECONDS / SPEED), "quiet")
    page.context.close()


def has_asked(shelf: Shelf, before: int) -> bool:
    """Whether AWS was asked since."""
    return len(shelf.calls) > before


@pytest.mark.parametrize("where", ["", "?q=status:failed", "jobs/default/runs-1"])
def test_pages_that_are_open_cost_one_read_a_second(browser: Any, hasty: str, shelf: Shelf, where: str) -> None:
    """However many people look; a second of the server's, whose time goes by faster, as the pages' does."""
    context = browser.new_context()
    pages = [context.new_page() for _ in range(3)]
    for page in pages:
        page.clock.install()
        go(page, hasty + where)
    before, began, passed = len(shelf.calls), time.monotonic(), 0.0
    while passed < 15:
        for page in pages:
            later(page, 0.5)
        passed = SPEED * (time.monotonic() - began)
    asked = len(shelf.calls) - before
    context.close()
    # A look more may fall into the time at either of its ends.
    assert 0 < asked <= passed + 3


@pytest.mark.parametrize("where", ["", "jobs/default/runs-1"])
def test_a_page_says_when_it_was_last_true(browser: Any, hasty: str, shelf: Shelf, where: str) -> None:
    """While AWS cannot be reached; what it shows stays, and it goes on by itself."""
    page = opened(browser, hasty + where, timed=True)
    page.wait_for_selector(".status")
    shelf.out_of_reach = True
    try:
        until_seen(page, "#as-of .trouble")
        assert "AWS cannot be reached" in page.locator("#as-of").inner_text()
        assert "22:20:00 UTC" in page.locator("#as-of").inner_text()
        assert page.locator("main .status").count() >= 1
    finally:
        shelf.out_of_reach = False
    until_seen(page, "#as-of:not(:has(.trouble))")
    page.context.close()


def until_seen(page: Any, selector: str) -> None:
    """Let a timed page look again until it shows this."""

    def look() -> bool:
        later(page, 2.5)
        return bool(page.locator(selector).count())

    wait_for(look, selector)


@pytest.mark.parametrize("where", ["", "jobs/default/runs-1"])
def test_a_page_says_that_the_sign_in_is_over(browser: Any, address: str, where: str) -> None:
    """Where a load balancer answers 401 to what the page asks by itself."""
    page = opened(browser, address + where, timed=True)
    page.wait_for_selector(".status")
    page.route(re.compile("/(rows|live|suggest)"), lambda route: route.fulfill(status=401))
    hide(page)
    hide(page, hidden=False)  # The stream is asked for anew.
    until_seen(page, "#as-of .trouble")
    assert "Your sign-in is over: load the page anew." in page.locator("#as-of").inner_text()
    page.context.close()


def test_a_stream_that_begins_anew_is_no_trouble(browser: Any, shelf: Shelf) -> None:
    """It ends after some minutes where who listens is to be verified; then it tells all, whatever was shown before."""
    with serving(shelf, lambda: NOW_AT, stream_seconds=3.0, speed=SPEED) as port:
        page = opened(browser, f"http://127.0.0.1:{port}/jobs/default/runs-1")
        page.wait_for_selector("[sse-connect]", state="attached")
        page.locator("#head h1").evaluate("title => title.textContent = 'old'")
        for _ in range(2):
            page.wait_for_event("response", lambda response: "/live" in response.url)
        page.wait_for_selector("#head h1:has-text('runs-1')")
        assert page.locator("#as-of .trouble").count() == 0
        page.context.close()


def test_a_step_that_is_open_stays_open_when_it_ends(browser: Any, hasty: str, shelf: Shelf) -> None:
    """By keys; what came out of it is shown then, and the steps that follow are added."""
    whole = history(1)
    shelf.histories["runs-1"] = whole[:1]
    page = opened(browser, f"{hasty}jobs/default/runs-1")
    page.locator("#step-1 > a").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#step-1 dt:has-text('Input')")
    assert page.locator("#step-1 dt:has-text('Output')").count() == 0
    shelf.histories["runs-1"] = whole[:3]
    page.wait_for_selector("#step-1 dt:has-text('Output')")
    page.wait_for_selector("#step-2 .s-RUNNING")
    assert page.locator("#step-1 > a").get_attribute("aria-expanded") == "true"
    page.locator("#step-1 > a").click()
    page.wait_for_selector("#step-1 dl", state="detached")
    page.context.close()


def test_the_page_of_many_looks_again_until_they_are_done(browser: Any, hasty: str, shelf: Shelf) -> None:
    """It says how far they have come, and leads to them as they are now; then it asks no more."""
    key = RecordKey.of_bulk("default", "night")
    wanted = BulkFilter(status="FAILED", type="thumbs")
    asked = BulkAsked(
        record_key=key, bulk_id="night", tenant="default", verb="redrive", jobs=wanted, asked_at=NOW_AT, asked_by="ann"
    )
    page = opened(browser, f"{hasty}bulk/default/night", timed=True)
    assert "Waiting for a worker to hear it." in page.locator("main").inner_text()
    halfway = BulkProgressed(record_key=key, page=0, at=NOW_AT, matched=5, done=3, cursor="c")
    over = halfway.model_copy(update={"page": 1, "matched": 6, "done": 6, "cursor": None, "finished_at": NOW_AT})
    for progress, status, done in ((halfway, ".s-RUNNING", "3"), (over, ".s-SUCCEEDED", "6")):
        shelf.unlisted[key.id] = (asked, progress)
        with page.expect_navigation():
            later(page, 3)
        page.wait_for_selector(status)
        assert page.locator("tr:has-text('Asked for') td").inner_text() == done
        ready(page)
    calls = len(shelf.calls)
    later(page, 60)
    assert len(shelf.calls) == calls and page.locator("[data-again]").count() == 0
    page.click("text=These jobs as they are now")
    ready(page)
    assert page.input_value("#q") == "type:thumbs until:2023-11-14T22:20:00Z"
    page.context.close()


def test_what_no_script_may_ask_for_is_a_page_of_its_own(browser: Any, address: str) -> None:
    """As where the way to a form leads to the identity provider first."""
    page = opened(browser, f"{address}jobs/default/runs-1")
    page.wait_for_selector("#ask-cancel")
    page.route(
        "**/ask/cancel", lambda route: route.abort() if route.request.resource_type == "xhr" else route.continue_()
    )
    page.click("#ask-cancel")
    page.wait_for_url("**/ask/cancel")
    assert "Cancel the job" in page.locator("button.grave").inner_text()
    page.context.close()


def test_the_page_works_behind_a_path_and_after_a_restart(browser: Any, shelf: Shelf) -> None:
    """A form that was opened before it is taken after it, below the path of the proxy."""
    with serving(shelf, lambda: NOW_AT) as port, prefixed(port, "/ops/jobferry/") as before:
        page = opened(browser, f"http://127.0.0.1:{before}/ops/jobferry/")
        page.click("#job-default-failed-1")
        page.wait_for_selector("#ask-redrive")
        page.keyboard.press("r")
        page.wait_for_selector("#ask[open] #reason:focus")
    with serving(shelf, lambda: NOW_AT) as again, prefixed(again, "/ops/jobferry/") as after:
        # The browser keeps its key by the host; only the port is another.
        held = page.locator("#ask form").evaluate("form => Object.fromEntries(new FormData(form))")
        go(page, f"http://127.0.0.1:{after}/ops/jobferry/jobs/default/failed-1/ask/redrive")
        page.evaluate("token => document.querySelector('[name=token]').value = token", held["token"])
        page.click("button.grave")
        page.wait_for_selector(".note.waits")
        assert page.url.startswith(f"http://127.0.0.1:{after}/ops/jobferry/jobs/default/failed-1?sent=redrive.")


def test_any_line_of_a_large_log_is_linked_to(browser: Any, address: str) -> None:
    """By its number alone; and a search leads to its line."""
    page = opened(browser, f"{address}jobs/default/large#L654321")
    page.wait_for_selector("#L654321:target")
    assert "654321 ok" in page.locator("#L654321 .x").inner_text()
    page.fill("#find", "999990")
    page.keyboard.press("Enter")
    page.click("a[href*='L999990']")
    page.wait_for_selector("#L999990:target")
    assert page.locator("#L999990 .fg-2").inner_text() == "ok"


def test_a_type_that_was_listed_is_suggested(browser: Any, address: str) -> None:
    """While one types."""
    page = opened(browser, address)
    page.fill("#q", "")
    page.type("#q", "type:th")
    page.wait_for_selector('#suggestions option[value="type:thumbs"]', state="attached")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_does_nothing(browser: Any, address: str, number: int) -> None:
    """As every field of a job and as a line of its log: it is shown, and neither runs, loads, links nor turns."""
    said: list[str] = []
    page = opened(browser, address, said)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    go(page, f"{address}jobs/default/evil-{number}")
    page.wait_for_selector("#lines .line")
    for details in page.locator("details").all():
        details.evaluate("shown => shown.open = true")
    for step in page.locator(".step > a").all():
        step.click()
        page.wait_for_selector(f"#{step.locator('..').get_attribute('id')} .step-body dl")
    assert page.title() == f"evil-{number} \u00b7 Jobferry"
    text = page.locator("body").inner_text()
    assert not set(text) & set("\x00\x07\x1b\x9b\u202e\u2066\u2069\u200f\u2028")
    links = page.evaluate("[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))")
    assert [link for link in links if ":" in link.partition("?")[0] and not link.startswith("https://")] == []
    assert [url for url in asked if not url.startswith(address)] == []
    assert page.locator("main img, main script, main [onload], main [onerror], main [autofocus]").count() == 0
    assert said == []
    page.context.close()


LOOKED_AT = {
    "list": "",
    "matching": "?q=status:failed",
    "failed": "jobs/default/failed-1",
    "running": "jobs/default/runs-1",
    "staged": "jobs/default/staged",
    "steps": "jobs/default/staged/steps?first=101",
    "step": "jobs/default/staged/steps/150",
    "log": "jobs/default/large?stage=1&attempt=1&first=654221",
    "form": "jobs/default/failed-1/ask/redrive",
    "rerun": "jobs/default/failed-1/ask/rerun",
    "all": "ask/redrive?q=status:failed",
}


# Axe takes milliseconds for each text: of what is alike a dozen is looked at, but once all of the largest page.
ALIKE = [".jobs tbody tr", ".line", ".step", ".timeline tbody tr", ".events tr", ".node", ".column"]
THIN_OUT = "alike => alike.forEach(each => [...document.querySelectorAll(each)].slice(12).forEach(one => one.remove()))"
OF_THE_THEME = ("color-contrast",)
OF_THE_WIDTH = (*OF_THE_THEME, "target-size", "scrollable-region-focusable")


@needs_axe
def test_axe_finds_nothing(browser: Any, address: str) -> None:
    """On any page, nor in a form that is open above its page; of what the width or the theme decides, in each."""
    found = {}
    page = opened(browser, address, bypass_csp=True)
    for name, where in {**LOOKED_AT, "dialog": LOOKED_AT["failed"]}.items():
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light")
        go(page, address + where)
        if name == "dialog":
            page.keyboard.press("R")
            page.wait_for_selector("#ask[open] #reason:focus")
        if name != "staged":
            page.evaluate(THIN_OUT, ALIKE)
        found[name, "all"] = faults(page)
        page.emulate_media(color_scheme="dark")
        found[name, "dark"] = faults(page, *OF_THE_THEME)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 900})
        found[name, "phone"] = faults(page, *OF_THE_WIDTH)
    page.context.close()
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("name", LOOKED_AT)
def test_nothing_is_wider_than_the_screen(browser: Any, address: str, name: str) -> None:
    """At three widths; and a picture of each page is kept in build/page, in both themes, to be looked at."""
    page = opened(browser, address + LOOKED_AT[name])
    SHOTS.mkdir(parents=True, exist_ok=True)
    wide = []
    for width in (390, 834, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(width)
    page.context.close()
    assert wide == []
