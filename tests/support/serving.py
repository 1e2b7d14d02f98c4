"""The page and the API over a shelf, served on loopback by the server that serves them everywhere, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from service.api.app import Serving
from service.clock import Clock, wall_clock
from service.console.app import build_console
from service.tracking.wiring import wire_tracking
from tests.support.shelf import Shelf


@contextmanager
def serving(shelf: Shelf, now: Clock = wall_clock, port: int = 0, stream_seconds: float | None = None) -> Iterator[int]:
    """Serve meanwhile; yields the port, which a later server may be given again."""
    door = socket()
    door.setsockopt(1, 2, 1)
    door.bind(("127.0.0.1", port))
    door.listen(100)
    number: int = door.getsockname()[1]
    loop = asyncio.new_event_loop()
    told = asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, told, shelf, now, door, stream_seconds))
    thread.start()
    try:
        yield number
    finally:
        loop.call_soon_threadsafe(told.set)
        thread.join()


def _run(
    loop: asyncio.AbstractEventLoop,
    told: asyncio.Event,
    shelf: Shelf,
    now: Clock,
    door: socket,
    stream_seconds: float | None,
) -> None:
    tracking = wire_tracking(shelf.place, shelf.open, None, now)
    app = build_console(
        Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases, stream_seconds=stream_seconds)
    )
    config = Config()
    config.bind = [f"fd://{door.detach()}"]
    config.graceful_timeout = 0.2
    config.accesslog = config.errorlog = None
    # Of connections that are open at its end asyncio complains [cpython #109538]; a route's own fault is a status 500.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(serve(cast(ASGIFramework, app), config, shutdown_trigger=told.wait))
    loop.close()
