"""Where the lines of a large log are: the marks that are kept of it, and what is read by them."""

from __future__ import annotations

import gzip
import json

import pytest

from service.core.log_index import MOST_MARKS, LogIndex, Marks, index_key

KIB = 1024


def marked(sizes: list[int], *, pause: float = 0.0) -> tuple[LogIndex, list[int], bytes]:
    """The index of lines of these sizes, each so many seconds after the one before, and where they truly begin."""
    marks, offset, begins = Marks(), 0, []
    for number, size in enumerate(sizes, 1):
        marks.note(number, offset, 1_700_000_000.0 + number * pause)
        begins.append(offset)
        offset += size
    body = marks.packed(len(sizes), offset)
    index = LogIndex.unpacked(body)
    assert index is not None
    return index, begins, body


def test_every_line_is_at_most_a_stride_behind_its_mark() -> None:
    """The mark before it says truly where its own line begins; the one behind a line is after it."""
    index, begins, _ = marked([100] * 50_000)
    for line in (1, 2, 655, 656, 657, 49_999, 50_000):
        mark = index.before(line)
        assert mark.line <= line and mark.offset == begins[mark.line - 1]
        assert begins[line - 1] - mark.offset <= 64 * KIB
        end = index.after(line)
        assert end is None or end.line > line
    assert index.after(50_000) is None and index.total == 50_000


def test_of_lines_that_come_slowly_more_are_marked() -> None:
    """Each that is a second later, as far as they are 4 KiB apart: so a page of them says when they were written."""
    index, _, _ = marked([5 * KIB] * 100, pause=1.0)
    assert index.times_of(50, 3) == {50: 1_700_000_050.0, 51: 1_700_000_051.0, 52: 1_700_000_052.0}
    swift, _, _ = marked([5 * KIB] * 100, pause=0.01)
    assert len(swift.lines) == 8


def test_an_index_is_bounded_whatever_its_log_has() -> None:
    """A tebibyte of lines of a mebibyte; each is found still."""
    marks = Marks()
    for number in range(1 << 20):
        marks.note(number + 1, number << 20, 1_700_000_000.0 + number)
    body = marks.packed(1 << 20, 1 << 40)
    index = LogIndex.unpacked(body)
    assert index is not None and len(index.lines) < MOST_MARKS and len(body) < 128 * KIB
    mark = index.before(777_777)
    assert mark.offset == (mark.line - 1) << 20 and 777_777 - mark.line <= 512


def test_lines_that_bear_earlier_times_are_kept_in_their_order() -> None:
    """CloudWatch may hand out a line late: its time is told as it is."""
    marks = Marks()
    for number, at in enumerate((5.0, 3.0, 4.5), 1):
        marks.note(number, number * 64 * KIB, at)
    index = LogIndex.unpacked(marks.packed(3, 1))
    assert index is not None and index.times_of(1, 3) == {1: 5.0, 2: 3.0, 3: 4.5}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        gzip.compress(b"{")[:-4],
        gzip.compress(b"[]"),
        gzip.compress(json.dumps({"version": 2, "lines": 1, "line": [1], "offset": [0], "at": [0]}).encode()),
        gzip.compress(json.dumps({"version": 1, "lines": 1, "line": [1, 1], "offset": [0], "at": [0]}).encode()),
        gzip.compress(json.dumps({"version": 1, "lines": 1, "line": [], "offset": [], "at": []}).encode()),
    ],
    ids=["empty", "no gzip", "cut off", "no object", "another version", "uneven columns", "no marks"],
)
def test_what_cannot_be_read_is_no_index(body: bytes) -> None:
    """The log is read without it."""
    assert LogIndex.unpacked(body) is None


def test_an_index_lies_beside_its_log() -> None:
    """Under a key of its own for each try to archive it."""
    assert index_key("jobs/a/logs/1-1/main-t.work.log") == "jobs/a/logs/1-1/main-t.work.lines"


def test_at_eight_thousand_marks_every_other_goes() -> None:
    """And from then on they are twice as far apart; the first stays."""
    marks = Marks(stride=1)
    for number in range(8191):
        marks.note(number + 1, number, 0.0)
    assert (len(marks.lines), marks.stride) == (8191, 1)
    marks.note(8192, 8191, 0.0)
    assert (len(marks.lines), marks.stride) == (4096, 2)
    assert list(marks.lines[:3]) == [1, 3, 5]
    assert list(marks.offsets[:3]) == [0, 2, 4]
