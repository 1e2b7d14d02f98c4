"""`GET /live` and `GET /ready`, for ECS's health check and for people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from workers.liveness import Liveness


@asynccontextmanager
async def health_page(liveness: Liveness, port: int) -> AsyncIterator[None]:
    """Serve on this port for as long as the context lasts; port 0 serves nothing."""
    if port == 0:
        yield
        return
    runner = web.AppRunner(_app(liveness), access_log=None)
    await runner.setup()
    try:
        # All interfaces: a load balancer or a person in the task's network may ask; there is nothing secret to learn.
        await web.TCPSite(runner, "0.0.0.0", port).start()
        yield
    finally:
        await runner.cleanup()


def _app(liveness: Liveness) -> web.Application:
    async def live(_: web.Request) -> web.Response:
        """The process answers; a loop that crashed would have ended it."""
        return web.json_response({"live": True})

    async def ready(_: web.Request) -> web.Response:
        """Every queue was polled with success lately."""
        silent = {queue: round(age) for queue, age in liveness.silent_queues().items()}
        body = {"ready": not silent, "seconds_without_poll": silent, "messages_in_hand": liveness.holding}
        return web.json_response(body, status=503 if silent else 200)

    app = web.Application()
    app.add_routes([web.get("/live", live), web.get("/ready", ready)])
    return app
