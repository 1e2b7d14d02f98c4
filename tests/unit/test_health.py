"""What the worker answers of its health, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.support.job_facts import Time
from tests.support.ports import free_port
from workers.health import health_page
from workers.liveness import LONGEST_WITHOUT_POLL_SECONDS, Liveness


async def asked(port: int, path: str) -> tuple[int, Any]:
    """The status and the body of an answer."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.json()


async def test_a_worker_is_ready_while_every_queue_is_polled() -> None:
    """It names those that were not, and for how long, and how much it has in hand; alive it is all the same."""
    time, port = Time(), free_port()
    liveness = Liveness(time)
    liveness.expects("requests")
    liveness.took()
    async with health_page(liveness, port):
        assert await asked(port, "/live") == (200, {"live": True})
        assert await asked(port, "/ready") == (
            200,
            {"ready": True, "seconds_without_poll": {}, "messages_in_hand": 1},
        )
        time.seconds += LONGEST_WITHOUT_POLL_SECONDS + 1.4
        assert await asked(port, "/ready") == (
            503,
            {"ready": False, "seconds_without_poll": {"requests": 181}, "messages_in_hand": 1},
        )
        assert (await asked(port, "/live"))[0] == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await asked(port, "/live")


async def test_port_0_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the local AWS, where workers share one machine."""
    monkeypatch.setattr("aiohttp.web.TCPSite", None)
    async with asyncio.timeout(5), health_page(Liveness(Time()), 0):
        pass
