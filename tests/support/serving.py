"""The page and the API over a shelf, served on loopback by the server that serves them everywhere, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import DefaultSelector, SelectorKey
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


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop whose time goes by faster than everybody else's."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        super().__init__(_Hasty(speed))

    def time(self) -> float:
        """By its own clock."""
        return super().time() * self.speed


class _Hasty(DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait for less, as long as it is for the loop."""
        return super().select(None if timeout is None else timeout / self._speed)


@contextmanager
def serving(
    shelf: Shelf, now: Clock = wall_clock, port: int = 0, stream_seconds: float | None = None, speed: float = 1.0
) -> Iterator[int]:
    """Serve meanwhile; yields the port, which a later server may be given again.

    `speed`: how many seconds pass for the server in one, so that nobody waits for its looks.
    """
    door = socket()
    door.setsockopt(1, 2, 1)
    door.bind(("127.0.0.1", port))
    door.listen(100)
    number: int = door.getsockname()[1]
    loop = asyncio.new_event_loop() if speed == 1.0 else HastyLoop(speed)
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
