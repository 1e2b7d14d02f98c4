"""`jobferry console`: the page and the HTTP API, with the credentials of this process.

On this machine alone; or for a team, behind a load balancer that signs people in [deploy/examples/console.yaml].
"""

from __future__ import annotations

import argparse
import asyncio
import os

from service.api.serve import serve
from service.api.sharing import read_sharing
from service.aws.session import session_of
from service.console.app import build_console
from service.operator.place import place_of


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises SettingsError where nothing can be served."""
    sharing = read_sharing()
    place = place_of(session_of(os.environ), options.stack, options.catalog)
    whose = "Your jobs are" if sharing is None else "Jobs are, for those who are signed in,"

    def say(address: str) -> None:
        print(f"{whose} at {address}/, until Ctrl-C.", flush=True)
        print(f"The HTTP API answers there too: {address}/openapi.json", flush=True)

    asyncio.run(serve(place, options.host, options.port, say, build_console, sharing))
    return 0
