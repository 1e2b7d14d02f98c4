"""Serve the app on this machine, until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import cast

from fastapi import FastAPI
from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from service.api.app import Serving, build_app
from service.runtime import open_tracking
from service.settings import SettingsError
from service.tracking.wiring import Place

_BACKLOG = 100
# A stream never ends by itself: whoever stops the server does not wait for those who look.
_GRACE_SECONDS = 1.0


async def serve(
    place: Place,
    host: str,
    port: int,
    say: Callable[[str], object],
    build: Callable[[Serving], FastAPI] = build_app,
) -> None:
    """Serve until SIGTERM or SIGINT. `say` is told the address, once there are answers.

    Raises:
        SettingsError: the address cannot be served at, or AWS cannot be asked like this.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    with _bound(host, port) as door:
        async with open_tracking(place) as tracking:
            app = build(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))
            name = f"[{host}]" if ":" in host else host
            say(f"http://{name}:{door.getsockname()[1]}")
            # Hypercorn closes it in the end.
            await serve_asgi(cast(ASGIFramework, app), _config(door.detach()), shutdown_trigger=told.wait)


def _bound(host: str, port: int) -> socket:
    """A socket that listens on loopback, and nowhere else: the caller's own AWS credentials answer here."""
    address = None
    with suppress(ValueError):
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    if address is None or not address.is_loopback:
        raise SettingsError(
            f"The address {host} is not this machine's own: whoever reached it would act with your AWS credentials. "
            "Serve at 127.0.0.1, and share by a load balancer that signs its users in, once Jobferry verifies that."
        )
    door = socket(AF_INET6 if address.version == 6 else AF_INET, SOCK_STREAM)
    try:
        door.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        door.bind((str(address), port))
        door.listen(_BACKLOG)
    except OSError as error:
        door.close()
        raise SettingsError(f"Nothing can be served at {host}:{port} ({error.strerror}): name another port.") from None
    return door


def _config(door: int) -> Config:
    config = Config()
    config.bind = [f"fd://{door}"]
    config.graceful_timeout = _GRACE_SECONDS
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    return config
