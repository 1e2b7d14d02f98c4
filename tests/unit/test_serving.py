"""How the app is served on this machine: at which address, as what it is told, and until when."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypercorn.config import Config
from starlette.middleware import Middleware

from service.api import serve as serving
from service.api.sharing import Sharing
from service.settings import SettingsError
from service.tracking.wiring import Place

PLACE = Place("q", "c", "m", "b", "t")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Hypercorn was given; it ends when it is told to."""
    seen: dict[str, Any] = {}

    @asynccontextmanager
    async def opened(place: Place) -> AsyncIterator[Any]:
        seen["place"] = place
        yield SimpleNamespace(tracker="t", submission="s", steering="w", cases="c")

    async def serve(app: Any, config: Config, shutdown_trigger: Any) -> None:
        seen.update(app=app, config=config)
        [fd] = config.bind
        with socket.socket(fileno=int(fd.removeprefix("fd://"))) as door:
            seen["listens"] = door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            os.kill(os.getpid(), seen["signal"])
            await asyncio.wait_for(shutdown_trigger(), 10)

    monkeypatch.setattr(serving, "open_tracking", opened)
    monkeypatch.setattr(serving, "serve_asgi", serve)
    return seen


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")])
async def test_it_is_served_until_told_to_stop(
    served: dict[str, Any], host: str, shown: str, signal_: signal.Signals
) -> None:
    """By whatever builds the app, at an address that is said once it listens."""
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    served["signal"] = signal_
    said: list[str] = []
    try:
        await serving.serve(PLACE, host, 0, said.append, build=lambda given: given)  # type: ignore[arg-type,return-value]
    except SettingsError:
        assert host == "::1"
        pytest.skip("this machine has no IPv6")
    [address] = said
    assert address.startswith(f"http://{shown}:") and int(address.rpartition(":")[2]) > 0
    assert (served["place"], served["listens"]) == (PLACE, 1)
    given = served["app"]
    assert (given.tracker, given.submission, given.steering, given.cases) == ("t", "s", "w", "c")
    assert (given.on_loopback, given.stream_seconds) == (True, None)
    config = served["config"]
    assert (config.graceful_timeout, config.accesslog, config.errorlog, config.loglevel) == (1.0, None, "-", "WARNING")


@pytest.mark.parametrize("submitting", [False, True])
def test_who_is_signed_in_may_do_what_the_settings_say(submitting: bool) -> None:
    """And a stream is verified anew every five minutes."""
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/jobs/50dc6c495c0c9188"
    told = {"url": "https://a.b", "load_balancer_arn": arn, "issuer": "https://i", "client_id": "c"}
    sharing = Sharing.model_validate({**told, **({"submitting": True} if submitting else {})})
    parts: Any = SimpleNamespace(tracker="t", submission="s", steering="w", cases="c")
    given = serving.serving_of(parts, sharing, Middleware(lambda app: app))
    assert (given.reruns, given.stream_seconds, len(given.door)) == (submitting, 300.0, 1)
    own = serving.serving_of(parts, None, None)
    assert (own.reruns, own.stream_seconds, own.gate) == (True, None, None)


async def test_a_port_that_is_taken_is_named(served: dict[str, Any]) -> None:
    """With the remedy."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Nothing can be served at 127.0.0.1:{port} .*: name another port."):
            await serving.serve(PLACE, "127.0.0.1", port, print)
