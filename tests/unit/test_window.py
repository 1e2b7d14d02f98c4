"""How many starts may be outstanding: what grows the window, what cuts it, and what it forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from service.aws.starts import Starts
from service.core.pace import Bucket
from service.core.record.facts import WaitsForCapacity
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.window import ANSWER_SECONDS, FIRST_SIZE, LEAST_SIZE, ONE_CUT_SECONDS, Window
from tests.support.builders import JOB, NOW, execution, record, requested, running
from tests.support.loop import VirtualLoop

USED, UNUSED = int(FIRST_SIZE), int(FIRST_SIZE) // 2 - 1
STEADY = Window(FIRST_SIZE, steady=True)
WINDOWS: dict[str, tuple[Window, float]] = {
    "taken on, and all of it was used": (Window().taken(10, USED), FIRST_SIZE + 20),
    "taken on, and hardly used": (Window().taken(10, UNUSED), FIRST_SIZE),
    "taken on, in the steady state": (STEADY.taken(int(FIRST_SIZE), USED), FIRST_SIZE + 4),
    "refused once: the queue is short": (Window().refused(1, 0), FIRST_SIZE),
    "refused again and again: the queue is too long": (Window().refused(3, 0), 0.8 * FIRST_SIZE),
    "twice in one moment": (Window().refused(3, 0).refused(3, ONE_CUT_SECONDS / 2), 0.8 * FIRST_SIZE),
    "in two moments": (Window().refused(3, 0).refused(9, ONE_CUT_SECONDS), 0.64 * FIRST_SIZE),
    "never less than the least": (Window(LEAST_SIZE, steady=True).refused(9, 0), LEAST_SIZE),
}


@pytest.mark.parametrize(("window", "size"), WINDOWS.values(), ids=WINDOWS)
def test_the_size(window: Window, size: float) -> None:
    """As a network's congestion window, with refusals for lost segments."""
    assert window.size == pytest.approx(size)


def test_the_first_refusal_ends_the_bold_growth() -> None:
    """From then on it is known that there is a limit."""
    assert Window().refused(1, 0).steady
    assert not Window().taken(10, USED).steady


# What a worker holds outstanding.


def played(story: Coroutine[Any, Any, None]) -> None:
    """On virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(story)
    finally:
        asyncio.set_event_loop(None)
        loop.bury()


def waiting(job_id: str = JOB, tries: int = 1, wait_seconds: int = 60, at: float = NOW) -> Record:
    """The record of a job that waits for capacity."""
    return record(requested(job_id=job_id), execution("RUNNING"), waits(job_id, tries, wait_seconds, at))


def waits(job_id: str = JOB, tries: int = 1, wait_seconds: int = 60, at: float = NOW) -> WaitsForCapacity:
    """That it does."""
    return WaitsForCapacity(
        job_id=job_id, at=at, wait_seconds=wait_seconds, stage=1, attempt=1, since=at, tries=tries,
        failure_class="capacity", why="RESOURCE:MEMORY",
    )  # fmt: skip


async def filled() -> Starts:
    """A worker that has just started as many as it may."""
    starts = Starts(Bucket.full(10_000, 10_000))
    for number in range(int(FIRST_SIZE)):
        assert starts.has_capacity()
        await starts.turn(f"job-{number}")
    assert not starts.has_capacity()
    return starts


def test_starts_of_which_nothing_is_heard_are_taken_on() -> None:
    """So lost messages hold up nothing, and an account that takes all is asked for more."""

    async def story() -> None:
        starts = await filled()
        await asyncio.sleep(ANSWER_SECONDS + 0.1)
        assert starts.has_capacity()

    played(story())


def test_a_task_that_was_heard_of_makes_room_at_once() -> None:
    """Whatever the answer's time."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(Record(RecordKey.of_job("job-7"), {"task#t1": running()}), NOW)
        assert starts.has_capacity()

    played(story())


def test_a_refusal_holds_its_place_until_its_next_try_is_over() -> None:
    """Also one of an execution that another worker started: who hears of it looks after it."""

    async def story() -> None:
        starts = await filled()
        for number in range(int(FIRST_SIZE) + 10):
            starts.heard_of(waiting(f"other-{number}", wait_seconds=60, at=NOW - 20), NOW)
        await asyncio.sleep(40)
        assert not starts.has_capacity()
        await asyncio.sleep(ANSWER_SECONDS + 0.1)
        assert starts.has_capacity()

    played(story())


def test_when_nobody_waits_any_more_it_begins_anew() -> None:
    """What was learnt of an hour ago is worth nothing."""

    async def story() -> None:
        starts = Starts(Bucket.full(100, 100))
        starts.heard_of(waiting(tries=9, wait_seconds=1), NOW)
        assert starts.window.size < FIRST_SIZE
        await asyncio.sleep(ANSWER_SECONDS + 2)
        assert starts.has_capacity()
        assert starts.window == Window()

    played(story())


# What the record says.


def test_a_job_waits_until_a_task_is_made_or_it_ends() -> None:
    """A task from before the wait does not end it."""
    assert waiting().waiting == waits()
    assert record(requested(), execution("RUNNING"), waits(), running(created_at=NOW - 5)).waiting == waits()
    assert record(requested(), execution("RUNNING"), waits(), running(created_at=NOW + 5)).waiting is None
    assert record(requested(), execution("FAILED"), waits()).waiting is None


def test_the_latest_word_of_a_wait_counts() -> None:
    """In whatever order they come."""
    early, late = waits(tries=1, at=NOW), waits(tries=2, at=NOW + 30)
    for facts in ((early, late), (late, early)):
        job = record(requested(), execution("RUNNING"), *facts)
        assert job.waiting is not None
        assert job.waiting.tries == 2
