"""The page in a real browser: Debian's Chromium, driven by Playwright, on the local run."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsing import AXE, chromium, needs_axe, needs_browser
from tests.support.processes import running
from tests.support.waiting import WITHIN_SECONDS

pytestmark = needs_browser
LINES = "echo begun; echo '<script>document.title=1</script>'; sleep 3; printf '\\033[31mred\\033[0m\\n'"
REQUEST = {"job_id": "watched", "stages": [{"image": "image_1", "command": ["sh", "-c", LINES]}]}


def post(jobs: str, job: Mapping[str, Any] = REQUEST) -> None:
    """Send a request."""
    request = urllib.request.Request(jobs, json.dumps(job).encode())
    urllib.request.urlopen(request, timeout=WITHIN_SECONDS).close()


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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a local run that all tests here share; each has jobs of its own."""
    folder = tmp_path_factory.mktemp("local")
    with running("local", "--port", "0", "--api-port", "0", folder=folder) as command:
        yield command.wait_for_line("page").split()[-1]


def test_a_job_is_watched_to_its_end_on_the_page(address: str, browser: Any) -> None:
    """From the list by keys alone; its status, its log and its colours come by themselves, and nothing runs in it."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    jobs = f"{address}tenants/default/jobs"
    post(jobs)
    page.wait_for_selector("#job-default-watched")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#head .s-SUCCEEDED", timeout=1000 * WITHIN_SECONDS)
    page.reload()
    assert page.locator("#lines .fg-1").inner_text() == "red"
    assert "<script>document.title=1</script>" in page.locator("#lines").inner_text()
    assert page.locator(".node.s-PASSED").count() == 1
    assert page.title() == "watched \u00b7 Jobferry"
    assert said == []


def test_a_job_is_cancelled_and_redriven_on_the_page(address: str, browser: Any) -> None:
    """By its worker: the page shows the wish, its end, who ended it, and that it goes on."""
    request = {"job_id": "steered", "stages": [{"image": "image_1", "command": ["sh", "-c", "sleep 250"]}]}
    post(f"{address}tenants/default/jobs", request)
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.click("#job-default-steered")
    page.wait_for_selector("html[data-ready] .node.s-RUNNING")
    page.keyboard.press("c")
    page.wait_for_selector("#ask[open] #reason:focus")
    page.keyboard.type("wrong input")
    page.keyboard.press("Enter")
    page.wait_for_selector(".note.waits")
    page.wait_for_selector("#head .s-ABORTED")
    assert "wrong input" in page.locator(".note").inner_text()
    page.wait_for_selector("#ask-redrive")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open] #reason:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("#head .s-RUNNING")
    assert "Redriven by" in page.locator("#head").inner_text()


def test_whoever_is_called_redrives_all_that_failed(address: str, browser: Any, tmp_path: Path) -> None:
    """An alarm rings: which jobs, why, since when, and all of them redriven, by two clicks and two keys.

    1. A click on `status:failed since:2h`: the jobs, each with why and since when.
    2. `r`: how many they are, and what will happen.
    3. Enter, in the field for a reason, which may be left empty: it is sent, and a page says how far it has come.
    4. A click on "These jobs as they are now": all succeeded, as they do.
    """
    mended = tmp_path / "mended"
    fails = f"test -e {mended} && exit 0; echo 'no such width' >&2; exit 3"
    for job_id, script in (("night-1", fails), ("night-2", fails), ("fine", "echo fine")):
        request = {"job_id": job_id, "stages": [{"image": "image_1", "command": ["sh", "-c", script]}]}
        post(f"{address}tenants/default/jobs", request)
    page = browser.new_page()
    page.set_default_timeout(1000 * WITHIN_SECONDS)
    page.goto(address)
    page.click("text='status:failed since:2h'")
    for job_id in ("night-1", "night-2"):
        row = page.locator(f"tr:has(#job-default-{job_id})")
        row.wait_for()
        assert "the program failed" in row.locator(".why").inner_text()
        assert re.fullmatch(r"[0-9]+ [sm]", row.locator(".age").inner_text())
    mended.touch()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_selector("#offers [data-key=r]")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open] #reason:focus")
    assert "Redrive all 2 that match" in page.locator("#ask").inner_text()
    assert "goes on under its own id, at the stage that failed" in page.locator("#ask .will").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector("main .s-SUCCEEDED")
    assert page.locator("tr:has-text('Asked for') td").inner_text() == "2"
    page.click("text=These jobs as they are now")
    for job_id in ("night-1", "night-2", "fine"):
        page.wait_for_selector(f"tr:has(#job-default-{job_id}) .s-SUCCEEDED")


@needs_axe
def test_axe_finds_nothing(address: str, browser: Any) -> None:
    """In the list and in a job, dark and light, on a phone and on a wide screen."""
    jobs = f"{address}tenants/default/jobs"
    post(jobs)
    for scheme in ("light", "dark"):
        for width in (390, 1440):
            # axe itself is a script that the page's policy does not let in.
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
            )
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("#job-default-watched")
            page.add_script_tag(path=AXE)
            found = page.evaluate("axe.run()")["violations"]
            page.goto(f"{address}jobs/default/watched")
            page.add_script_tag(path=AXE)
            found += page.evaluate("axe.run()")["violations"]
            assert [item["id"] for item in found] == [], (scheme, width)
