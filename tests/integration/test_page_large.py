"""A job of a hundred stages, and one of six hundred attempts: how large the page is, and what a change of it sends."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.api.app import Serving
from service.console.app import build_console
from service.console.job import Since
from service.console.listing import Lists
from service.console.pages import Pages
from service.console.pieces import Piece, changes
from service.core.record.facts import Fact
from service.tracking.wiring import Tracking, wire_tracking
from tests.bench.page import history, of_many_attempts, of_many_stages, with_stages_passed
from tests.support.asking import ask
from tests.support.builders import NOW
from tests.support.shelf import Shelf

MOST_OF_A_PAGE, MOST_OF_A_CHANGE = 150_000, 10_000
LARGE = {"staged": of_many_stages(), "tried": of_many_attempts()}


def tracking(passed: int, at: float) -> Tracking:
    """What reads the job of a hundred stages at a moment, of which so many have passed, and the other one."""
    shelf = Shelf(more={**LARGE, "staged": with_stages_passed(passed)}, histories={"staged": history(passed)})
    return wire_tracking(shelf.place, shelf.open, None, lambda: at)


def app(passed: int = 99) -> Any:
    """The page over it."""
    it = tracking(passed, NOW + 500)
    return build_console(Serving(it.tracker, it.submission, it.steering, it.cases))


async def pieces(passed: int, at: float) -> dict[str, Piece]:
    """The job of a hundred stages as a page shows it that was opened when forty of them had passed."""
    tracker = tracking(passed, at).tracker
    made = Pages(tracker, Lists(tracker))
    return made.pieces(await made.view_of("default", "staged", since=Since(72, 112)))


@pytest.mark.parametrize("job_id", LARGE)
async def test_the_page_of_a_large_job_is_small(job_id: str) -> None:
    """Of its steps, events and bars the last are shown, and how many there are before them."""
    page = await ask(app(), "GET", f"/jobs/default/{job_id}")
    assert page.status == 200 and len(page.body) < MOST_OF_A_PAGE
    assert len(re.findall(r"<(?!/)", page.text)) < 3000
    assert re.search(r"[0-9]+ earlier events", page.text)


async def test_what_a_step_was_given_comes_when_it_is_opened() -> None:
    """As a part of the page, or as a page of its own; and what the page has left out is on others."""
    it = app()
    page = await ask(it, "GET", "/jobs/default/staged")
    assert "xxxxxxxx" not in page.text and "250 earlier steps" in page.text
    part = await ask(it, "GET", "/jobs/default/staged/steps/299", hx_request="true")
    whole = await ask(it, "GET", "/jobs/default/staged/steps/299")
    assert "xxxxxxxx" in part.text and "<html" not in part.text
    assert "xxxxxxxx" in whole.text and 'href="298"' in whole.text and 'href="../steps?first=249"' in whole.text
    earlier = await ask(it, "GET", "/jobs/default/staged/steps?first=150")
    assert re.findall(r'href="(steps/[0-9]+)"', earlier.text) == [f"steps/{number}" for number in range(150, 250)]
    assert ('href="steps?first=50"' in earlier.text, 'href="steps?first=250"' in earlier.text) == (True, True)
    events = await ask(it, "GET", "/jobs/default/staged/events?first=101")
    assert (len(re.findall("<tr ", events.text)), 'href="events?first=201"' in events.text) == (100, True)
    gone = await ask(it, "GET", "/jobs/default/staged/steps/301")
    assert (gone.status, "There is no such step." in gone.text) == (404, True)


async def test_a_stage_that_passes_sends_what_has_changed() -> None:
    """Its node, its bar, its steps and events, and those of the next: not the hundred others."""
    shown, now = await pieces(50, NOW + 203), await pieces(51, NOW + 207)
    sent = {name: changes(name, shown[name], piece) for name, piece in now.items()}
    assert set(re.findall(r'<(?:a|g) hx-swap-oob="true" id="(n-[^"]*)"', sent["graph"])) == {"n-51-0", "n-52-0"}
    assert 'hx-swap-oob="innerHTML"' not in sent["graph"] + sent["steps"] + sent["bars"] + sent["attempts"]
    assert sum(len(text.encode()) for text in sent.values()) < MOST_OF_A_CHANGE


async def test_a_look_at_which_only_time_has_passed_sends_little() -> None:
    """The clock, what it says of how long it runs, and the scale of the bars."""
    shown, now = await pieces(50, NOW + 202), await pieces(50, NOW + 204.5)
    sent = {name: text for name, piece in now.items() if (text := changes(name, shown[name], piece))}
    assert set(sent) == {"head", "bars", "scale", "attempts", "as-of"}
    assert sum(map(len, sent.values())) < 2000


def test_the_attempts_are_as_many_as_they_are_said_to_be() -> None:
    """Or this file would hold nothing."""
    assert sum(1 for fact in of_many_attempts() if _is_a_task(fact)) == 600
    assert sum(1 for fact in of_many_stages() if _is_a_task(fact)) == 100


def _is_a_task(fact: Fact) -> bool:
    return type(fact).__name__ == "TaskChanged"
