"""The metrics of a worker: what its parts count, and when it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import web

from service.aws.throttles import on_throttle
from service.core.metrics import POLLS, UNMETERED, Metrics
from workers.reporting import metrics_reported

from .connecting import CREDENTIALS, REGION
from .waiting import eventually


def polls(lines: list[str]) -> list[int]:
    """What each line says of polls; each is a line by itself."""
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    return [json.loads(line)["Polls"] for line in lines]


async def test_metrics_are_told_at_an_interval_and_once_more_at_the_end() -> None:
    """So that a drain loses nothing."""
    metrics, lines = Metrics(), list[str]()
    metrics.count(POLLS, 5)
    async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append, every_seconds=0.01):
        await eventually(lambda: len(lines) >= 2)
    assert polls(lines)[:2] == [5, 0]
    told = len(lines)
    async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append):
        metrics.count(POLLS, 3)
    assert polls(lines[told:]) == [3]


async def test_a_crash_is_told_before_it_is_seen() -> None:
    """The last minute is what one wants to know of then."""
    metrics, lines = Metrics(), list[str]()
    with pytest.raises(ZeroDivisionError):
        async with metrics_reported(metrics, "jobferry", lambda: 1.0, lines.append):
            metrics.count(POLLS)
            raise ZeroDivisionError
    assert polls(lines) == [1]


async def test_nothing_is_written_where_metrics_are_off() -> None:
    """Not even an empty line."""
    lines: list[str] = []
    async with metrics_reported(UNMETERED, "jobferry", lambda: 1.0, lines.append, every_seconds=0):
        await asyncio.sleep(0)
    assert lines == []


async def test_a_closed_pipe_is_no_reason_to_end_a_worker() -> None:
    """Its work is worth more than its numbers."""
    tries: list[str] = []

    def closed(line: str) -> None:
        tries.append(line)
        raise BrokenPipeError

    async with metrics_reported(Metrics(), "jobferry", lambda: 1.0, closed, every_seconds=0.01):
        await eventually(lambda: len(tries) >= 2)


@pytest.fixture
async def throttling() -> AsyncIterator[str]:
    """An endpoint that throttles twice, then answers; the others' errors are not its kind."""
    answers = iter(
        [
            (400, {"__type": "com.amazonaws.sqs#RequestThrottled"}),
            (400, {"__type": "com.amazon.coral.service#ThrottlingException"}),
            (500, {"__type": "InternalError"}),
            (200, {}),
        ]
    )

    async def answer(_: web.Request) -> web.Response:
        status, body = next(answers)
        return web.json_response(body, status=status, content_type="application/x-amz-json-1.0")

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_every_throttle_is_counted_also_those_that_a_retry_hides(throttling: str) -> None:
    """Two of four tries of one call that succeeds."""
    config = AioConfig(retries={"mode": "standard", "max_attempts": 8})
    times: list[None] = []
    options: dict[str, Any] = {"endpoint_url": throttling, "region_name": REGION, "config": config, **CREDENTIALS}
    async with get_session().create_client("sqs", **options) as client:
        on_throttle(client, lambda: times.append(None))
        await client.receive_message(QueueUrl=f"{throttling}/1/queue")
    assert len(times) == 2
