"""A container's memory limit, enforced as the kernel does it for ECS: who uses more is killed."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

SAMPLE_EVERY = 0.05  # seconds; a container may overshoot for as long


class MemoryWatch:
    """Kills a process group once its resident memory passes a limit, and remembers that it did."""

    def __init__(self, group: int, limit: int, kill: Callable[[], None]) -> None:
        self._group = group
        self._limit = limit
        self._kill = kill
        self._exceeded = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name=f"memory-{group}")
        self._thread.start()

    def finish(self) -> bool:
        """Stop watching, and tell whether the limit was why the container ended."""
        self._over.set()
        self._thread.join()
        return self._exceeded

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_EVERY):
            if resident_bytes(self._group) > self._limit:
                self._exceeded = True
                self._kill()
                return


def resident_bytes(group: int) -> int:
    """The resident memory of a process group."""
    return _from_proc(group) if Path("/proc/self/statm").exists() else _from_ps(group)


def _from_proc(group: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    pages = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            pages += _resident_pages(Path(entry.path), group)
    return pages * page


def _resident_pages(process: Path, group: int) -> int:
    try:
        # The command, in brackets, may hold anything; the group is the third field after it (proc(5)).
        after_command = (process / "stat").read_text().rpartition(")")[2].split()
        return int((process / "statm").read_text().split()[1]) if int(after_command[2]) == group else 0
    except (OSError, IndexError):
        return 0  # it ended while we looked


def _from_ps(group: int) -> int:
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=False)
    rows = (line.split() for line in listing.stdout.splitlines())
    return sum(int(row[1]) * 1024 for row in rows if len(row) == 2 and int(row[0]) == group)
