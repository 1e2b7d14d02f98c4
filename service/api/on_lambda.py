"""The app behind API Gateway: a proxy event of a REST API becomes a request, and the app's answer the function's.

[API Gateway developer guide, Lambda proxy integrations]. An answer is handed on when it is whole, so that no stream may
last: the app is made with an end for them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.types import ASGIApp, Message, Scope

from service.api.caller import CALLER
from service.api.cases import ZIP
from service.api.problems import PROBLEM_JSON, problem

Event = Mapping[str, Any]
_TENANTS = "/tenants/"
# A function's answer has 6 MB at most [Lambda quotas], and base64 makes four characters of three bytes.
_LARGEST_BINARY = 4_500_000
_TOO_LARGE = (
    "The file has {:,} bytes, and {:,} can be handed on here: ask for it without logs, or write it by `jobferry case`."
)


async def answer(app: ASGIApp, event: Event) -> dict[str, Any]:
    """The function's answer to one event."""
    body = event.get("body") or ""
    waiting: list[Message] = [
        {"type": "http.request", "body": base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()}
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(event), receive, send)
    start, *parts = sent
    return _handed_on(start["status"], _headers(start["headers"]), b"".join(part.get("body", b"") for part in parts))


def _handed_on(status: int, headers: dict[str, list[str]], body: bytes) -> dict[str, Any]:
    """An answer as API Gateway takes it: a zip as base64, which it decodes for who accepts its media type alone."""
    is_binary = headers.get("content-type") == [ZIP]
    if is_binary and len(body) > _LARGEST_BINARY:
        refused = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE.format(len(body), _LARGEST_BINARY))
        status, headers, body = refused.status_code, {"content-type": [PROBLEM_JSON]}, bytes(refused.body)
        is_binary = False
    return {
        "statusCode": status,
        "multiValueHeaders": headers,
        "body": base64.b64encode(body).decode() if is_binary else body.decode(),
        "isBase64Encoded": is_binary,
    }


def scope_of(event: Event) -> Scope:
    """The request that an event is of."""
    # A domain of one's own leaves its base path in the path [serverless-express #216].
    given = _TENANTS + event["path"].partition(_TENANTS)[2]
    path = unquote(given)
    context = event.get("requestContext", {})
    query = event.get("multiValueQueryStringParameters") or {}
    headers = event.get("multiValueHeaders") or {}
    return {
        "type": "http",
        # As of 2.4 a send after the end fails; before, a stream listens for a disconnect, which here is at once.
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": event["httpMethod"],
        "scheme": "https",
        "path": path,
        "raw_path": given.encode(),
        # What the stage, or a domain of one's own, puts before it, so that a Location leads back here.
        "root_path": context.get("path", given).partition(_TENANTS)[0],
        # API Gateway hands it on decoded.
        "query_string": urlencode(query, doseq=True).encode(),
        "headers": [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, values in headers.items()
            for value in values
        ],
        CALLER: context.get("identity", {}).get("userArn"),
        "client": None,
        "server": None,
    }


def _headers(headers: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found
