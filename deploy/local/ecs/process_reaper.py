"""A small process that outlives an emulator just long enough to end what it left behind.

Its standard input is a pipe. Each container writes `+<process group>` to it before it runs its command, the emulator
writes `-<process group>` once a container is gone. When the emulator dies, however it dies, the kernel closes the pipe
and whatever is still listed is killed. This needs no facility that only one operating system has.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LEFT_BEHIND = "docker.json"  # As deploy/local/ecs/docker.py writes it; this process imports nothing of ours.


def remaining(lines: Iterable[bytes]) -> set[int]:
    """Read the pipe to its end and tell which process groups were never signed off."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def remove_from_docker(word: dict[str, Any]) -> None:
    """Take away every container of the run that Docker still has."""
    docker, environment = word["client"], word["environment"]
    listing = [docker, "ps", "--all", "--quiet", "--filter", f"label={word['label']}"]
    found = subprocess.run(listing, env=environment, capture_output=True, text=True, check=False).stdout.split()
    if found:
        subprocess.run([docker, "rm", "--force", *found], env=environment, capture_output=True, check=False)


def main() -> None:
    """Wait for the emulator's end, then kill its containers and remove its scratch directory."""
    for group in remaining(sys.stdin.buffer):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for directory in sys.argv[1:]:
        with contextlib.suppress(OSError, ValueError):
            remove_from_docker(json.loads((Path(directory) / LEFT_BEHIND).read_text(encoding="utf-8")))
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
