"""Requests that are written already, over the connections of a client of aiobotocore: its pool, its limits, its TLS.

Half of what aiohttp takes for a request goes into making it, and its answer, objects of many parts. Here the bytes go
to a connection of aiohttp's pool as they are, and its own parser reads what comes. Connections, time-outs and what may
go wrong stay aiohttp's, and are called by the names that aiobotocore has for them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.http_exceptions import HttpProcessingError
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from yarl import URL


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole; header names in small letters."""

    status_code: int
    headers: dict[str, str]
    body: bytes


def lead_to(url: str, session: Any) -> bool:
    """Whether the connections of a session are aiohttp's, and lead there without a proxy."""
    if type(session) is not AIOHTTPSession:
        return False
    proxies: Any = session  # The stubs leave out what is not public.
    return proxies._proxy_config.proxy_url_for(url) is None


@dataclass
class Connections:
    """Those of one client."""

    session: Any  # aiobotocore's HTTP session
    _ways: dict[str, _Way] = field(default_factory=dict)

    async def exchange(self, url: str, request: bytes) -> Answer:
        """The answer to a request. Raises what aiobotocore's session raises."""
        try:
            way = self._ways.get(url) or await self._way(url)
            return await way.exchange(request)
        except (aiohttp.ClientError, OSError) as error:
            raise _as_botocore_has_it(error, url) from error

    async def _way(self, url: str) -> _Way:
        try:
            http = await self.session._get_session(None)
        except OSError as error:  # Its bundle of certificates cannot be read.
            raise HTTPClientError(error=error) from error
        # It is never sent: the pool wants to be told by one where a connection leads.
        where = aiohttp.ClientRequest("POST", URL(url, encoded=True), session=http, loop=asyncio.get_running_loop())
        return self._ways.setdefault(url, _Way(http.connector, where, http.timeout))


@dataclass(frozen=True)
class _Way:
    """Where connections of a pool lead to one place."""

    pool: aiohttp.BaseConnector
    where: aiohttp.ClientRequest
    timeout: aiohttp.ClientTimeout

    async def exchange(self, request: bytes) -> Answer:
        """One request and its answer. A connection that is not known to be well afterwards is closed."""
        try:
            connection = await self.pool.connect(self.where, [], self.timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        answer = None
        try:
            answer = await self._exchanged(connection, request)
            return answer
        finally:
            if answer is None:
                connection.close()  # Cancelled, too: the answer is still to come.
            else:
                connection.release()

    async def _exchanged(self, connection: Any, request: bytes) -> Answer:
        protocol = connection.protocol
        protocol.set_response_params(read_until_eof=True, auto_decompress=False, read_timeout=self.timeout.sock_read)
        connection.transport.write(request)
        protocol.start_timeout()
        message, content = await self._begun(protocol)
        headers = {_text(name).lower(): _text(value) for name, value in message.raw_headers}
        if content.is_eof():  # Most come whole.
            return Answer(message.code, headers, content.read_nowait())
        async with asyncio.timeout(self.timeout.sock_read):  # A chunk that cannot be read never ends [aiohttp 3.14].
            return Answer(message.code, headers, await content.read())

    async def _begun(self, protocol: Any) -> Any:
        try:
            message, content = await protocol.read()
            while message.code < 200 and message.code != 101:  # What is said before an answer [RFC 9110, 15.2].
                message, content = await protocol.read()
        except HttpProcessingError as error:
            about, said = self.where.request_info, error.message
            raise aiohttp.ClientResponseError(about, (), status=error.code, message=said) from error
        return message, content


def _text(header: bytes) -> str:
    return header.decode(errors="surrogateescape")  # As aiohttp reads them.


def _as_botocore_has_it(error: Exception, url: str) -> BotoCoreError:
    """As aiobotocore tells of it [aiobotocore, httpsession.py, AIOHTTPSession.send]."""
    match error:
        case aiohttp.ClientSSLError():
            return SSLError(endpoint_url=url, error=error)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return ConnectionClosedError(endpoint_url=url, error=error)
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeoutError(endpoint_url=url, error=error)
        case TimeoutError():
            return ReadTimeoutError(endpoint_url=url, error=error)
        case aiohttp.ClientConnectionError() | OSError():
            return EndpointConnectionError(endpoint_url=url, error=error)
    return HTTPClientError(error=error)
