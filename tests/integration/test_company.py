"""What keeps the loops company: the liveness, the health page and scale-in protection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.job_facts import Time
from tests.support.ports import free_port
from tests.support.waiting import eventually
from workers.health import health_page
from workers.liveness import Liveness
from workers.probe import ask
from workers.protection import LONG_SECONDS, LONGEST_MINUTES, PAUSE_SECONDS, Protection


async def asked(port: int, path: str) -> tuple[int, Any]:
    """Status and body of the health page."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.json()


async def test_ready_turns_false_when_no_poll_succeeds_for_three_minutes(time: Time) -> None:
    """And true again with the next one; live says only that the process answers."""
    liveness, port = Liveness(time), free_port()
    liveness.expects("requests")
    async with health_page(liveness, port):
        assert (await asked(port, "/ready"))[0] == 200
        time.seconds += 181
        assert await asked(port, "/ready") == (
            503,
            {"ready": False, "seconds_without_poll": {"requests": 181}, "messages_in_hand": 0},
        )
        assert (await asked(port, "/live"))[0] == 200
        liveness.polled("requests")
        assert (await asked(port, "/ready"))[0] == 200


async def test_the_probe_asks_the_page(time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    """0 while ready; 1 when not, with the queue that was not polled; and 1 when nobody answers."""
    liveness, port = Liveness(time), free_port()
    async with health_page(liveness, port):
        assert await asyncio.to_thread(ask, port) == 0
        liveness.expects("events")
        time.seconds += 1000
        assert await asyncio.to_thread(ask, port) == 1
        assert '"seconds_without_poll": {"events": 1000}' in capsys.readouterr().out
    assert await asyncio.to_thread(ask, port) == 1
    assert capsys.readouterr().out.startswith("not ready: ")


@pytest.fixture
async def agent() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """An ECS agent's endpoint, and what it was told."""
    told: list[dict[str, Any]] = []

    async def put(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.json_response({"protection": {}})

    app = web.Application()
    app.add_routes([web.put("/task-protection/v1/state", put)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", told
    await runner.cleanup()


@dataclass
class Task:
    """A task of the worker's as its agent sees it: work that lasts, and whether ECS may stop it, second by second."""

    uri: str
    told: list[dict[str, Any]]
    time: Time
    ends: list[tuple[float, int]] = field(default_factory=list)
    protected_until: float = 0.0
    was_protected: list[bool] = field(default_factory=list)

    async def live(self, minutes: int, work_seconds: int, every_seconds: int) -> None:
        """Take up a piece of work every so often, and look at the protection every ten seconds, as long as that."""
        liveness = Liveness(self.time)
        protection = Protection(self.uri, liveness, asyncio.Event())
        async with aiohttp.ClientSession() as session:
            for second in range(0, minutes * 60, 10):
                for ended in [item for item in self.ends if item[0] <= self.time()]:
                    self.ends.remove(ended)
                    liveness.let_go(ended[1])
                if second % every_seconds == 0:
                    self.ends.append((self.time() + work_seconds, liveness.took()))
                await protection.keep_in_step(session)
                self.was_protected.append(self._is_protected())
                self.time.seconds += 10

    def _is_protected(self) -> bool:
        for said in self.told:
            self.protected_until = self.time() + said.get("ExpiresInMinutes", 0) * 60
        self.told.clear()
        return self.time() < self.protected_until

    def spells(self) -> list[tuple[bool, int]]:
        """Protected or not, and for how many seconds, in turn."""
        return [(was, 10 * len(list(looks))) for was, looks in groupby(self.was_protected)]


async def test_steady_traffic_is_no_reason_for_protection(agent: tuple[str, list[dict[str, Any]]], time: Time) -> None:
    """What is over sooner than a drain is drained, so that a rolling deployment need not wait for a quiet moment."""
    task = Task(*agent, time)
    await task.live(minutes=60, work_seconds=30, every_seconds=10)
    assert task.spells() == [(False, 3600)]


async def test_a_long_archive_is_protected_until_it_ends(agent: tuple[str, list[dict[str, Any]]], time: Time) -> None:
    """From when it has taken longer than others do: cut off, it would begin anew."""
    task = Task(*agent, time)
    await task.live(minutes=20, work_seconds=600, every_seconds=100_000)
    assert task.spells() == [(False, LONG_SECONDS), (True, 600 - LONG_SECONDS), (False, 600)]


@pytest.mark.parametrize("work_seconds", [90, 500, 100_000])
async def test_a_deployment_ends_however_many_long_archives_there_are(
    agent: tuple[str, list[dict[str, Any]]], time: Time, work_seconds: int
) -> None:
    """No spell of protection is longer than its bound, and between two ECS finds the task without for minutes."""
    task = Task(*agent, time)
    await task.live(minutes=180, work_seconds=work_seconds, every_seconds=60)
    protected = [seconds for was, seconds in task.spells() if was]
    between = [seconds for was, seconds in task.spells()[1:-1] if not was]
    assert protected
    assert max(protected) <= LONGEST_MINUTES * 60
    assert min(between) >= PAUSE_SECONDS


async def test_protection_is_released_when_the_worker_is_told_to_stop(
    agent: tuple[str, list[dict[str, Any]]], time: Time
) -> None:
    """So that scale-in need not wait for the expiry."""
    uri, told = agent
    liveness, stopping = Liveness(time), asyncio.Event()
    liveness.took()
    time.seconds += LONG_SECONDS
    running = asyncio.create_task(Protection(uri, liveness, stopping).run())
    await eventually(lambda: told)
    assert told == [{"ProtectionEnabled": True, "ExpiresInMinutes": LONGEST_MINUTES}]
    stopping.set()
    await running
    assert told[-1] == {"ProtectionEnabled": False}


async def test_an_agent_that_is_gone_does_not_stop_the_worker(time: Time) -> None:
    """Protection is a courtesy: without it the work goes on."""
    liveness, stopping = Liveness(time), asyncio.Event()
    liveness.took()
    time.seconds += LONG_SECONDS
    running = asyncio.create_task(Protection(f"http://127.0.0.1:{free_port()}", liveness, stopping).run())
    await asyncio.wait([running], timeout=0.2)
    assert not running.done()
    stopping.set()
    await running
