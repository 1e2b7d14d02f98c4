"""Which way a log is read, with which others, and when what was read is all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.core.log_lanes import (
    FEW,
    MOST_OF_A_SMALL_LOG,
    Accepted,
    Again,
    Apart,
    Due,
    Gathered,
    LogEvent,
    Reading,
    StoppedLog,
    Unsure,
    Whole,
    in_halves,
    in_order,
    is_checked,
    next_batch,
    without,
)

QUIET = 10.0
STOPPED = 1000.0
LOG = StoppedLog("group", "stream", STOPPED)


def line(number: int, taken_in_at: float | None = STOPPED - 1, message: str = "", at: float = 990.0) -> LogEvent:
    """A line by its number."""
    return LogEvent(at + number / 1000, message or f"line {number}", taken_in_at, f"{number:056d}")


def gathered(*events: LogEvent, stream: str = "stream") -> Gathered:
    """What a call has shown of a stream."""
    found = Gathered()
    for event in events:
        found.add(stream, event)
    return found


def test_the_group_that_is_due_for_longest_is_next_with_all_that_is_due_of_it() -> None:
    """Oldest first; what is not due waits, and so does the other group."""
    due = [Due("a", "1", 5), Due("b", "1", 3), Due("a", "2", 1), Due("b", "2", 4), Due("a", "3", 11)]
    assert next_batch(due, now=10) == (Due("a", "2", 1), Due("a", "1", 5))
    assert next_batch(due, now=11) == (Due("a", "2", 1), Due("a", "1", 5), Due("a", "3", 11))
    assert next_batch(due[1:2], now=3) == (Due("b", "1", 3),)
    assert next_batch(due, now=0.5) == ()
    assert next_batch([], now=10) == ()


def test_a_call_takes_a_hundred_streams_each_once() -> None:
    """Of one that two wait for, the one who waits for longer."""
    many = [Due("a", str(number), number) for number in range(105)]
    assert next_batch(many, now=1000) == tuple(many[:100])  # As one FilterLogEvents takes.
    assert next_batch([Due("a", "1", 5), Due("a", "1", 4)], now=10) == (Due("a", "1", 4),)


def test_what_fails_together_is_asked_for_by_halves_until_it_is_few() -> None:
    """Then the other way costs less."""
    streams = [str(number) for number in range(FEW + 1)]
    assert in_halves(streams, "why") == Apart(parts=(("0", "1"), ("2", "3", "4")))
    assert in_halves(streams[:FEW], "why") == Apart(unsure=("0", "1", "2", "3"), why="why")


def test_what_is_large_goes_the_other_way_and_the_rest_is_asked_for_again() -> None:
    """Unless nothing is left."""
    assert without(["a", "b", "c"], ["b"]) == Apart((("a", "c"),), ("b",), "it is large")
    assert without(["b"], ["b"]) == Apart((), ("b",), "it is large")


def test_a_log_is_whole_a_quiet_time_after_its_stop_and_after_its_newest_line() -> None:
    """By when its first page was asked for."""
    early, late = line(1, STOPPED - 100), line(2, STOPPED + 4)
    whole = Whole((early,), early.weight, STOPPED + QUIET)
    assert gathered(early).verdict(LOG, STOPPED + QUIET, QUIET) == whole
    assert gathered(early).verdict(LOG, STOPPED + QUIET - 0.001, QUIET) == Again(STOPPED + QUIET)
    assert gathered(early, late).verdict(LOG, STOPPED + QUIET + 3.999, QUIET) == Again(STOPPED + QUIET + 4)
    both = Whole((early, late), early.weight + late.weight, STOPPED + QUIET + 4)
    assert gathered(early, late).verdict(LOG, STOPPED + QUIET + 4, QUIET) == both


DOUBTS = {
    "no line": (gathered(line(1), stream="other"), "no line"),
    "a line without a time": (gathered(line(1), line(2, None)), "a line without a time or an id"),
    "a line without an id": (gathered(replace(line(1), id="")), "a line without a time or an id"),
    "a large log": (gathered(line(1, message="x" * MOST_OF_A_SMALL_LOG)), "it is large"),
}


@pytest.mark.parametrize(("found", "why"), DOUBTS.values(), ids=DOUBTS)
def test_what_leaves_a_doubt_goes_the_other_way(found: Gathered, why: str) -> None:
    """However long ago it was."""
    assert found.verdict(LOG, STOPPED + 9999, QUIET) == Unsure(why)


def test_an_event_that_comes_twice_is_one() -> None:
    """By its id, whatever page it came in; two lines of one text are two."""
    found = Gathered()
    assert found.add("stream", line(1)) == line(1).weight
    assert found.add("stream", line(1)) == 0
    assert found.add("stream", line(2, message="line 1")) > 0
    whole = found.verdict(LOG, STOPPED + QUIET, QUIET)
    assert isinstance(whole, Whole)
    assert [event.message for event in whole.events] == ["line 1", "line 1"]
    assert found.weight == whole.weight == sum(event.weight for event in whole.events)


def test_only_what_is_more_than_small_is_large() -> None:
    """By what it weighs in memory."""
    room = 262_144 - line(1, message="x").weight + 1
    assert gathered(line(1, message="x" * room)).large == frozenset()
    assert gathered(line(1, message="x" * (room + 1))).large == {"stream"}


def test_a_line_weighs_no_less_than_its_bytes() -> None:
    """Or what is held of it would be more than what was taken for it."""
    for text in ("x" * 1000, "ü" * 1000, "日" * 1000, "\N{PILE OF POO}" * 1000):
        assert line(1, message=text).weight > len((text + "\n").encode())


def test_lines_are_in_the_order_of_their_times_and_ids() -> None:
    """Timestamp, then ingestion, then id; of ids of other lengths the longer number is the greater."""
    first, second, third = line(1, at=5), line(1, STOPPED + 1, at=6), line(1, STOPPED + 2, at=6)
    assert in_order([third, second, first]) == (first, second, third)
    ids = [replace(first, id=number) for number in ("9", "10", "11")]
    assert in_order(reversed(ids)) == tuple(ids)


def test_three_in_a_hundred_are_checked_always_the_same() -> None:
    """By the names of their streams."""
    checked = sum(is_checked(f"job/main/{number:032x}") for number in range(10_000))
    assert 200 < checked < 400


def reading(*events: LogEvent) -> Reading:
    """What these lines come to."""
    found = Reading()
    for event in events:
        found.count(event)
    return found


def test_a_log_differs_where_lines_are_missing_or_in_another_order() -> None:
    """In what had come a while before it was asked for."""
    one, two = line(1), line(2)
    accepted = Accepted(LOG, STOPPED + QUIET, reading(one, two))
    assert accepted.difference(reading(one, two)) is None
    assert accepted.difference(reading(two, one)) == "its 2 lines are in another order, or others"
    assert accepted.difference(reading(one, line(3), two)) == "it has 2 lines of 3"
    assert accepted.knew_of(one)
    assert accepted.knew_of(line(3, STOPPED + QUIET - 1))
    assert not accepted.knew_of(line(3, STOPPED + QUIET - 0.999))
