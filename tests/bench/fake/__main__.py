"""The process of the fake AWS: `python -m tests.bench.fake CERTIFICATE KEY`. It prints its two ports.

The first serves AWS over TLS. The second is for the bench itself, and plain: POST /send, /offer, /plot,
/begin, /expect, /state.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tests.bench.fake.account import Account
from tests.bench.fake.http import Answer, Connection, Request, Response
from tests.bench.fake.lives import Plot

_HOST = "127.0.0.1"


async def serve(certificate: str, key: str) -> None:
    """Serve until killed."""
    account = Account()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    ports = await _listen(account.answer, tls), await _listen(_Control(account).answer, None)
    print(*ports, flush=True)
    gc.freeze()  # Nothing of all this goes away.
    await asyncio.Event().wait()


async def _listen(answer: Answer, tls: ssl.SSLContext | None) -> int:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answer), _HOST, 0, ssl=tls)
    port: int = server.sockets[0].getsockname()[1]
    return port


class _Control:
    """What the bench tells the account, and asks it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._offering: asyncio.Task[None] | None = None
        self._verbs: Mapping[str, Callable[[Any], Any]] = {
            "/send": lambda told: self._send(**told),
            "/offer": lambda told: self._offer(**told),
            "/plot": lambda told: setattr(account, "plot", Plot(**told)),
            "/begin": lambda told: self._begin(),
            "/expect": lambda told: setattr(account.requests, "first_poll_at", None),
            "/state": lambda told: self._state(),
        }

    def answer(self, request: Request) -> Response:
        """Do as told."""
        return Response(json.dumps(self._verbs[request.path](json.loads(request.body))).encode())

    def _send(self, count: int, stages: int = 1, queue: str = "requests") -> None:
        for _ in range(count):
            if queue == "plain":
                self._account.plain.send('{"lambda_result": {"total_stages_count": 1}}')
            else:
                self._account.send(stages)

    def _offer(self, per_second: float, seconds: float) -> None:
        """So many requests a second, each at its moment, whatever becomes of those before."""
        self._offering = asyncio.ensure_future(self._offered(per_second, int(per_second * seconds)))

    async def _offered(self, per_second: float, count: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(count):
            await asyncio.sleep(began + number / per_second - loop.time())
            self._account.send(1)

    def _begin(self) -> None:
        """Count from here on."""
        account = self._account
        account.calls.clear()
        account.table.units.clear()
        account.latencies.clear()
        account.published = 0
        for queue in (account.requests, account.events, account.plain):
            queue.sent = queue.deleted = 0

    def _state(self) -> dict[str, Any]:
        account = self._account
        return {
            "calls": account.calls,
            "units": account.table.units,
            "latencies": account.latencies,
            "published": account.published,
            "sent": account.requests.sent + account.events.sent,
            "deleted": account.requests.deleted,
            "plain_deleted": account.plain.deleted,
            "left": account.requests.depth + account.events.depth + account.plain.depth,
            "first_poll_at": account.requests.first_poll_at,
        }


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
