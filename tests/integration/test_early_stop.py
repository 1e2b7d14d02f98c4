"""SIGTERM while the worker still opens its clients and waits for its catalogue."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.virtual_worker import SETTINGS
from workers.worker import run_worker


class SilentS3:
    """It takes the request and does not answer."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def answer(self, _: web.Request) -> web.Response:
        """Never."""
        self.asked.set()
        await asyncio.Event().wait()
        return web.Response()


async def test_a_stop_before_the_start_is_over_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once, and well: nothing is in hand."""
    s3, app = SilentS3(), web.Application()
    app.router.add_get("/{path:.*}", s3.answer)
    async with TestServer(app) as server:
        surroundings = {
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_ENDPOINT_URL": str(server.make_url("/")),
        }
        for name, value in surroundings.items():
            monkeypatch.setenv(name, value)
        settings = SETTINGS.model_copy(update={"catalog": "s3://catalogues/catalog.yaml"})
        running = asyncio.create_task(run_worker(settings))
        await asyncio.wait_for(s3.asked.wait(), 20)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 10)
