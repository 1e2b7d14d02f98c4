"""HTTP/1.1 by hand: a few microseconds a request, which no web framework gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 500: b"Internal Server Error"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole; header names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    body: bytes = b""
    status: int = 200
    content_type: bytes = b"application/x-amz-json-1.0"
    headers: bytes = b""

    def as_bytes(self) -> bytes:
        """As it goes over the wire; `headers` are whole lines."""
        return (
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
            b"x-amzn-requestid: 3c0f7a52-6e7e-5b0f-9f5a-2b1c9d0e8f71\r\n%b\r\n"
        ) % (self.status, _REASONS[self.status], self.content_type, len(self.body), self.headers) + self.body


Answer = Callable[[Request], "Response | asyncio.Future[Response]"]


class Connection(asyncio.Protocol):
    """One client's connection: one request after the other, kept alive."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._chunks: list[bytes] = []
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._waiting and (request := self._next()) is not None:
            answer = self._answer(request)
            if isinstance(answer, Response):
                self._transport.write(answer.as_bytes())
            else:
                self._waiting = True
                answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[Response]) -> None:
        self._waiting = False
        if not self._transport.is_closing():
            self._transport.write(answer.result().as_bytes())
            self.data_received(b"")

    def _next(self) -> Request | None:
        """The next request, once all of it is here."""
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        method, path, headers = self._head
        body = (
            self._chunked() if "transfer-encoding" in headers else self._counted(int(headers.get("content-length", 0)))
        )
        if body is None:
            return None
        self._head = None
        return Request(method, path, headers, body)

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + len(_HEAD_END)]
        method, path, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        self._head = method, path, {name.lower(): value.strip() for name, _, value in pairs}
        if "expect" in self._head[2]:
            self._transport.write(_CONTINUE)
        return True

    def _counted(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunked(self) -> bytes | None:
        """A body of chunks, each with its size before it; the last is empty."""
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:end].split(b";")[0], 16)
            if len(self._buffer) < end + size + 4:
                return None
            self._chunks.append(bytes(self._buffer[end + 2 : end + 2 + size]))
            del self._buffer[: end + size + 4]
            if size == 0:
                body = b"".join(self._chunks)
                self._chunks = []
                return body
        return None
