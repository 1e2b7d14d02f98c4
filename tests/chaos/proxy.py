"""The way from the workers to AWS, with faults: an HTTP proxy on 127.0.0.1, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.chaos.calls import LINK, Answer, Call, failed, read_call, throttled
from tests.chaos.faults import Draw, Fault, Faults, TokenBucket
from tests.chaos.killer import Killer, Strike
from tests.chaos.witness import Witness

HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 1024 * 1024
# Of this connection only, or of a body that is sent anew in one piece.
_NOT_PASSED_ON = frozenset(
    {"connection", "expect", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
)
_NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_RESET = struct.pack("ii", 1, 0)

_BEFORE: dict[Fault, Callable[[Call], Answer]] = {
    Fault.ERROR: lambda call: failed(call, 500),
    Fault.UNAVAILABLE: lambda call: failed(call, 503),
    Fault.THROTTLED: throttled,
}

Strikes = Callable[[str, signal.Signals], str | None]
"""Sends a signal to a worker, by its name."""


class ConnectionCutError(Exception):
    """The caller gets no answer."""


@dataclass
class Proxy:
    """Forwards every call, its signature untouched, and does to it what the faults and the killer say."""

    upstream: str
    faults: Faults
    starts: TokenBucket
    killer: Killer
    witness: Witness
    strike: Strikes = lambda _name, _signal: None
    met: Counter[Fault] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    _doors: dict[int, str] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _ready: threading.Event = field(default_factory=threading.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    def door_for(self, caller: str) -> str:
        """The endpoint of one worker: each has a port of its own, by which its calls are known. It stays open."""
        return asyncio.run_coroutine_threadsafe(self._open(caller), self._loop).result()

    async def _open(self, caller: str) -> str:
        assert self._runner is not None
        listener = socket.create_server((HOST, 0))
        await web.SockSite(self._runner, listener).start()
        port = listener.getsockname()[1]
        self._doors[port] = caller
        return f"http://{HOST}:{port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            self._session = session
            self._ready.set()
            await self._stop.wait()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except ConnectionResetError:
            return _cut(request)  # The worker died as it spoke.
        call = read_call(self._caller(request), request.method, request.headers, body)
        self.calls[call.caller] += 1
        if call.operation == LINK:
            return _whole(await self._forward(request, call))
        began = time.monotonic()
        self.witness.saw_begin(call)
        draw = self.faults.draw(call.operation)
        troubled = True
        try:
            strike = None if call.is_for_a_turn else self.killer.at_call(call)
            if strike is not None:
                return await self._die(request, call, strike)
            troubled = draw.fault is not None
            return await self._befall(request, call, draw)
        except (ConnectionCutError, ConnectionResetError):
            return _cut(request)
        finally:
            self.witness.saw(call, began, time.monotonic(), troubled=troubled)

    def _caller(self, request: web.Request) -> str:
        assert request.transport is not None
        return self._doors[request.transport.get_extra_info("sockname")[1]]

    async def _die(self, request: web.Request, call: Call, strike: Strike) -> web.StreamResponse:
        """The caller is killed while it waits for this answer."""
        if strike.after:
            await self._forward(request, call)
        self.witness.saw_die(call.caller)
        if self.strike(call.caller, strike.signal):
            self.met[Fault.KILLED_AFTER if strike.after else Fault.KILLED] += 1
        else:
            self.killer.wait_again(strike)  # It was leaving already; the death is another's.
        raise ConnectionCutError

    async def _befall(self, request: web.Request, call: Call, draw: Draw) -> web.StreamResponse:
        if call.operation == "StartExecution" and not self.starts.take():
            self.met[Fault.BUCKET_EMPTY] += 1
            return _whole(throttled(call))
        if draw.fault is None:
            return _whole(await self._forward(request, call))
        if draw.fault is not Fault.REDELIVERED or call.operation == "ReceiveMessage":
            self.met[draw.fault] += 1
        if draw.fault in _BEFORE:
            return _whole(_BEFORE[draw.fault](call))
        if draw.fault is Fault.RESET:
            raise ConnectionCutError
        if draw.fault is Fault.DELAYED:
            await asyncio.sleep(draw.delay_seconds)
        return await self._spoil(request, call, draw.fault, await self._forward(request, call))

    async def _spoil(self, request: web.Request, call: Call, fault: Fault, answer: Answer) -> web.StreamResponse:
        """What befalls a call after its effect."""
        match fault:
            case Fault.ERROR_AFTER:
                return _whole(failed(call, 500))
            case Fault.RESET_AFTER:
                raise ConnectionCutError
            case Fault.TRUNCATED:
                return await _half(request, answer)
            case Fault.GARBLED:
                return _whole(Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2]))
            case Fault.REDELIVERED if call.operation == "ReceiveMessage":
                await self._hand_out_again(request, call, answer)
        return _whole(answer)

    async def _forward(self, request: web.Request, call: Call) -> Answer:
        url = URL(self.upstream + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON}
        return await self._ask(request.method, url, headers, call.body)

    async def _ask(self, method: str, url: URL, headers: dict[str, str], body: bytes) -> Answer:
        assert self._session is not None
        async with self._session.request(
            method, url, headers=headers, data=body or None, skip_auto_headers=_NOT_ADDED, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON}
            return Answer(answer.status, kept, await answer.read())

    async def _hand_out_again(self, request: web.Request, call: Call, answer: Answer) -> None:
        """SQS delivers at least once: let another receive have the first of these messages as well."""
        messages = json.loads(answer.body or b"{}").get("Messages", [])
        if messages:
            again = {
                "QueueUrl": call.request["QueueUrl"],
                "ReceiptHandle": messages[0]["ReceiptHandle"],
                "VisibilityTimeout": 0,
            }
            headers = {
                "X-Amz-Target": "AmazonSQS.ChangeMessageVisibility",
                "Content-Type": "application/x-amz-json-1.0",
                "Authorization": request.headers["Authorization"],
            }
            await self._ask("POST", URL(self.upstream + "/"), headers, json.dumps(again).encode())


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def _half(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Half a body, and then nothing more."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = max(len(answer.body), 1)
    # A caller that died meanwhile does not hear of it.
    with suppress(ConnectionResetError):
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _cut(request: web.Request) -> web.Response:
    """Reset the connection: the caller sees ECONNRESET."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response(status=500)
