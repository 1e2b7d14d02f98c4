"""Who may ask an API that is served on loopback: this machine's own clients, and no web page of somebody else's.

A page of any site can make a browser ask 127.0.0.1, or a name of its own that it lets point there (DNS rebinding). The
browser says so itself: by `Host`, by `Origin`, and by `Sec-Fetch-Site` [Fetch standard, Fetch Metadata].
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True)
class Doorkeeper:
    """Lets nobody pass whose request was not meant for this machine."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or hand on."""
        if scope["type"] in {"http", "websocket"} and (why := refusal(Headers(scope=scope))) is not None:
            await problem(HTTPStatus.FORBIDDEN, why)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def refusal(headers: Headers) -> str | None:
    """Why a request with these headers is refused; None where it may pass."""
    if _host_of(f"//{headers.get('host', '')}") not in LOOPBACK:
        return "This is served for this machine alone: ask it by 127.0.0.1 or localhost."
    origin = headers.get("origin")
    if origin is not None and (_host_of(origin) not in LOOPBACK or urlsplit(origin).netloc != headers.get("host")):
        return "A page of another site may not ask this."
    if headers.get("sec-fetch-site") in _FOREIGN_SITES:
        return "A page of another site may not ask this."
    return None


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
