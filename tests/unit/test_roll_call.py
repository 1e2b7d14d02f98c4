"""The roll call: whose turn it is, what a list is held against, and what is left to the sweeper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from schemas.events import TaskDetail
from service.aws.errors import AwsError
from service.aws.open_jobs import SHARDS
from service.aws.pace import Pace
from service.aws.turns import Turn
from service.core.policy.owed import Patience
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.metrics import SWEEP_FAILURES, SWEEP_FOUND, Metrics
from tests.support.builders import NOW, execution, record, requested, running
from tests.support.waiting import eventually
from workers.roll_call import RollCall

DUE = NOW - 5


def key(job_id: str) -> RecordKey:
    """Of a job."""
    return RecordKey.of_job(job_id)


def silent(job_id: str, status: str = "RUNNING") -> Record:
    """A job of which nothing is owed but questions."""
    return record(requested(job_id=job_id), execution(status, job_id=job_id))


@dataclass
class Aws:
    """Step Functions' list, ECS, the table and its turns; a record that is a mistake cannot be read."""

    records: dict[str, Record]
    pages: tuple[Mapping[str, int], ...]
    free: bool = True
    kept: bool = True
    keeps: int = 0
    trouble: AwsError | None = None
    put: list[tuple[str, float]] = field(default_factory=list)
    asked_after: list[Collection[str]] = field(default_factory=list)

    async def take(self, what: str, every_seconds: float) -> Turn | None:
        return Turn(what, NOW - 40, None) if self.free else None

    async def keep(self, turn: Turn) -> Turn | None:
        self.keeps += 1
        return turn if self.kept else None

    async def due(self, shard: int, at: float, limit: int) -> dict[RecordKey, float]:
        return {key(name): DUE for name in self.records} if shard == 0 else {}

    async def running(self) -> AsyncIterator[Mapping[str, int]]:
        for page in self.pages:
            yield page
        if self.trouble is not None:
            raise self.trouble

    async def read_heads(self, keys: Collection[RecordKey]) -> dict[RecordKey, Record]:
        return {item: self.records[item.id] for item in keys}

    async def describe_many(self, arns: Collection[str]) -> list[TaskDetail]:
        self.asked_after.append(arns)
        return []

    async def put_off(self, job: Record, due_at: float) -> bool:
        self.put.append((job.job_id, due_at))
        return True


@dataclass
class Settling:
    """Time, and names of work."""

    patience: Patience = field(default_factory=Patience)

    def now(self) -> float:
        return NOW

    def new_work(self) -> str:
        return "me"


def roll_call(aws: Aws, metrics: Metrics | None = None) -> RollCall:
    """One that waits for nothing."""
    all_of_it: Any = aws
    return RollCall(
        executions=all_of_it,
        tasks=all_of_it,
        table=all_of_it,
        turns=all_of_it,
        settling=cast(Any, Settling()),
        every_seconds=0.01,
        stopping=asyncio.Event(),
        metrics=metrics or Metrics(),
        pace=Pace.even(100_000),
    )


async def test_what_the_list_names_is_put_off_as_it_was_due_and_nothing_else() -> None:
    """Neither what it does not name, nor what it names in another redrive, nor what the record knows to have ended."""
    aws = Aws(
        {name: silent(name) for name in ("a", "b", "unnamed", "redriven")} | {"ended": silent("ended", "FAILED")},
        ({"a": 0, "not-due": 0, "redriven": 1}, {"b": 0, "ended": 0}),
    )
    metrics = Metrics()
    assert await roll_call(aws, metrics).look() == 2
    assert aws.put == [("a", DUE), ("b", DUE)]
    assert metrics.drain(0)[SWEEP_FOUND] == 2


async def test_a_job_whose_task_ecs_does_not_know_is_left_to_the_sweeper() -> None:
    """It has more to ask then."""
    job = record(requested(), execution("RUNNING"), running())
    aws = Aws({job.job_id: job}, ({job.job_id: 0},))
    assert await roll_call(aws).look() == 0
    assert [len(arns) for arns in aws.asked_after] == [1]


async def test_a_record_that_cannot_be_read_holds_up_no_other() -> None:
    """As a newer worker's may be."""
    aws, metrics = Aws({"a": cast(Any, None), "b": silent("b")}, ({"a": 0, "b": 0},)), Metrics()
    aws.records["a"] = Record(key("a"), cast(Any, {"execution": "nonsense"}))
    assert await roll_call(aws, metrics).look() == 1
    assert metrics.drain(0)[SWEEP_FAILURES] == 1


@pytest.mark.parametrize(("free", "kept"), [(False, True), (True, False)])
async def test_shards_that_are_anothers_are_left_alone(free: bool, kept: bool) -> None:
    """From the beginning, or from the moment when another has taken one of them."""
    aws = Aws({"a": silent("a")}, ({"a": 0},), free=free, kept=kept)
    assert await roll_call(aws).look() == 0
    assert aws.put == []


async def test_turns_are_kept_while_the_list_names_nothing_that_is_due() -> None:
    """The most silent jobs are at its end, and it may be long."""
    aws = Aws({"a": silent("a")}, ({"young": 0}, {"other": 0}, {"a": 0}))
    assert await roll_call(aws).look() == 1
    assert aws.keeps == 3 * SHARDS


async def test_it_looks_when_it_is_wanted_and_a_failure_is_counted() -> None:
    """And it looks again when it is wanted again."""
    aws, metrics = Aws({"a": silent("a")}, ({"a": 0},), trouble=AwsError("busy", "ThrottlingException")), Metrics()
    calling = roll_call(aws, metrics)
    running = asyncio.create_task(calling.run())
    calling.wanted.set()
    await eventually(lambda: len(aws.put) == 1 and not calling.wanted.is_set())
    calling.wanted.set()
    await eventually(lambda: len(aws.put) == 2 and not calling.wanted.is_set())
    calling.stopping.set()
    await running
    assert metrics.drain(0)[SWEEP_FAILURES] == 2


async def test_a_long_list_is_left_off_at_a_stop() -> None:
    """Whatever it waits for."""
    aws = Aws({"a": silent("a")}, ())
    calling = roll_call(aws)

    class Long:
        async def running(self) -> AsyncIterator[Mapping[str, int]]:
            calling.stopping.set()
            await asyncio.Event().wait()
            yield {}

    object.__setattr__(calling, "executions", Long())
    calling.wanted.set()
    async with asyncio.timeout(10):
        await calling.run()
