"""The look for redrives at its interval: what a failure of it does, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.events import ExecutionDetail
from service.aws.errors import AwsError
from service.aws.executions import TooManyRedrivesError
from service.aws.turns import Turn
from service.core.record.facts import Fact
from service.metrics import SWEEP_FAILURES, Metrics
from tests.support.builders import MACHINE, execution_arn
from tests.support.waiting import eventually
from workers.redrives import Redrives

EVERY = 300.0
BEGAN = 2_000_000.0


@dataclass
class Turns:
    """Every look has its turn, and the last one began so long ago."""

    last_began_at: float | None = None
    done_at: list[float] = field(default_factory=list)

    async def take(self, what: str, every_seconds: float) -> Turn | None:
        assert (what, every_seconds) == ("redrives", EVERY)
        return Turn(what, BEGAN, self.last_began_at)

    async def done(self, turn: Turn) -> None:
        self.done_at.append(turn.began_at)


@dataclass
class Executions:
    """A list of redriven executions, and whether it ends in trouble."""

    redriven_jobs: tuple[str, ...] = ()
    trouble: Exception | None = None
    since: list[float] = field(default_factory=list)
    state_machine_arn: str = MACHINE

    async def redriven(self, since: float) -> AsyncIterator[ExecutionDetail]:
        self.since.append(since)
        for job_id in self.redriven_jobs:
            arn = job_id if job_id.startswith("arn:") else execution_arn(job_id)
            yield ExecutionDetail(executionArn=arn, status="RUNNING", redriveCount=1)
        if self.trouble is not None:
            raise self.trouble


@dataclass
class Table:
    """Learns facts; that of one job it cannot."""

    broken: str = ""
    learnt: list[str] = field(default_factory=list)

    async def merge(self, fact: Fact) -> None:
        if fact.record_key.id == self.broken:
            raise ValueError("a record that cannot be read")
        self.learnt.append(fact.record_key.id)


def redrives(executions: Executions, table: Table, turns: Turns, metrics: Metrics, every: float = EVERY) -> Redrives:
    """A look over these."""
    parts: dict[str, Any] = {"executions": executions, "table": table, "turns": turns}
    return Redrives(**parts, every_seconds=every, stopping=asyncio.Event(), metrics=metrics)


@pytest.mark.parametrize(("last", "since"), [(None, BEGAN - 14 * 86_400 - 600), (1_999_700.0, 1_999_100.0)])
async def test_how_far_a_look_goes_back(last: float | None, since: float) -> None:
    """To the last one that was whole, and some; the first, as far as a job can be redriven."""
    executions, turns = Executions(("a", "b")), Turns(last)
    table = Table()
    metrics = Metrics()
    assert await redrives(executions, table, turns, metrics).look() == 2
    assert metrics.drain(0)[SWEEP_FAILURES] == 0
    assert (executions.since, table.learnt, turns.done_at) == ([since], ["a", "b"], [BEGAN])


async def test_a_record_that_cannot_be_told_is_counted_and_the_look_is_whole() -> None:
    """It holds up no other."""
    table, turns, metrics = Table(broken="a"), Turns(), Metrics()
    assert await redrives(Executions(("a", "b")), table, turns, metrics).look() == 1
    assert (table.learnt, turns.done_at) == (["b"], [BEGAN])
    assert metrics.drain(0)[SWEEP_FAILURES] == 1


async def test_more_than_can_be_looked_through_is_as_whole_as_it_gets() -> None:
    """The next look begins where this one did; to look through as many again would find no more."""
    turns = Turns()
    assert await redrives(Executions(("a",), TooManyRedrivesError("20 pages")), Table(), turns, Metrics()).look() == 1
    assert turns.done_at == [BEGAN]


async def test_a_look_that_AWS_fails_is_counted_and_made_again() -> None:
    """At the next interval, until the worker stops, which waits for no interval."""
    executions, turns, metrics = Executions(trouble=AwsError("denied", "AccessDenied")), Turns(), Metrics()
    looking = redrives(executions, Table(), turns, metrics)
    running = asyncio.create_task(looking.run())
    await eventually(lambda: len(executions.since) == 1)
    looking.stopping.set()
    await asyncio.wait_for(running, 5)
    assert turns.done_at == []
    assert metrics.drain(0)[SWEEP_FAILURES] == 1


async def test_looks_go_on_after_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval is all that is between them."""
    executions, metrics = Executions(trouble=AwsError("denied", "AccessDenied")), Metrics()
    monkeypatch.setattr(Turns, "take", _always)
    looking = redrives(executions, Table(), Turns(), metrics, every=0)
    running = asyncio.create_task(looking.run())
    await eventually(lambda: len(executions.since) > 2)
    looking.stopping.set()
    await asyncio.wait_for(running, 5)


async def _always(_self: Turns, what: str, _every_seconds: float) -> Turn:
    return Turn(what, BEGAN, None)


async def test_without_a_turn_nobody_is_asked() -> None:
    """Another replica looks for all."""

    class NoTurns(Turns):
        async def take(self, what: str, every_seconds: float) -> Turn | None:
            return None

    executions, turns = Executions(("a",)), NoTurns()
    assert await redrives(executions, Table(), turns, Metrics()).look() == 0
    assert (executions.since, turns.done_at) == ([], [])


async def test_what_is_no_execution_of_ours_is_told_to_nobody() -> None:
    """It may be listed where the filter is left out."""
    table = Table()
    alien = execution_arn("a").replace(":jobferry:", ":another:")
    assert await redrives(Executions((alien, "b")), table, Turns(), Metrics()).look() == 1
    assert table.learnt == ["b"]
