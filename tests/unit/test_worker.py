"""A worker's life: opened, looked at, at work, and its last numbers told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import pytest

from service.aws.queue import Message
from service.core.policy.owed import Patience
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import POLLS, Metrics
from service.settings import Settings
from service.settle import Settling
from tests.support.builders import JOB, MACHINE, NOW, catalog, execution, record, requested, task_event
from tests.support.loop import VirtualLoop
from tests.support.waiting import eventually
from workers import worker as module
from workers.requests import HeldBack
from workers.single_flight import SingleFlight
from workers.worker import Worker, run_worker, work_until_stopped


@dataclass
class Life:
    """What happened, in its order."""

    happened: list[str] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    opens: Callable[[], Any] | None = None

    @asynccontextmanager
    async def open_runtime(self, settings: Settings) -> AsyncIterator[Any]:
        assert settings is SETTINGS
        self.happened.append("opened")
        if self.opens is not None:
            await self.opens()
        yield SimpleNamespace(table=self, metrics=self.metrics, catalog=catalog())
        self.happened.append("closed")

    async def check(self) -> None:
        self.happened.append("checked")

    async def work(self, worker: Worker) -> None:
        self.happened.append("worked")
        self.metrics.count(POLLS, 3)

    @asynccontextmanager
    async def health_page(self, _liveness: object, port: int) -> AsyncIterator[None]:
        assert port == 8080
        self.happened.append("asked for its health")
        yield


SETTINGS = cast(Settings, SimpleNamespace(stack="prod", health_port=8080))


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    """A worker over nothing."""
    made = Life()
    for name, part in {"open_runtime": made.open_runtime, "work_until_stopped": made.work}.items():
        monkeypatch.setattr(module, name, part)
    monkeypatch.setattr(module, "health_page", made.health_page)
    return made


async def test_a_worker_looks_at_its_table_before_it_works_and_tells_its_last_numbers(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong table would fail every message; numbers are for CloudWatch, one line each, on standard output."""
    await run_worker(SETTINGS)
    assert life.happened == ["opened", "checked", "asked for its health", "worked", "closed"]
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = json.loads(line)
    assert told["Polls"] == 3
    assert told["Stack"] == "prod"


async def test_a_worker_that_is_stopped_while_it_opens_does_no_work(life: Life) -> None:
    """S3 may be slow, and nothing is in hand yet."""

    async def stopped() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    life.opens = stopped
    await asyncio.wait_for(run_worker(SETTINGS), 10)
    assert life.happened == ["opened"]


async def test_a_worker_that_cannot_open_says_why(life: Life) -> None:
    """It is not kept waiting for a stop."""

    async def fails() -> None:
        raise OSError("no such table")

    life.opens = fails
    with pytest.raises(OSError, match="no such table"):
        await asyncio.wait_for(run_worker(SETTINGS), 10)


@dataclass
class Loops:
    """Two loops: one ends when it is told to, one never does; and logs that wait, which end with the last of them."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    drain_seconds: float = 0.01
    ended: list[str] = field(default_factory=list)
    no_more: asyncio.Event = field(default_factory=asyncio.Event)
    logs_left: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.logs_left.set()

    @property
    def runtime(self) -> Any:
        return SimpleNamespace(settings=self, due_logs=SimpleNamespace(close=self.no_more.set))

    @property
    def archiver(self) -> Any:
        return SimpleNamespace(run=self._archives)

    async def _archives(self) -> None:
        try:
            await self.no_more.wait()
            await self.logs_left.wait()
            self.ended.append("archived")
        except asyncio.CancelledError:
            self.ended.append("not archived")
            raise

    def loops(self) -> tuple[Any, ...]:
        return self._heeds(), self._never_ends()

    async def _heeds(self) -> None:
        await self.stopping.wait()
        self.ended.append("in time")

    async def _never_ends(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.append("cut off")
            raise


async def test_what_is_late_is_cut_off_at_the_end_of_the_drain() -> None:
    """SQS gives its message to another worker; what ends in time is let end, what has nothing left to do as well."""
    loops = Loops()
    working = asyncio.create_task(work_until_stopped(cast(Worker, loops)))
    await asyncio.sleep(0)
    assert loops.ended == []
    loops.stopping.set()
    await asyncio.wait_for(working, 10)
    assert loops.ended == ["in time", "cut off", "archived"]


def test_a_log_that_waits_is_archived_while_the_worker_drains() -> None:
    """Once nobody can leave one any more, and for as long as the drain lasts, the loops' part of it included."""
    for needs, ends in ((20.0, "archived"), (30.0, "not archived")):
        loop = VirtualLoop()
        loops = Loops(drain_seconds=25.0)
        loops.logs_left.clear()
        loops.loops = lambda loops=loops: (loops._heeds(),)  # type: ignore[method-assign,misc]
        working = loop.create_task(work_until_stopped(cast(Worker, loops)))
        loop.call_later(100.0, loops.stopping.set)
        loop.call_later(100.0 + needs, loops.logs_left.set)
        loop.run_until_complete(working)
        assert loops.ended == ["in time", ends]
        assert loop.time() == pytest.approx(100 + min(needs, 25), abs=0.01)
        loop.bury()


def test_a_worker_works_until_it_is_told_to_stop() -> None:
    """However much longer than a drain that is."""
    loop = VirtualLoop()

    async def a_day() -> list[str]:
        loops = Loops()
        working = asyncio.create_task(work_until_stopped(cast(Worker, loops)))
        await asyncio.sleep(86_400)
        ended = list(loops.ended)
        loops.stopping.set()
        await working
        return ended

    try:
        assert loop.run_until_complete(a_day()) == []
    finally:
        loop.bury()


async def test_a_loop_that_crashes_ends_the_whole() -> None:
    """ECS starts us anew."""

    class Crashes(Loops):
        async def _heeds(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(work_until_stopped(cast(Worker, Crashes())), 10)
    assert ended.group_contains(ZeroDivisionError)


async def test_a_wish_does_not_wait_for_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event's pass archives a long one: the cancel of that job is settled beside it, and not after it."""
    passes: list[str] = []
    log_is_read = asyncio.Event()
    job = record(requested(), execution("RUNNING"))

    async def settle(job: Record, me: str) -> Record:
        passes.append(me)
        await log_is_read.wait()
        return job

    handles: dict[str, Callable[[Message], Any]] = {}
    monkeypatch.setattr(Worker, "_consumer", lambda _self, name, _queue, handle, *_: handles.setdefault(name, handle))
    runtime = MagicMock()
    runtime.table.merge = runtime.table.read = AsyncMock(return_value=job)
    runtime.settling = Settling(runtime.table, MagicMock(), Patience(), lambda: NOW)
    monkeypatch.setattr(Settling, "settle", lambda _self, job, me: settle(job, me))
    runtime.settings.state_machine_arn = MACHINE
    for loop in Worker(runtime, MagicMock(), asyncio.Event()).loops():
        if asyncio.iscoroutine(loop):
            loop.close()
    event = asyncio.create_task(handles["events"](Message("m-1", json.dumps(task_event()), "r")))
    await eventually(lambda: len(passes) == 1)
    cancel = {"verb": "cancel", "job_id": JOB, "tenant": "web"}
    wish = asyncio.create_task(handles["control"](Message("m-2", json.dumps(cancel), "r", sent_at=NOW)))
    await eventually(lambda: len(passes) == 2)
    log_is_read.set()
    await asyncio.gather(event, wish)


@pytest.mark.parametrize(
    ("heard", "again_in", "happened"),
    [
        pytest.param(HeldBack(7), 7, ["heard m-1 for me"], id="held back"),
        pytest.param(None, None, ["heard m-1 for me"], id="nobody's"),
        pytest.param(record(requested()), None, ["heard m-1 for me", "noted", "settled for me"], id="a job's"),
    ],
)
async def test_a_message_is_heard_and_its_job_settled_under_one_name(
    heard: Record | HeldBack | None, again_in: int | None, happened: list[str]
) -> None:
    """What is held back comes again after so many seconds, and is nobody's until then."""
    told: list[str] = []

    async def hear(message: Message, me: str) -> Record | HeldBack | None:
        told.append(f"heard {message.message_id} for {me}")
        return heard

    async def settle(job: Record, me: str) -> Record:
        told.append(f"settled for {me}")
        return job

    async def read(_key: RecordKey) -> Record:
        raise AssertionError("nobody came meanwhile")

    handle = module._handle(hear, SingleFlight(settle, read), lambda: "me", lambda _: told.append("noted"))
    assert await handle(Message("m-1", "", "r")) == again_in
    assert told == happened
