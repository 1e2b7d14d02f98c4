"""`jobferry console`: the page and the HTTP API on this machine, with the caller's own AWS credentials."""

from __future__ import annotations

import argparse
import asyncio
import os

from service.api.serve import serve
from service.aws.session import session_of
from service.console.app import build_console
from service.operator.place import place_of


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises SettingsError where nothing can be served."""
    place = place_of(session_of(os.environ), options.stack, options.catalog)

    def say(address: str) -> None:
        print(f"Your jobs are at {address}/, until Ctrl-C.", flush=True)
        print(f"The HTTP API answers there too: {address}/openapi.json", flush=True)

    asyncio.run(serve(place, options.host, options.port, say, build_console))
    return 0
