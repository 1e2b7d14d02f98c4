"""How many starts may be outstanding: what grows the window, what cuts it, and what it forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from service.aws.pace import Pace
from service.aws.starts import Starts
from service.core.record.facts import TaskChanged, WaitsForCapacity
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.window import ANSWER_SECONDS, FIRST_SIZE, LEAST_SIZE, ONE_CUT_SECONDS, Window, hold_seconds
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


def test_the_first_and_the_least_window() -> None:
    """As many at once as Fargate's bucket of launches has; of many that wait twenty still ask for capacity."""
    assert [Window().has_room(outstanding) for outstanding in (0, 99, 100, 101)] == [True, True, False, False]
    assert Window(1.0).refused(3, 0).size == 20


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


def waiting(
    job_id: str = JOB,
    tries: int = 1,
    wait_seconds: int = 60,
    at: float = NOW,
    failure_class: str = "throttled",
    image: str = "echo",
) -> Record:
    """The record of a job that waits for capacity."""
    held = waits(job_id, tries, wait_seconds, at, failure_class, image)
    return record(requested(job_id=job_id), execution("RUNNING"), held)


def waits(
    job_id: str = JOB,
    tries: int = 1,
    wait_seconds: int = 60,
    at: float = NOW,
    failure_class: str = "throttled",
    image: str = "echo",
) -> WaitsForCapacity:
    """That it does."""
    return WaitsForCapacity(
        job_id=job_id, at=at, wait_seconds=wait_seconds, stage=1, attempt=1, image=image, since=at, tries=tries,
        failure_class=failure_class, why="as AWS says",
    )  # fmt: skip


async def filled() -> Starts:
    """A worker that has just started as many as it may."""
    starts = Starts(Pace.full(10_000, 10_000))
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


def test_starts_that_silence_answers_in_one_moment_grow_the_window() -> None:
    """A burst is started in a moment, and so answered in one: a worker is not held to a hundred each few seconds."""

    async def story() -> None:
        starts = await filled()
        await asyncio.sleep(ANSWER_SECONDS + 0.1)
        for number in range(3 * int(FIRST_SIZE)):
            assert starts.has_capacity()
            await starts.turn(f"later-{number}")
        assert not starts.has_capacity()

    played(story())


def test_a_task_that_was_heard_of_makes_room_at_once() -> None:
    """Whatever the answer's time."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(with_a_task("job-7"), NOW)
        assert starts.has_capacity()

    played(story())


def test_a_task_that_was_heard_of_grows_the_window_once() -> None:
    """An account that answers sooner than silence would is asked for more at once."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(with_a_task("job-7"), NOW)
        starts.heard_of(with_a_task("job-7"), NOW)
        starts.heard_of(with_a_task("of-another-worker"), NOW)
        assert starts.account.window.size == FIRST_SIZE + 2

    played(story())


def test_a_task_after_a_refusal_is_good_news_too() -> None:
    """In the steady state a whole window of them adds a few."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(waiting("job-7"), NOW)
        assert starts.account.window == Window(FIRST_SIZE, steady=True)
        starts.heard_of(with_a_task("job-7"), NOW)
        assert starts.account.window.size == pytest.approx(FIRST_SIZE + 4 / FIRST_SIZE)
        assert starts.has_capacity()

    played(story())


@pytest.mark.parametrize("failure_class", ["capacity", "network_interface", "image_rate_limited", "one to come"])
def test_a_refusal_that_concerns_one_image_makes_room_at_once(failure_class: str) -> None:
    """For the account that start is taken on: what is missing, no other job may need."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(waiting("job-7", tries=9, failure_class=failure_class), NOW)
        assert starts.has_capacity()
        assert starts.account.window.size > FIRST_SIZE
        assert not starts.account.window.steady

    played(story())


@pytest.mark.parametrize("failure_class", ["throttled", "quota_used_up"])
def test_a_refusal_that_meets_all_starts_keeps_its_place_and_cuts(failure_class: str) -> None:
    """Whoever comes next would be refused as well."""

    async def story() -> None:
        starts = await filled()
        starts.heard_of(waiting("job-7", tries=9, failure_class=failure_class), NOW)
        assert not starts.has_capacity()
        assert starts.account.window.size < FIRST_SIZE

    played(story())


@pytest.mark.parametrize("earlier", [(), (running(created_at=NOW - 5),)], ids=["no task", "a task of an earlier stage"])
@pytest.mark.parametrize("status", ["ABORTED", "FAILED"])
def test_a_job_that_ends_while_it_waits_makes_room_at_once(status: str, earlier: tuple[TaskChanged, ...]) -> None:
    """It asks no more; that is no sign of what ECS takes on, even where an earlier stage had a task."""

    async def story() -> None:
        starts = await filled()
        held = waits("job-7", wait_seconds=3600)
        starts.heard_of(record(requested(job_id="job-7"), execution("RUNNING"), *earlier, held), NOW)
        assert not starts.has_capacity()
        size = starts.account.window.size
        starts.heard_of(record(requested(job_id="job-7"), execution(status), *earlier, held), NOW)
        assert starts.has_capacity()
        assert starts.account.window.size == size

    played(story())


@pytest.mark.parametrize("hostless", [0, 30])
def test_jobs_that_wait_for_a_host_that_never_comes_hold_back_no_others(hostless: int) -> None:
    """Thirty of them would fill the least window for hours; the healthy jobs beside them start as if alone."""

    async def without_a_host(starts: Starts, name: str) -> None:
        loop = asyncio.get_running_loop()
        await starts.turn(name)
        for tries in range(1, 40):
            await asyncio.sleep(1.5)
            now = NOW + loop.time()
            starts.heard_of(waiting(name, tries, wait_seconds=60, at=now, failure_class="capacity"), now)
            await asyncio.sleep(60)

    async def start_healthy_ones(starts: Starts) -> None:
        loop, left = asyncio.get_running_loop(), 500
        while left:
            if starts.has_capacity():
                name = f"healthy-{left}"
                await starts.turn(name)
                loop.call_later(0.5, starts.heard_of, with_a_task(name), NOW)
                left -= 1
            else:
                await asyncio.sleep(0.1)

    async def story() -> None:
        starts = Starts(Pace.full(10_000, 10_000))
        stuck = [asyncio.create_task(without_a_host(starts, f"stuck-{number}")) for number in range(hostless)]
        await asyncio.sleep(1200)
        async with asyncio.timeout(3):
            await start_healthy_ones(starts)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)

    played(story())


def with_a_task(job_id: str) -> Record:
    """Of a job that ECS took on."""
    return Record(RecordKey.of_job(job_id), {"task#t1": running()})


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
        starts = Starts(Pace.full(100, 100))
        starts.heard_of(waiting(tries=9, wait_seconds=1), NOW)
        assert starts.account.window.size < FIRST_SIZE
        await asyncio.sleep(ANSWER_SECONDS + 2)
        assert starts.has_capacity()
        assert starts.account.window == Window()

    played(story())


# An image that lacks something of its own.

LEAST = int(LEAST_SIZE)


def without_capacity(starts: Starts, count: int, image: str = "gpu", wait_seconds: int = 60) -> None:
    """So many jobs of an image are heard to wait for a host."""
    for number in range(count):
        job = waiting(f"{image}-{number}", wait_seconds=wait_seconds, failure_class="capacity", image=image)
        starts.heard_of(job, NOW)


def unbounded() -> Starts:
    """Nobody has started anything yet."""
    return Starts(Pace.full(10_000, 10_000))


def test_an_image_without_capacity_holds_back_its_own_jobs_and_no_others() -> None:
    """Some of them go on asking, or nobody would notice that there is a host again."""

    async def story() -> None:
        starts = unbounded()
        without_capacity(starts, LEAST - 1)
        assert starts.may_start("one-more", "gpu")
        assert not starts.may_start("one-too-many", "gpu")
        assert all(starts.may_start(f"job-{number}", "echo") for number in range(1000))
        assert starts.has_capacity()

    played(story())


def test_an_image_of_which_nobody_waits_is_held_to_nothing() -> None:
    """Its starts are the account's affair: a window of its own would only slow it down."""

    async def story() -> None:
        starts = unbounded()
        assert all(starts.may_start(f"job-{number}", "gpu") for number in range(1000))

    played(story())


@pytest.mark.parametrize("news", ["a task", "aborted", "throttled"])
def test_a_job_that_lacks_it_no_more_makes_room_for_another_of_its_image(news: str) -> None:
    """It has a task, it is over, or now it waits for what all wait for."""

    async def story() -> None:
        starts = unbounded()
        without_capacity(starts, LEAST)
        assert not starts.may_start("one-more", "gpu")
        held = waits("gpu-7", at=NOW + 1, image="gpu")
        news_of = {
            "a task": with_a_task("gpu-7"),
            "aborted": record(requested(job_id="gpu-7"), execution("ABORTED"), held),
            "throttled": record(requested(job_id="gpu-7"), execution("RUNNING"), held),
        }
        starts.heard_of(news_of[news], NOW)
        assert starts.may_start("one-more", "gpu")

    played(story())


def test_a_task_of_an_image_lets_more_of_it_through() -> None:
    """There is a host again: as in the account's window, each that was taken on makes it a little larger."""

    async def story() -> None:
        starts = unbounded()
        without_capacity(starts, LEAST + 5)
        for number in range(LEAST):
            starts.heard_of(with_a_task(f"gpu-{number}"), NOW)
        let_through = [starts.may_start(f"job-{number}", "gpu") for number in range(2 * LEAST)]
        assert LEAST - 5 < let_through.count(True) < LEAST

    played(story())


def test_when_none_of_an_image_waits_any_more_what_was_learnt_is_over() -> None:
    """Also where their next refusals were heard of by other workers, or by nobody."""

    async def story() -> None:
        starts = unbounded()
        without_capacity(starts, LEAST, wait_seconds=60)
        assert not starts.may_start("one-more", "gpu")
        await asyncio.sleep(60 + ANSWER_SECONDS + 0.1)
        assert all(starts.may_start(f"job-{number}", "gpu") for number in range(1000))

    played(story())


def test_a_start_of_such_an_image_counts_until_its_refusal_would_be_heard_of() -> None:
    """Then it is taken on, as far as anybody knows."""

    async def story() -> None:
        starts = unbounded()
        without_capacity(starts, LEAST - 1)
        assert starts.may_start("one-more", "gpu")
        await asyncio.sleep(ANSWER_SECONDS + 0.1)
        assert starts.may_start("another", "gpu")

    played(story())


@pytest.mark.parametrize(
    ("receives", "shortest", "longest"), [(1, 8, 15), (2, 16, 30), (5, 121, 240), (7, 301, 600), (50, 301, 600)]
)
def test_how_long_a_request_is_handed_back(receives: int, shortest: int, longest: int) -> None:
    """For about as long as it has waited, up to ten minutes; half of it drawn, or all would come back together."""
    assert hold_seconds(receives, 0.0) == longest
    assert hold_seconds(receives, 0.9999) == shortest


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
