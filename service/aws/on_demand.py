"""Clients that are opened when they are first asked for something: to open one costs more than many calls do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class OnDemand:
    """A client of one service, by whoever opens it: each operation is the client's own."""

    def __init__(self, open_client: Callable[[str], Awaitable[Any]], service: str) -> None:
        self._open = open_client
        self._service = service
        self._opening = asyncio.Lock()
        self._client: Any = None

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **given: Any) -> Any:
            async with self._opening:
                self._client = self._client or await self._open(self._service)
            return await getattr(self._client, operation)(*arguments, **given)

        return call


class Blocking:
    """A client of botocore's under aiobotocore's manners, for a command that asks for one thing and ends.

    Nothing else runs meanwhile, and half of what such a command costs is not paid: the import of an HTTP library.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._client, operation)

        async def answered(*arguments: Any, **given: Any) -> Any:
            answer = call(*arguments, **given)
            if isinstance(answer, dict) and hasattr(answer.get("Body"), "read"):
                answer["Body"] = _Body(answer["Body"])
            return answer

        return answered


class _Body:
    """What an object holds, as aiobotocore hands it out."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aenter__(self) -> _Body:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._body.close()

    async def read(self, amount: int | None = None) -> bytes:
        """So many bytes, or all."""
        read: bytes = self._body.read(amount)
        return read


class BlockingCredentials:
    """Credentials of botocore's, whose end bounds a link's, under aiobotocore's manners."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    @property
    def _expiry_time(self) -> Any:
        return getattr(self._credentials, "_expiry_time", None)

    async def get_frozen_credentials(self) -> Any:
        """Renewed if they are about to end."""
        return self._credentials.get_frozen_credentials()
