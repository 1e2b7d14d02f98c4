"""What keeps the loops company: the liveness, the health page and scale-in protection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.job_facts import Time
from tests.support.waiting import eventually
from workers.health import ask, health_page
from workers.liveness import Liveness
from workers.protection import Protection


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


async def test_the_health_command_asks_the_page(time: Time) -> None:
    """0 while ready, 1 when not, and 1 when nobody answers."""
    liveness, port = Liveness(time), free_port()
    async with health_page(liveness, port):
        assert await asyncio.to_thread(ask, port) == 0
        liveness.expects("events")
        time.seconds += 1000
        assert await asyncio.to_thread(ask, port) == 1
    assert await asyncio.to_thread(ask, port) == 1


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


async def test_protection_is_taken_while_busy_and_released_when_told_to_stop(
    agent: tuple[str, list[dict[str, Any]]], time: Time
) -> None:
    """Busy: protected. Stopping: released, so that scale-in need not wait for the expiry."""
    uri, told = agent
    liveness, stopping = Liveness(time), asyncio.Event()
    liveness.took()
    running = asyncio.create_task(Protection(uri, liveness, stopping).run())
    await eventually(lambda: told)
    assert told[0]["ProtectionEnabled"] is True
    stopping.set()
    await running
    assert told[-1] == {"ProtectionEnabled": False}


async def test_protection_is_released_when_idle(agent: tuple[str, list[dict[str, Any]]], time: Time) -> None:
    """Idle for a while, the task may be scaled in."""
    uri, told = agent
    liveness, stopping = Liveness(time), asyncio.Event()
    liveness.took()
    running = asyncio.create_task(Protection(uri, liveness, stopping).run())
    await eventually(lambda: told)
    liveness.let_go()
    time.seconds += 11
    await eventually(lambda: told[-1] == {"ProtectionEnabled": False})
    stopping.set()
    await running


async def test_an_agent_that_is_gone_does_not_stop_the_worker(time: Time) -> None:
    """Protection is a courtesy: without it the work goes on."""
    liveness, stopping = Liveness(time), asyncio.Event()
    liveness.took()
    running = asyncio.create_task(Protection(f"http://127.0.0.1:{free_port()}", liveness, stopping).run())
    await asyncio.wait([running], timeout=0.2)
    assert not running.done()
    stopping.set()
    await running
