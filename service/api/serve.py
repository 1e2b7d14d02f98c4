"""Serve the app on this machine, until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import cast

from fastapi import FastAPI
from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.middleware import Middleware

from service.api.app import Serving, build_app
from service.api.sharing import Sharing
from service.runtime import open_tracking
from service.settings import SettingsError
from service.tracking.wiring import Place, Tracking

_BACKLOG = 100
# A stream never ends by itself: whoever stops the server does not wait for those who look.
_GRACE_SECONDS = 1.0
# Whoever listens is verified anew so often: a stream would outlive its sign-in.
_VERIFIED_SECONDS = 300.0


async def serve(
    place: Place,
    host: str,
    port: int,
    say: Callable[[str], object],
    build: Callable[[Serving], FastAPI] = build_app,
    sharing: Sharing | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. `say` is told the address, once there are answers.

    `sharing` names the load balancer that signs people in; without it this machine's own clients are answered alone.

    Raises:
        SettingsError: the address cannot be served at, or AWS cannot be asked like this.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = _gate(sharing) if sharing is not None else None
    with _bound(host, port, shared=gate is not None) as door:
        async with open_tracking(place) as tracking:
            app = build(serving_of(tracking, sharing, gate))
            name = f"[{host}]" if ":" in host else host
            say(sharing.origin if sharing is not None else f"http://{name}:{door.getsockname()[1]}")
            # Hypercorn closes it in the end.
            await serve_asgi(cast(ASGIFramework, app), _config(door.detach()), shutdown_trigger=stop.wait)


def serving_of(tracking: Tracking, sharing: Sharing | None, gate: Middleware | None) -> Serving:
    """What is served: of a page that is shared what those who are signed in may do."""
    own = Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases)
    return (
        own if sharing is None else replace(own, gate=gate, reruns=sharing.submitting, stream_seconds=_VERIFIED_SECONDS)
    )


def _gate(sharing: Sharing) -> Middleware:
    """What verifies who is signed in. Raises SettingsError where it is not installed."""
    if missing := [name for name in ("jwt", "cryptography") if find_spec(name) is None]:
        raise SettingsError(
            f"The shared page needs {missing[0]} to verify who is signed in: install Jobferry with its extra, "
            "jobferry[shared]."
        )
    from service.api.gatekeeper import Gatekeeper
    from service.api.signed_in import signed_in_by

    signed_in = signed_in_by(sharing.load_balancer_arn, sharing.issuer, sharing.client_id, sharing.keys_url)
    return Middleware(Gatekeeper, origin=sharing.origin, who=signed_in.who)


def _bound(host: str, port: int, *, shared: bool) -> socket:
    """A socket that listens; unless the page is shared, on loopback alone: the caller's own credentials answer here."""
    address = None
    with suppress(ValueError):
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    if address is None or not (address.is_loopback or shared):
        raise SettingsError(
            f"The address {host} is not this machine's own: whoever reached it would act with your AWS credentials. "
            "Serve at 127.0.0.1; or share it behind a load balancer that signs people in, as "
            "deploy/examples/console.yaml does, and name that by JOBFERRY_CONSOLE_URL, "
            "JOBFERRY_CONSOLE_LOAD_BALANCER_ARN, JOBFERRY_CONSOLE_ISSUER and JOBFERRY_CONSOLE_CLIENT_ID."
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
