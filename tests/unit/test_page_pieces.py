"""What is sent of a page's pieces: nothing where nothing changed, an item where one did, else the whole piece."""

from __future__ import annotations

import pytest

from service.console.pieces import Piece, changes, known_of, shown_as


def of(*items: str, before: str = "<ul>") -> Piece:
    """A list of these items; `a:1` has the id a, and its text changes to `a:2`."""
    made = {item[0]: f'<li id="{item[0]}">{item}</li>' for item in items}
    return Piece(before, made, "</ul>")


WHOLE = '<div id="x" hx-swap-oob="innerHTML">'
GONE = '<div hx-swap-oob="delete:#{}"></div>'
CHANGES: dict[str, tuple[Piece | None, Piece, str]] = {
    "nothing": (of("a:1", "b:1"), of("a:1", "b:1"), ""),
    "one item": (of("a:1", "b:1"), of("a:1", "b:2"), '<li hx-swap-oob="true" id="b">b:2</li>'),
    "new ones at the end": (
        of("a:1"),
        of("a:1", "b:1", "c:1"),
        '<div hx-swap-oob="afterend:#a"><li id="b">b:1</li><li id="c">c:1</li></div>',
    ),
    "new ones here and there": (
        of("a:1", "c:1"),
        of("a:2", "b:1", "c:1", "d:1"),
        '<li hx-swap-oob="true" id="a">a:2</li><div hx-swap-oob="afterend:#a"><li id="b">b:1</li></div>'
        '<div hx-swap-oob="afterend:#c"><li id="d">d:1</li></div>',
    ),
    "some are gone": (of("a:1", "b:1", "c:1"), of("b:1"), f"{GONE.format('a')}{GONE.format('c')}"),
    "a new one is the first": (of("b:1"), of("a:1", "b:1"), f"{WHOLE}{of('a:1', 'b:1').html}</div>"),
    "another order": (of("a:1", "b:1"), of("b:1", "a:1"), f"{WHOLE}{of('b:1', 'a:1').html}</div>"),
    "another frame": (of("a:1"), of("a:1", before="<ol>"), f'{WHOLE}<ol><li id="a">a:1</li></ul></div>'),
    "never shown": (None, Piece("text"), f"{WHOLE}text</div>"),
    "a text": (Piece("text"), Piece("other"), f"{WHOLE}other</div>"),
    "the same text": (Piece("text"), Piece("text"), ""),
    "emptied": (of("a:1"), of(), f"{WHOLE}<ul></ul></div>"),
}  # fmt: skip


@pytest.mark.parametrize(("shown", "piece", "sent"), CHANGES.values(), ids=CHANGES)
def test_what_is_sent_of_a_piece(shown: Piece | None, piece: Piece, sent: str) -> None:
    """As elements that htmx swaps out of band."""
    assert changes("x", shown, piece) == sent


def test_rows_and_drawings_are_sent_in_what_a_parser_wants_around_them() -> None:
    """A row outside of a table is dropped, and a path outside of an svg is no drawing."""
    rows = [Piece("", {"a": f'<tr id="a"><td>{n}</td></tr>'}, "", "rows") for n in (1, 2)]
    assert changes("x", *rows) == '<table><tbody><tr hx-swap-oob="true" id="a"><td>2</td></tr></tbody></table>'
    one, two = '<path id="a" d="M0 0"/>', '<path id="b" d="M0 0"/>'
    drawn = [Piece("", items, "", "svg") for items in ({"a": one}, {"a": one, "b": two})]
    assert changes("x", *drawn) == f'<svg><g hx-swap-oob="afterend:#a">{two}</g></svg>'


def test_an_id_in_a_text_is_not_taken_for_the_item_s() -> None:
    """The element's own is its first attribute."""
    shown, piece = ({"a": f'<li id="a">{n}: &lt;b id="a"&gt; id="a"</li>'} for n in (1, 2))
    sent = changes("x", Piece("", shown), Piece("", piece))
    assert sent == '<li hx-swap-oob="true" id="a">2: &lt;b id="a"&gt; id="a"</li>'


def test_what_a_page_shows_is_not_sent_again() -> None:
    """It says so by a digest of each piece; one that is cut, or somebody else's, means less is known."""
    pieces = {"head": Piece("h"), "steps": of("a:1"), "facts": Piece("f")}
    shown = shown_as(pieces)
    later = {**pieces, "steps": of("a:2")}
    assert known_of(pieces, shown) == pieces
    assert set(known_of(later, shown)) == {"head", "facts"}
    assert set(known_of(pieces, shown[:8])) == {"head"}
    assert known_of(pieces, "") == known_of(pieces, "'\"<>" * 9) == {}
