"""A client that its first call opens: most workers need some of them late, and opening one takes 60 ms and 5 MB."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class OpenedWhenNeeded:
    """Has the operations of the client that it opens."""

    open_client: Callable[[], Awaitable[Any]]
    _client: Any = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def opened(self) -> Any:
        """The client, opened once however many want it."""
        async with self._opening:
            if self._client is None:
                self._client = await self.open_client()
        return self._client

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        async def call(*positional: Any, **parameters: Any) -> Any:
            client = self._client or await self.opened()
            return await getattr(client, operation)(*positional, **parameters)

        return call
