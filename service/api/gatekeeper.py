"""Who may ask an API that a team shares: those whom its load balancer has signed in, and no page of another site.

The load balancer keeps a session in a cookie, which a browser sends with whatever another site's page makes it ask. It
says so itself: by `Origin`, and by `Sec-Fetch-Site` [Fetch standard, Fetch Metadata].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.caller import CALLER
from service.api.problems import problem
from service.api.signed_in import NotSignedInError
from service.aws.errors import AwsError

HEALTH_PATH = "/health"
_TOKEN = "x-amzn-oidc-data"
_SAFE = frozenset({"GET", "HEAD"})
_OWN_SITE = frozenset({"same-origin", "none"})


@dataclass(frozen=True)
class Gatekeeper:
    """Lets those pass who are signed in, with their name, and answers the load balancer's question after our health."""

    app: ASGIApp
    origin: str
    who: Callable[[str], Awaitable[str]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or 503 where nobody can say who asks; or hand on."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == HEALTH_PATH:
            # It asks by the task's own address, and signs nobody in for it.
            await PlainTextResponse("well\n")(scope, receive, send)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if (why := refusal(scope.get("method", ""), headers, self.origin)) is not None:
            await problem(HTTPStatus.FORBIDDEN, why)(scope, receive, send)
            return
        try:
            caller = await self._caller(headers)
        except NotSignedInError as error:
            await problem(HTTPStatus.UNAUTHORIZED, str(error))(scope, receive, send)
        except AwsError as error:
            why = f"It cannot be verified who asks: {error}."
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, why, headers={"Retry-After": "2"})(scope, receive, send)
        else:
            await self.app({**scope, CALLER: caller}, receive, send)

    async def _caller(self, headers: Headers) -> str:
        tokens = headers.getlist(_TOKEN)
        if len(tokens) != 1:
            raise NotSignedInError
        return await self.who(tokens[0])


def refusal(method: str, headers: Headers, origin: str) -> str | None:
    """Why a request is refused that came by another name or from another site; None where it may pass."""
    if headers.get("host", "").lower().removesuffix(":443") != urlsplit(origin).netloc:
        return f"This is served at {origin} alone."
    given, site = headers.get("origin"), headers.get("sec-fetch-site")
    if given is not None and given != origin:
        return "A page of another site may not ask this."
    if method in _SAFE:
        # A link leads here from anywhere, and so does the way back from signing in; a picture or a script does not.
        navigates = headers.get("sec-fetch-mode") == "navigate"
        return None if site is None or site in _OWN_SITE or navigates else "A page of another site may not ask this."
    if given is None and site not in _OWN_SITE:
        return "What changes something says where it comes from: send Origin."
    return None if site is None or site in _OWN_SITE else "A page of another site may not ask this."
