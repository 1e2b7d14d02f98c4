"""What a listener is sent of a job and of a log, and when: on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest

from schemas.tracking import EventsSeen, LogLines
from service.api.streams import NextEvents, events_as_they_come, lines_as_they_come
from service.console.pieces import Piece
from service.console.streams import pieces_as_they_change
from service.core.record.record import Record
from service.core.tracking.job import track
from tests.support.builders import JOB, announced, attempt, execution, receipt, record, requested, task
from tests.support.loop import VirtualLoop

RETRY, ALIVE = "retry: 1000", ": still here"
SETTLED, END = "event: settled\ndata: {}", "event: end\ndata: {}"


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


def sent(loop: VirtualLoop, stream: Callable[[], AsyncIterator[bytes]], most: int = 100) -> list[tuple[int, str]]:
    """So many messages of a stream, their data left out, and the second in which each was sent."""

    async def listened() -> list[tuple[int, str]]:
        began, heard = loop.time(), []
        async for message in stream():
            assert message.endswith(b"\n\n")
            text = message.decode().removesuffix("\n\n")
            heard.append((round(loop.time() - began), text.partition('\ndata: {"')[0]))
            if len(heard) == most:
                break
        return heard

    return loop.run_until_complete(listened())


def seen(of: Record) -> EventsSeen:
    """A job, of which nothing is new."""
    job = track(of)
    assert job is not None
    return EventsSeen(job=job, events=())


RUNS = seen(record(requested(), execution("RUNNING")))
OVER = seen(record(requested(), execution(attempts=(attempt(),)), task(), receipt(), announced()))


def looks(*answers: tuple[EventsSeen, str]) -> NextEvents:
    """Answers one by one, the last again and again."""
    left = list(answers)

    async def look(_cursor: str | None) -> tuple[EventsSeen, str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return look


def test_a_quiet_job_gives_a_sign_of_life(loop: VirtualLoop) -> None:
    """Every fifteen seconds since anything was sent, or the connection is closed between."""
    look = looks(*[(RUNS, "a")] * 10, (RUNS, "b"))
    heard = sent(loop, lambda: events_as_they_come(look, None, None), most=5)
    assert heard == [(0, RETRY), (0, "event: job\nid: a"), (10, "event: job\nid: b"), (25, ALIVE), (40, ALIVE)]


def test_nothing_is_sent_of_what_was_seen(loop: VirtualLoop) -> None:
    """Whoever comes back says by the cursor what that is; once the job is settled there is no more."""
    look = looks((RUNS, "a"), (OVER, "b"))
    heard = sent(loop, lambda: events_as_they_come(look, "a", None))
    assert heard == [(0, RETRY), (1, "event: job\nid: b"), (1, SETTLED)]


@pytest.mark.parametrize(("seconds", "last"), [(0.0, 0), (0.9, 0), (2.5, 2)])
def test_a_stream_with_a_limit_ends_before_it(loop: VirtualLoop, seconds: float, last: int) -> None:
    """No look is begun that would come too late."""
    look = looks(*[(RUNS, str(number)) for number in range(9)])
    heard = sent(loop, lambda: events_as_they_come(look, None, seconds))
    assert heard == [(0, RETRY), *((second, f"event: job\nid: {second}") for second in range(last + 1))]


def test_a_page_s_stream_with_a_limit_ends_before_it(loop: VirtualLoop) -> None:
    """The browser asks again by itself, and is verified anew; without one it goes on."""
    looks_at: list[float] = []

    async def look() -> tuple[Mapping[str, Piece], bool]:
        looks_at.append(loop.time())
        return {"head": Piece(str(len(looks_at)))}, False

    heard = sent(loop, lambda: pieces_as_they_change(look, str, 6.0))
    assert [second for second, _ in heard] == [0, 0, 2, 5] and len(looks_at) == 3
    assert len(sent(loop, lambda: pieces_as_they_change(look, str), most=9)) == 9


def log(first: int, *lines: str, more: bool = False, complete: bool = False) -> LogLines:
    """Some lines of a log."""
    status = "complete" if complete else "running"
    given = {"stage": 1, "attempt": 1, "redrive": 0, "container": "main", "first_line": first, "lines": lines}
    return LogLines.model_validate({"job_id": JOB, **given, "more": more, "complete": complete, "status": status})


def test_a_log_is_sent_line_by_line_until_it_is_whole(loop: VirtualLoop) -> None:
    """What is there is sent at once, then a look a second; an id is the number of the last line."""
    answers = [log(2, "b", "c", more=True), log(4, "d"), log(5), log(5, "e"), log(6, complete=True)]
    asked: list[int] = []

    async def look(first: int) -> LogLines:
        asked.append(first)
        return answers.pop(0)

    heard = sent(loop, lambda: lines_as_they_come(look, 2, None))
    assert heard == [
        (0, RETRY),
        (0, "event: lines\nid: 3"),
        (0, "event: lines\nid: 4"),
        (2, "event: lines\nid: 5"),
        (3, END),
    ]
    assert asked == [2, 4, 5, 5, 6]


def test_a_log_that_spoke_is_not_quiet(loop: VirtualLoop) -> None:
    """The fifteen seconds begin with the last line."""
    answers = [*[log(1)] * 10, log(1, "a")]

    async def look(first: int) -> LogLines:
        return answers.pop(0) if answers else log(first)

    heard = sent(loop, lambda: lines_as_they_come(look, 1, 30.0))
    assert heard == [(0, RETRY), (10, "event: lines\nid: 1"), (25, ALIVE)]


def test_a_quiet_log_gives_a_sign_of_life_until_its_time_is_up(loop: VirtualLoop) -> None:
    """As a job does."""

    async def look(first: int) -> LogLines:
        return log(first)

    assert sent(loop, lambda: lines_as_they_come(look, 1, 40.0)) == [(0, RETRY), (15, ALIVE), (30, ALIVE)]
