"""What a receipt says of the lines that went by: how many, when, which bytes, and the last words."""

from __future__ import annotations

import hashlib

import pytest

from service.core.log_lanes import LogEvent
from service.core.redaction import Redaction
from service.logs.archive import _Tally

PLAIN = Redaction.of()


def tallied(*events: LogEvent) -> tuple[_Tally, bytes]:
    """The tally of these events, and what is archived of them."""
    tally = _Tally()
    return tally, b"".join(map(tally.count, events))


def words(*lines: str) -> tuple[str, ...]:
    """The last words of a log of these lines."""
    tally, _ = tallied(*(LogEvent(float(number), line) for number, line in enumerate(lines)))
    return tally.last_words(PLAIN)


def test_lines_are_counted_with_their_bytes_and_their_span() -> None:
    """An event may be several lines, and may come before one that was earlier; each ends in one line break."""
    tally, archived = tallied(LogEvent(5.0, "one\n\n"), LogEvent(3.0, "tw\no\n"), LogEvent(4.0, "größe \ud800"))
    assert archived == "one\ntw\no\ngröße ?\n".encode()
    assert (tally.lines, tally.size, tally.first_at, tally.last_at) == (4, len(archived), 3.0, 5.0)
    assert tally.digest.hexdigest() == hashlib.sha256(archived).hexdigest()
    assert list(tally.marks.lines) == [1]


def test_nothing_is_nothing() -> None:
    """No line, no time, no words."""
    tally = _Tally()
    assert (tally.lines, tally.size, tally.first_at, tally.last_at, tally.has_a_stream) == (0, 0, None, None, False)
    assert tally.last_words(PLAIN) == ()


def test_the_last_words_are_ten_lines() -> None:
    """The last, in their order."""
    assert words(*(f"line {number}" for number in range(10))) == tuple(f"line {number}" for number in range(10))
    assert words(*(f"line {number}" for number in range(13))) == tuple(f"line {number}" for number in range(3, 13))


@pytest.mark.parametrize("size", [199, 200, 201, 1999, 5000])
def test_a_line_of_the_last_words_has_two_hundred_characters(size: int) -> None:
    """What is cut says so by its end."""
    [word] = words("x" * size)
    if size <= 200:
        assert word == "x" * size
    else:
        assert len(word) <= 201 and word.startswith("x" * 195) and not word.endswith("x")


def test_a_secret_is_looked_for_before_a_line_is_cut() -> None:
    """In its first two thousand characters: it would not be known by its beginning."""
    [word] = words("x" * 180 + " password=hunter2hunter2hunter2hunter2")
    assert "hunter2" not in word
