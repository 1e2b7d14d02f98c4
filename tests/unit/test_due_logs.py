"""Logs that wait until they are due, and hold nothing meanwhile: on virtual time, to the second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from service.core.policy.actions import ArchiveLog
from service.core.policy.log_work import LogWork, can_wait, work_of
from service.logs.due import DueLogs
from tests.support.builders import JOB, NOW, announced, container, execution, receipt, record, requested, running, task
from tests.support.loop import VirtualLoop

QUIET = 10.0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time."""
    loop = VirtualLoop()
    yield loop
    loop.bury()


def work(name: str, due_at: float) -> LogWork:
    """The logs of a task, due then."""
    return LogWork(record(), name, name, due_at, ())


async def taken(due: DueLogs, loop: VirtualLoop, into: list[tuple[str, float]]) -> None:
    """Take what is due until no more comes, noting what and when."""
    while (item := await due.next()) is not None:
        into.append((item.me, round(loop.time(), 3)))
        due.done()


def test_each_is_handed_out_when_it_is_due(loop: VirtualLoop) -> None:
    """Whatever the order in which they came, and one that is due sooner is not kept waiting by one that came first."""
    due, got = DueLogs(loop.time), list[tuple[str, float]]()

    async def story() -> None:
        taking = asyncio.create_task(taken(due, loop, got))
        await due.put(work("late", 30))
        await due.put(work("early", 10))
        await loop.pause(15)
        await due.put(work("due already", 5))
        await due.put(work("between", 20))
        due.close()
        await taking

    loop.run_until_complete(story())
    assert got == [("early", 10.0), ("due already", 15.0), ("between", 20.0), ("late", 30.0)]


def test_there_is_an_end_to_how_many_wait(loop: VirtualLoop) -> None:
    """A place is free when a log is archived, not when it is taken."""
    due, placed = DueLogs(loop.time, most_at_once=2), list[str]()

    async def puts(name: str) -> None:
        await due.put(work(name, 0))
        placed.append(name)

    async def story() -> None:
        for name in "abc":
            loop.create_task(puts(name))
        await loop.pause(1)
        assert placed == ["a", "b"]
        await due.next()
        await loop.pause(1)
        assert placed == ["a", "b"]
        due.done()
        await loop.pause(1)
        assert placed == ["a", "b", "c"]

    loop.run_until_complete(story())


def test_a_log_is_due_a_quiet_time_after_its_stop() -> None:
    """All that is left of one task together; what never ran is due at once."""
    both = task(containers=(container(), container("agent")))
    job = record(requested(), execution("STARTED"), both)
    assert both.stopped_at is not None
    found = work_of(job, "t1", "me", QUIET, NOW)
    assert (found.due_at, found.me, found.task_id) == (both.stopped_at + QUIET, "me", "t1")
    assert found.actions == (ArchiveLog(JOB, "t1", "main"), ArchiveLog(JOB, "t1", "agent"))
    rest = work_of(record(requested(), both, receipt("t1", "main")), "t1", "me", QUIET, NOW)
    assert rest.actions == (ArchiveLog(JOB, "t1", "agent"),)
    untimed = both.model_copy(update={"stopped_at": None})
    assert work_of(record(requested(), untimed), "t1", "me", QUIET, NOW).due_at == NOW + QUIET
    never = both.model_copy(update={"started_at": None, "containers": (container(exit_code=None),)})
    assert work_of(record(requested(), never), "t1", "me", QUIET, NOW).due_at == NOW


def test_a_job_that_the_sweeper_leaves_alone_keeps_its_message() -> None:
    """Until its outcome is announced, the record alone is enough for its log to be found owed."""
    assert can_wait(record(requested(), running()))
    assert can_wait(record(requested(), execution()))
    assert not can_wait(record(requested(), execution(), announced()))
