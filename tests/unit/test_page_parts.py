"""The page's own parts: texts of others made harmless, the filter's line, the drawing, the vendored files."""

from __future__ import annotations

import hashlib

import pytest

from service.console.ansi import Pen, pieces
from service.console.assets import assets
from service.console.drawing import graph_of
from service.console.filters import anchored, read_filter, suggestions
from service.console.rendering import environment, web_address
from service.console.streams import message
from service.console.words import duration, plain
from service.core.tracking.job import track
from tests.support.builders import NOW, attempt, execution, record, requested, running, task

VENDORED = {
    "htmx-2.0.11.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "htmx-ext-sse-2.2.4.min.js": "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
}


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_is_the_one_that_was_looked_at(name: str) -> None:
    """As npm has htmx.org and htmx-ext-sse; a new version comes with a new hash here."""
    assert hashlib.sha256(assets()[name].body).hexdigest() == VENDORED[name]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\u241b[2J"),
        ("a\x7fb", "a\u2421b"),
        ("invoice\u202egpj.exe", "invoice\ufffdgpj.exe"),
        ("two\nlines\there", "two\nlines\there"),
    ],
)
def test_what_steers_a_terminal_is_shown_and_does_nothing(text: str, shown: str) -> None:
    """Also in what is copied from the page."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m plain", [("red", "fg-1"), (" plain", "")]),
        ("\x1b[1;92mok\x1b[22m still", [("ok", "fg-10 bold"), (" still", "fg-10")]),
        ("\x1b[38;5;4mblue\x1b[38;2;1;2;3mother", [("blue", "fg-4"), ("other", "")]),
        ("\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07", [("link", "")]),
        ("\x1b]0;title\x1b\\\x1b[2Jtext", [("text", "")]),
        ("10 %\r50 %\r100 %\r", [("100 %", "")]),
        ("\x1b[999999999999m x", [(" x", "")]),
    ],
)
def test_colours_become_classes_and_other_escapes_nothing(line: str, shown: list[tuple[str, str]]) -> None:
    """No sequence reaches the page."""
    assert [(piece.text, piece.classes) for piece in pieces(line, Pen())] == shown


def test_a_colour_goes_on_in_the_next_line() -> None:
    """As a terminal has it."""
    pen = Pen()
    pieces("\x1b[33mbegun", pen)
    assert [piece.classes for piece in pieces("goes on", pen)] == ["fg-3"]


def test_an_endless_line_is_cut_and_says_so() -> None:
    """A page holds no megabyte in one line."""
    *_, last = pieces("x" * 5000, Pen())
    assert last.text == " \u2026 1,000 more characters in the raw log"


def test_a_filter_is_read() -> None:
    """By names and values; a word alone is a part of the id."""
    asked = read_filter('status:failed type:"two words" since:2h label:a=b tenant:web tiles', NOW)
    wanted = asked.wanted
    assert (wanted.status, wanted.job_type, wanted.text, asked.tenant) == ("FAILED", "two words", "tiles", "web")
    assert (wanted.label, wanted.label_value) == ("a", "b")
    assert wanted.since == (NOW - 7200) // 60 * 60
    assert asked.slips == ()


@pytest.mark.parametrize("line", ["status:odd", "since:yesterday", "colour:red", "tenant:/etc", "label:=x"])
def test_what_a_filter_may_not_say_is_named(line: str) -> None:
    """With what it may."""
    assert [slip.startswith(line) for slip in read_filter(line, NOW).slips] == [True]


def test_the_pages_of_a_list_have_one_beginning() -> None:
    """A cursor is of one list: `2h` ago is another moment with each minute."""
    asked = read_filter("status:failed since:2h", NOW)
    again = read_filter(anchored(asked), NOW + 600)
    assert again.wanted == asked.wanted


def test_the_last_word_of_a_filter_is_completed() -> None:
    """By names, then by values."""
    assert suggestions("status:failed ty", ()) == ("status:failed type:",)
    assert suggestions("type:thumbs status:f", ()) == ("type:thumbs status:failed",)


def test_the_drawing_has_a_column_for_a_stage_and_a_row_for_an_attempt() -> None:
    """Coloured by how each is."""
    facts = (
        requested(stages=2),
        execution("RUNNING", attempts=(attempt(passed=False),)),
        task(exit_code=1),
        running("t2", attempt=2),
    )
    job = track(record(*facts))
    assert job is not None
    graph = graph_of(job)
    assert graph is not None
    first = [node for node in graph.nodes if node.stage == 1]
    assert [node.status for node in first] == ["FAILED", "RUNNING"]
    assert len({node.x for node in first}) == 1 and first[0].y < first[1].y
    assert [node.status for node in graph.nodes if node.stage == 2] == ["NOT_RUN"]


def test_only_addresses_of_the_web_are_linked_to() -> None:
    """Nothing that runs."""
    assert web_address("https://console.aws.amazon.com/x") == "https://console.aws.amazon.com/x"
    assert [web_address(url) for url in ("javascript:alert(1)", "data:text/html,x", "//x", None)] == [""] * 4


def test_no_template_can_turn_the_escaping_off() -> None:
    """The filter for it is not there, and what is put in is escaped."""
    made = environment()
    assert "safe" not in made.filters
    assert made.from_string("{{ x }}").render(x="<b\x1b>") == "&lt;b\u241b&gt;"


def test_a_message_of_a_stream_holds_no_other() -> None:
    """A blank line in what is sent would end it, and begin one of somebody else's."""
    assert (
        message("piece", "a\n\nevent: settled\r\nb")
        == b"event: piece\ndata: a\ndata: \ndata: event: settled\ndata: b\n\n"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "\u2013"), (0.0204, "20 ms"), (4.25, "4.2 s"), (192, "3 m 12 s"), (187_200, "2 d 4 h")],
)
def test_a_duration_is_short(seconds: float | None, words: str) -> None:
    """Its two largest units."""
    assert duration(seconds) == words
