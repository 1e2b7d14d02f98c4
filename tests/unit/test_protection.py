"""When the worker asks ECS to protect it from scale-in, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

import pytest
from aiohttp import ClientConnectionError

from tests.support.job_facts import Time
from tests.support.loop import VirtualLoop
from workers.liveness import Liveness
from workers.protection import LONGEST_MINUTES, PAUSE_SECONDS, Protection

TAKE: dict[str, Any] = {"ProtectionEnabled": True, "ExpiresInMinutes": LONGEST_MINUTES}
RELEASE: dict[str, Any] = {"ProtectionEnabled": False}


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


@dataclass
class Answer:
    """What the agent answers."""

    status: int

    @property
    def ok(self) -> bool:
        return self.status < 400

    async def text(self) -> str:
        return "no"

    async def __aenter__(self) -> Answer:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


@dataclass
class Agent:
    """ECS's agent, which refuses at some seconds; and the HTTP session that reaches it."""

    loop: VirtualLoop
    refuses_at: tuple[int, ...] = ()
    fails_at: tuple[int, ...] = ()
    asked: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def put(self, url: str, json: dict[str, Any]) -> Answer:
        assert url == "http://agent/task-protection/v1/state"
        second = round(self.loop.time())
        self.asked.append((second, json))
        if second in self.fails_at:
            raise ClientConnectionError
        return Answer(400 if second in self.refuses_at else 200)

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


@dataclass
class Day:
    """A worker's life: how many messages it takes (1) or lets go (-1) at which second, and when it stops."""

    loop: VirtualLoop
    agent: Agent

    async def _live(self, work: Mapping[int, int], stops: int) -> None:
        liveness, stopping = Liveness(lambda: 1000 + self.loop.time()), asyncio.Event()
        pieces: list[int] = []
        running = asyncio.create_task(Protection("http://agent", liveness, stopping).run())
        for second, change in work.items():
            await asyncio.sleep(second - 0.5 - self.loop.time())
            if change > 0:
                pieces.append(liveness.took())
            else:
                liveness.let_go(pieces.pop(0))
        await asyncio.sleep(stops - 0.5 - self.loop.time())
        stopping.set()
        await running

    def asks(self, work: Mapping[int, int], stops: int) -> list[tuple[int, dict[str, Any]]]:
        """What the agent is asked for, and when."""
        self.loop.run_until_complete(self._live(work, stops))
        return self.agent.asked


@pytest.fixture
def day(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> Day:
    """A worker whose agent can be reached."""
    agent = Agent(loop)
    monkeypatch.setattr("workers.protection.aiohttp.ClientSession", lambda timeout: agent)
    return Day(loop, agent)


def test_an_idle_worker_asks_for_nothing(day: Day) -> None:
    """Neither while it waits, nor when it stops: it was never protected."""
    assert day.asks({}, stops=100) == []


def test_long_work_is_protected_once_and_released_when_it_ends(day: Day) -> None:
    """Not asked for at each look; short work asks for nothing."""
    assert day.asks({5: 1, 200: -1, 210: 1, 250: -1}, stops=300) == [(65, TAKE), (200, RELEASE)]


def test_what_is_refused_is_asked_for_again(day: Day) -> None:
    """At the next look; and so is the release."""
    day.agent.refuses_at = (65, 66, 200)
    asked = day.asks({5: 1, 200: -1}, stops=300)
    assert asked == [(65, TAKE), (66, TAKE), (67, TAKE), (200, RELEASE), (201, RELEASE)]


def test_after_a_spell_there_is_a_pause(day: Day) -> None:
    """ECS ends the first itself; a deployment that waits finds the task without, whatever is in hand."""
    first, pause = 65, round(PAUSE_SECONDS)
    expired = first + LONGEST_MINUTES * 60
    asked = day.asks({5: 1}, stops=expired + pause + 60)
    assert [what for _, what in asked] == [TAKE, TAKE, RELEASE]
    assert [asked[0][0], asked[1][0]] == [first, pytest.approx(expired + pause, abs=2)]


def test_a_protected_worker_that_stops_releases_its_protection(day: Day) -> None:
    """So that scale-in need not wait for the expiry; one that has none asks for nothing."""
    assert day.asks({5: 1}, stops=100) == [(65, TAKE), (100, RELEASE)]


def test_an_agent_that_cannot_be_reached_is_asked_again(day: Day) -> None:
    """It is no reason to end the worker that has the work."""
    day.agent.fails_at = (65,)
    assert day.asks({5: 1, 200: -1}, stops=300) == [(65, TAKE), (66, TAKE), (200, RELEASE)]


# The seconds after which a look is taken at work that never ends, and what it asks for.
LOOKS: dict[float, list[dict[str, Any]]] = {
    0: [],
    59.5: [],
    60: [{"ProtectionEnabled": True, "ExpiresInMinutes": 30}],
    1859.5: [],
    1860: [],  # ECS has ended it by itself.
    2159.5: [],
    2160: [{"ProtectionEnabled": True, "ExpiresInMinutes": 30}],
}


async def test_a_spell_begins_ends_and_begins_again_to_the_second(loop: VirtualLoop) -> None:
    """After a minute of work, for thirty minutes, and not within five minutes of the one before."""
    time, agent = Time(), Agent(loop)
    began = time.seconds
    protection = Protection("http://agent", Liveness(time), asyncio.Event())
    protection.liveness.took()
    asked: dict[float, list[dict[str, Any]]] = {}
    for second in LOOKS:
        time.seconds, agent.asked[:] = began + second, []
        await protection.keep_in_step(cast("Any", agent))
        asked[second] = [what for _, what in agent.asked]
    assert asked == LOOKS
