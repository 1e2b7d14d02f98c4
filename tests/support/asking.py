"""Asks an ASGI app without a network: one request, its whole answer, or the messages of a stream as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def ask(app: Any, method: str, target: str, body: bytes | str = b"", **headers: str) -> Answer:
    """The whole answer. Headers are named with underscores; Host is loopback's unless it is given."""
    told = [message async for message in _messages(app, method, target, body, headers)]
    start, *parts = told
    named = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], named, b"".join(part.get("body", b"") for part in parts))


@asynccontextmanager
async def listening(app: Any, target: str, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The messages of a stream of server-sent events, each by its fields, until the context ends."""
    messages = _messages(app, "GET", target, b"", headers)
    start = await anext(messages)
    assert start["status"] == 200, start
    try:
        yield _sent(messages)
    finally:
        await messages.aclose()


async def _sent(messages: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, str]]:
    text = ""
    async for message in messages:
        text += message.get("body", b"").decode()
        while "\n\n" in text:
            one, _, text = text.partition("\n\n")
            fields: dict[str, str] = {}
            for name, _, value in (line.partition(": ") for line in one.split("\n") if not line.startswith(":")):
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
            if "event" in fields:
                yield fields


async def _messages(
    app: Any, method: str, target: str, body: bytes | str, headers: Mapping[str, str]
) -> AsyncGenerator[dict[str, Any], None]:
    parts = urlsplit(target)
    given = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (HOST, 50_000),
        "server": (HOST, 80),
    }
    told: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    incoming = [{"type": "http.request", "body": body.encode() if isinstance(body, str) else body}]

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop()
        await asyncio.Event().wait()  # It never hangs up by itself.
        raise AssertionError

    async def run() -> None:
        try:
            await app(scope, receive, told.put)
        finally:
            await told.put(None)

    running = asyncio.create_task(run())
    try:
        while (message := await told.get()) is not None:
            yield message
        await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
