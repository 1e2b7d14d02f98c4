"""What the page reads: the line of the filter, escape sequences of a log, which log is meant, and rows of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import pytest

from schemas.failures import FAILURES
from schemas.tracking import JobPage, ListedJob, LogLines, TrackedJob
from service.console.ansi import Pen, Piece, pieces
from service.console.filters import Asked, anchored, criteria, in_words, read_filter, read_words, suggestions
from service.console.listing import Lists, Row, row_of
from service.console.logs import (
    LINES,
    Line,
    LogChoice,
    LogView,
    beginning,
    choices_of,
    chosen,
    page_of,
    search,
)
from service.console.words import clock, duration, seconds_of
from service.core.tracking.glance import Glance
from service.core.tracking.job import track
from service.core.tracking.listing import JobFilter
from service.tracking.logs import LogFound, LogPlace
from tests.support.builders import JOB, NOW, container, execution, receipt, record, requested, running, task

READ: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "nothing": ("", {}, "default", ""),
    "a word": ("  tiles ", {"text": "tiles"}, "default", "tiles"),
    "an id": ("id:42", {"text": "42"}, "default", "id:42"),
    "words in quotes": ('type:"two words"', {"job_type": "two words"}, "default", 'type:"two words"'),
    "a status in any letters": ("STATUS:Timed_Out", {"status": "TIMED_OUT"}, "default", "STATUS:Timed_Out"),
    "a user": ("user:ann", {"user": "ann"}, "default", "user:ann"),
    "a class": ("class:lost", {"failure_class": "lost"}, "default", "class:lost"),
    "a label": ("label:team=we=b", {"label": "team", "label_value": "we=b"}, "default", "label:team=we=b"),
    "a label of any value": ("label:team", {"label": "team"}, "default", "label:team"),
    "a label without a value": ("label:team=", {"label": "team", "label_value": ""}, "default", "label:team="),
    "a tenant": ("tenant:web", {}, "web", "tenant:web"),
    "seconds ago": ("since:90s", {"since": (NOW - 90) // 60 * 60}, "default", "since:90s"),
    "minutes ago": ("until:5m", {"until": (NOW - 300) // 60 * 60}, "default", "until:5m"),
    "hours ago": ("since:2h", {"since": (NOW - 7200) // 60 * 60}, "default", "since:2h"),
    "days ago": ("since:7d", {"since": (NOW - 604_800) // 60 * 60}, "default", "since:7d"),
    "weeks ago": ("since:1w", {"since": (NOW - 604_800) // 60 * 60}, "default", "since:1w"),
    "a moment": ("since:2023-11-14T22:13:20Z", {"since": NOW}, "default", "since:2023-11-14T22:13:20Z"),
    "a moment of a zone": (
        "since:2023-11-15T00:13:20+02:00",
        {"since": NOW},
        "default",
        "since:2023-11-15T00:13:20+02:00",
    ),
    "a moment without one": ("until:2023-11-14T22:13:20", {"until": NOW}, "default", "until:2023-11-14T22:13:20"),
}


@pytest.mark.parametrize(("line", "wanted", "tenant", "text"), READ.values(), ids=READ)
def test_what_a_line_asks_for(line: str, wanted: dict[str, Any], tenant: str, text: str) -> None:
    """Each name is one part of what is wanted."""
    assert read_filter(line, NOW) == Asked(tenant, JobFilter(**wanted), text)


SLIPS = {
    "status:odd": "status:odd is none of open, succeeded, failed, timed_out, aborted, rejected.",
    "label:=x": "label:=x names no label: label:team=web, or label:team.",
    "since:noon": "since:noon is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.",
    "until:1234567m": "until:1234567m is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.",
    "since:999999w": "since:999999w is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.",
    "since:0001-01-01T00:00+23:59": "since:0001-01-01T00:00+23:59 is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.",
    "until:9999-12-31T23:59-23:59": "until:9999-12-31T23:59-23:59 is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.",
    "a b": "b is a second part of an id, and a filter has one. What holds a space stands in quotes.",
    "a id:b": "id:b is a second id, and a filter has one. What holds a space stands in quotes.",
    "type:a Type:b": "type:b is a second type, and a filter has one. What holds a space stands in quotes.",
    "tenant:a tenant:b": "tenant:b is a second tenant, and a filter has one. What holds a space stands in quotes.",
    "tenant:/etc": "tenant:/etc cannot be asked for: status, type, class, since, until, user, label, tenant, id can.",
    "colour:red": "colour:red cannot be asked for: status, type, class, since, until, user, label, tenant, id can.",
}


@pytest.mark.parametrize(("line", "slip"), SLIPS.items())
def test_what_cannot_be_asked_for_is_said(line: str, slip: str) -> None:
    """And the rest is read all the same."""
    asked = read_filter(f"{line} user:ann", NOW)
    assert (asked.slips, asked.wanted.user) == ((slip,), "ann")


def test_a_line_that_is_too_long_is_refused() -> None:
    """One of 512 characters with its moments as they are now is none."""
    longest = f"since:2h until:1h user:{'x' * 489}"
    again = read_filter(anchored(read_filter(longest, NOW)), NOW)
    assert (len(longest), again.slips, again.wanted.user) == (512, (), "x" * 489)
    [slip] = read_filter(f"user:{'x' * 1020}", NOW).slips
    assert slip.startswith("The filter is longer than 1,024 characters")


def test_words_that_a_shell_has_parted_are_not_parted_again() -> None:
    """And are told as they would be typed on the page, where they mean the same."""
    asked = read_words(["user:Ann Smith", "status:FAILED", "since:2h", "class:lost", "label:team=we b"], NOW)
    line = 'status:failed user:"Ann Smith" label:"team=we b" class:lost since:2023-11-14T20:13:00Z'
    assert (asked.slips, asked.wanted.user, asked.wanted.text) == ((), "Ann Smith", None)
    assert in_words(criteria(asked.wanted)) == line
    assert read_filter(line, NOW).wanted == asked.wanted
    assert read_words(["ti les"], NOW).wanted.text == "ti les"
    assert len(read_words(["type:a", "type:b"], NOW).slips) == 1


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("status:failed tiles", "status:failed tiles"),
        ("since:2h Until:5m x", "since:2023-11-14T20:13:00Z until:2023-11-14T22:08:00Z x"),
        ('type:"two words"', 'type:"two words"'),
    ],
)
def test_a_line_with_its_moments_as_they_are_now(line: str, same: str) -> None:
    """So that the pages that follow are pages of this list."""
    assert anchored(read_filter(line, NOW)) == same


SUGGESTED: dict[str, tuple[str, ...]] = {
    "": ("status:", "type:", "class:", "since:", "until:", "user:", "label:", "tenant:", "id:"),
    "S": ("status:", "since:"),
    "user:ann t": ("user:ann type:", "user:ann tenant:"),
    "status:": tuple(f"status:{name}" for name in ("open", "succeeded", "failed", "timed_out", "aborted", "rejected")),
    "x Status:a": ("x Status:aborted",),
    "since:": ("since:5m", "since:1h", "since:2h", "since:1d", "since:7d"),
    "until:1": ("until:1h", "until:1d"),
    "type:t": ("type:thumbs", "type:tiles"),
    "class:image_m": ("class:image_missing",),
    "user:a": (),
    "zzz": (),
}


@pytest.mark.parametrize(("line", "lines"), SUGGESTED.items())
def test_what_a_line_may_become(line: str, lines: tuple[str, ...]) -> None:
    """By its last word; twenty at the most."""
    assert suggestions(line, ("thumbs", "tiles", "other")) == lines
    assert len(suggestions("class:", ())) == 20
    assert suggestions("type:", [f"t{number}" for number in range(30)])[-1] == "type:t19"


ESC = "\x1b["
COLOURS: dict[str, list[tuple[str, str]]] = {
    f"{ESC}30ma{ESC}37mb{ESC}39mc": [("a", "fg-0"), ("b", "fg-7"), ("c", "")],
    f"{ESC}40ma{ESC}47mb{ESC}49mc": [("a", "bg-0"), ("b", "bg-7"), ("c", "")],
    f"{ESC}90ma{ESC}97mb{ESC}100mc{ESC}107md": [
        ("a", "fg-8"),
        ("b", "fg-15"),
        ("c", "fg-15 bg-8"),
        ("d", "fg-15 bg-15"),
    ],
    f"{ESC}1;2;3;4;1ma{ESC}22mb{ESC}23mc{ESC}24md": [
        ("a", "bold dim italic underline"),
        ("b", "italic underline"),
        ("c", "underline"),
        ("d", ""),
    ],
    f"{ESC}31;42;1ma{ESC}mb": [("a", "fg-1 bg-2 bold"), ("b", "")],
    f"{ESC}31;42;1ma{ESC}0mb": [("a", "fg-1 bg-2 bold"), ("b", "")],
    f"{ESC}38;5;15ma{ESC}38;5;16mb{ESC}48;5;3mc": [("a", "fg-15"), ("b", ""), ("c", "bg-3")],
    f"{ESC}38:5:1ma": [("a", "fg-1")],
    f"{ESC}38;2;1;2;3;4ma": [("a", "underline")],
    f"{ESC}38;5ma{ESC}38mb": [("a", ""), ("b", "")],
    f"{ESC}29;50;89;98;99;108ma": [("a", "")],
    f"{ESC}5ma{ESC}1000mb": [("a", ""), ("b", "")],
    "plain": [("plain", "")],
    "": [],
    f"{ESC}1m": [],
    "over\rwritten": [("written", "")],
    "kept\r\r": [("kept", "")],
    "a\x1bPq\x1b\\b\x1b7c\x1bDd": [("a", ""), ("b\u241b7c", ""), ("d", "")],
}


@pytest.mark.parametrize(("line", "shown"), COLOURS.items(), ids=[repr(line) for line in COLOURS])
def test_how_a_line_is_written(line: str, shown: list[tuple[str, str]]) -> None:
    """Sixteen colours, before and behind, and four weights."""
    assert [(piece.text, piece.classes) for piece in pieces(line, Pen())] == shown


@pytest.mark.parametrize(("length", "more"), [(4000, None), (4001, "1"), (5500, "1,500")])
def test_a_line_is_shown_to_its_four_thousandth_character(length: int, more: str | None) -> None:
    """And says how many there are more."""
    cut = (Piece(f" \u2026 {more} more characters in the raw log", "dim"),) if more else ()
    assert pieces("x" * length, Pen()) == (Piece("x" * min(length, 4000)), *cut)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0 ms"),
        (0.0, "0 ms"),
        (0.9994, "999 ms"),
        (1.0, "1.0 s"),
        (9.94, "9.9 s"),
        (10.0, "10 s"),
        (59.9, "59 s"),
        (60.0, "1 m"),
        (61.0, "1 m 1 s"),
        (3600.0, "1 h"),
        (3661.0, "1 h 1 m"),
        (86_400.0, "1 d"),
        (90_061.0, "1 d 1 h"),
    ],
)
def test_a_duration_by_its_two_largest_units(seconds: float, words: str) -> None:
    """To the edge of each."""
    assert duration(seconds) == words


def test_moments_are_shown_in_utc() -> None:
    """What is not known is a dash."""
    assert (clock("2026-11-24T19:40:12.345Z"), clock(None), clock("")) == ("2026-11-24 19:40:12", "\u2013", "\u2013")
    assert (seconds_of("2023-11-14T22:13:20Z"), seconds_of(None)) == (NOW, None)


def tracked() -> TrackedJob:
    """A job of two stages, the first of them redriven, with a sidecar."""
    pair = (container(), container("proxy"))
    facts = (
        task(containers=(container(exit_code=1), container("proxy"))),
        receipt(lines=700),
        running("t9", redrive=1, attempt=2, containers=pair),
        running("t2", stage=2, redrive=1, containers=(container("proxy"),)),
    )
    job = track(record(requested(stages=2), execution("RUNNING", redrive_count=1), *facts))
    assert job is not None
    return job


FIRST = LogChoice(LogPlace(1, 1, "main", 0), "1.1 main", 700, archived=True)
SECOND = LogChoice(LogPlace(1, 2, "main", 1), "1.2 main \u00b7 redrive 1", None, archived=False)
LAST = LogChoice(LogPlace(2, 1, "proxy", 1), "2.1 proxy \u00b7 redrive 1", None, archived=False)


def test_which_logs_there_are() -> None:
    """Of each attempt each container's, oldest first."""
    assert choices_of(tracked()) == (
        FIRST,
        LogChoice(LogPlace(1, 1, "proxy", 0), "1.1 proxy", None, archived=False),
        SECOND,
        LogChoice(LogPlace(1, 2, "proxy", 1), "1.2 proxy \u00b7 redrive 1", None, archived=False),
        LAST,
    )


@pytest.mark.parametrize(
    ("place", "choice"),
    [
        (None, SECOND),
        (LogPlace(1, 1, "main", 0), FIRST),
        (LogPlace(1, 1, "main"), FIRST),
        (LogPlace(2, 1, ""), LAST),
        (LogPlace(2, 1, "", 0), None),
        (LogPlace(2, 1, "main", 1), None),
        (LogPlace(1, 3, ""), None),
        (LogPlace(2, 2, ""), None),
    ],
)
def test_which_log_is_shown(place: LogPlace | None, choice: LogChoice | None) -> None:
    """The one that is asked for, as far as that says; else the last of the job's own containers."""
    job = tracked()
    assert chosen(choices_of(job), job, place) == choice


def test_a_log_is_shown_so_that_its_end_is_seen() -> None:
    """Two hundred and fifty lines of it, unless a line is asked for."""
    assert LINES == 250
    assert [beginning(FIRST, None), beginning(SECOND, None), beginning(FIRST, 7)] == [451, 1, 7]


@dataclass
class Log:
    """A tracker that has one log, or answers one by one."""

    answers: list[LogLines]
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def log(self, *asked: Any) -> LogLines:
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def lines(*told: str, first: int = 1, status: str = "running", **fields: Any) -> LogLines:
    """Lines of a log."""
    place = {"job_id": JOB, "stage": 1, "attempt": 1, "redrive": 0, "container": "main"}
    given = {"first_line": first, "lines": told, "more": False, "complete": False, "status": status}
    return LogLines.model_validate({**place, **given, **fields})


NOTES: dict[tuple[str, str | None], str] = {
    ("running", None): "It is being written.",
    ("running", "nothing was written yet"): "It is being written: nothing was written yet.",
    ("archiving", None): "The container has ended, and its log is being archived.",
    ("complete", None): "",
    ("complete", "it was cut"): "it was cut.",
    ("possibly_lossy", "its mode is non-blocking"): "It may lack lines: its mode is non-blocking.",
    ("absent", "it wrote nothing"): "There is none: it wrote nothing.",
}


@pytest.mark.parametrize(("of", "note"), NOTES.items())
async def test_what_is_said_beside_a_log(of: tuple[str, str | None], note: str) -> None:
    """How it is, and why."""
    log = Log([lines("a", "b", first=3, status=of[0], why=of[1], more=True, complete=True)])
    view = await page_of(cast("Any", log), "web", JOB, FIRST, 3)
    shown = (Line(3, (Piece("a"),)), Line(4, (Piece("b"),)))
    assert view == LogView(FIRST, shown, 3, more=True, complete=True, note=note)
    assert (view.following, view.is_page) == (5, True)
    assert log.asked == [("web", JOB, FIRST.place, 3, 250)]
    assert (await page_of(cast("Any", Log([lines(first=9)])), "web", JOB, FIRST, 9)).following == 9


async def test_a_colour_goes_on_over_the_lines_of_a_page() -> None:
    """As in a terminal."""
    view = await page_of(cast("Any", Log([lines(f"{ESC}31ma", "b")])), "web", JOB, FIRST, 1)
    assert [line.pieces[0].classes for line in view.lines] == ["fg-1", "fg-1"]


@dataclass
class Searched:
    """A tracker that finds these lines in a log, and looks on from there."""

    found: LogFound
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def log_search(self, *asked: Any) -> LogFound:
        self.asked.append(asked)
        return self.found


FOUND: dict[str, tuple[LogFound, int, str]] = {
    "none": (LogFound((), None, complete=True), 1, "0 lines hold it."),
    "one": (LogFound(((2, f"GR{ESC}1mÖSSE"),), None, complete=True), 1, "1 line holds it."),
    "two, and more to look through": (
        LogFound(((1, "Größe"), (3, "größe")), 4000, complete=False),
        1,
        "2 lines hold it to line 3,999.",
    ),
    "from a line on": (LogFound((), None, complete=True), 4000, "0 lines hold it, from line 4,000."),
}


@pytest.mark.parametrize(("found", "first", "note"), FOUND.values(), ids=FOUND)
async def test_the_lines_that_hold_a_text(found: LogFound, first: int, note: str) -> None:
    """Whichever way it is written, and in which colour, as far as is looked through."""
    tracker = Searched(found)
    view = await search(cast("Any", tracker), "web", JOB, FIRST, "grösse", first)
    assert ([line.number for line in view.lines], view.note) == ([number for number, _ in found.lines], note)
    assert (view.first, view.more, view.complete, view.look_on) == (first, False, found.complete, found.following)
    [(tenant, job_id, place, wanted, asked_first, _)] = tracker.asked
    assert (tenant, job_id, place, asked_first) == ("web", JOB, FIRST.place, first)
    assert wanted.is_in(f"x GR{ESC}1mÖSSE")


def listed(**fields: Any) -> ListedJob:
    """A job in a list, requested now."""
    usual = {"id": JOB, "job_id": JOB, "tenant": "web", "status": "OPEN", "labels": {}}
    nothing = dict.fromkeys(("job_type", "user", "ended_at", "duration_seconds", "failure_class"))
    return ListedJob.model_validate({**usual, **nothing, "submitted_at": "2023-11-14T22:13:20.000Z", **fields})


ROW = Row(JOB, "web", "OPEN", None, None, "10 s", "2023-11-14T22:13:20.000Z", "", "", None, "")
GLANCE = Glance("WAITING", attempts=2, stages=3, why="It waits.")
ROWS: dict[str, tuple[dict[str, Any], Glance | None, dict[str, Any]]] = {
    "an open job": ({}, None, {}),
    "one that was looked at": (
        {"job_type": "t", "user": "u"},
        GLANCE,
        {"job_type": "t", "user": "u", "status": "WAITING", "stages": "3", "attempts": 2, "why": "It waits."},
    ),
    "one that succeeded": (
        {"status": "SUCCEEDED", "duration_seconds": 62.0},
        GLANCE,
        {"status": "SUCCEEDED", "took": "1 m 2 s", "stages": "3", "attempts": 2},
    ),
    "one that failed": (
        {"status": "FAILED", "failure_class": "image_missing"},
        None,
        {"status": "FAILED", "why": f"image missing: {FAILURES['image_missing']}"},
    ),
    "one that failed by a class of a later version": (
        {"status": "FAILED", "failure_class": "of_tomorrow"},
        None,
        {"status": "FAILED", "why": f"of tomorrow: {FAILURES['unknown']}"},
    ),
    "a rejected request": ({"status": "REJECTED"}, None, {"status": "REJECTED", "why": "the request was not accepted"}),
}


@pytest.mark.parametrize(("job", "glance", "row"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_list(job: dict[str, Any], glance: Glance | None, row: dict[str, Any]) -> None:
    """Of an open job how it is now, where that is known."""
    assert asdict(row_of(listed(**job), glance, NOW + 10)) == asdict(ROW) | row


@pytest.mark.parametrize(
    ("after", "age"), [(-5, "1 s"), (0.4, "1 s"), (9.9, "9 s"), (75, "1 m"), (7300, "2 h"), (200_000, "2 d")]
)
def test_an_age_by_its_largest_unit(after: float, age: str) -> None:
    """A list is looked over, not read."""
    assert row_of(listed(), None, NOW + after).age == age


@dataclass
class Jobs:
    """A tracker that has one page, and glances at what it is asked for."""

    page: tuple[ListedJob, ...]
    asked: list[Any] = field(default_factory=list)
    now: Callable[[], float] = lambda: NOW

    async def jobs(self, *asked: Any) -> JobPage:
        self.asked.append(asked)
        return JobPage(jobs=self.page, cursor=None, searched_back_to=None)

    async def glances(self, jobs: list[ListedJob]) -> dict[str, Glance]:
        self.asked.append([job.id for job in jobs])
        return {job.id: GLANCE for job in jobs if job.id != "gone"}


async def test_what_has_ended_is_glanced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is redriven, and then its end is another; open jobs are looked at each time."""
    over = listed(id="over", status="FAILED", ended_at="2023-11-14T22:13:21Z")
    jobs = Jobs((listed(id="open"), over, listed(id="gone", status="FAILED", ended_at="x")))
    lists = Lists(cast("Any", jobs))
    lists._plain.seconds = 0.0
    first = await lists.get("web", JobFilter(), None)
    assert (first.glances, first.at) == ({"open": GLANCE, "over": GLANCE}, NOW)
    second = await lists.get("web", JobFilter(), None)
    assert second.glances == first.glances
    jobs.page = (over.model_copy(update={"ended_at": "2023-11-14T22:19:00Z"}),)
    await lists.get("web", JobFilter(), "c")
    assert jobs.asked == [
        ("web", JobFilter(), 50, None),
        ["open", "over", "gone"],
        ("web", JobFilter(), 50, None),
        ["open", "gone"],
        ("web", JobFilter(), 50, "c"),
        ["over"],
    ]
    monkeypatch.setattr("service.console.listing._HELD_GLANCES", 1)
    jobs.page = (over,)
    await lists.get("web", JobFilter(), "d")
    assert len(lists._ended) == 1


async def test_a_list_is_read_as_seldom_as_it_is_dear() -> None:
    """A plain one each two and a half seconds, one that is searched through each five."""
    jobs = Jobs(())
    lists = Lists(cast("Any", jobs))
    assert (lists._plain.seconds, lists._narrow.seconds) == (2.5, 5.0)
    for wanted in (JobFilter(), JobFilter(since=1.0), JobFilter(user="ann"), JobFilter(user="ann")):
        await lists.get("web", wanted, None)
    assert (len(lists._plain._held), len(lists._narrow._held)) == (2, 1)
    assert len([asked for asked in jobs.asked if isinstance(asked, tuple)]) == 3
