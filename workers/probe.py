"""Ask the worker on this machine whether it is ready, as a container's health check does: `python -I -m workers.probe`.

A check runs twice a minute beside a worker that may have a quarter of a processor, all of it in use. So this imports
an HTTP client of the standard library and nothing else: no package, and no module of ours.
"""

from __future__ import annotations

import http.client
import os
import sys

PORT_VARIABLE = "JOBFERRY_HEALTH_PORT"
DEFAULT_PORT = "8080"
_ASK_SECONDS = 5


def main() -> int:
    """Ask at the port that the worker's own variable names."""
    port = os.environ.get(PORT_VARIABLE, DEFAULT_PORT)
    if not port.isdecimal() or int(port) > 65_535:
        print(f"{PORT_VARIABLE} is not a port: {port!r}. Give the number that the worker has.")
        return 1
    return ask(int(port))


def ask(port: int) -> int:
    """Print what `GET /ready` answers: 0 if the worker is ready, 1 if it is not or says nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        said = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        print(f"not ready: {error}")
        return 1
    finally:
        connection.close()
    print(said)
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
