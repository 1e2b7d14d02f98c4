"""Processes as an operator sees them: their children, and whether they are gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from deploy.local.stack import PROJECT
from tests.support.waiting import WITHIN_SECONDS

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc, which this system has not")


def descendants(pid: int) -> set[int]:
    """Every living process below this one."""
    children: dict[int, set[int]] = {}
    for process, parent, state in _processes():
        if state != "Z":
            children.setdefault(parent, set()).add(process)
    found, left = set[int](), {pid}
    while left:
        left = set().union(*(children.get(each, set()) for each in left)) - found
        found |= left
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; one that only waits to be reaped does not."""
    return {process for process, _, state in _processes() if process in pids and state != "Z"}


def _processes() -> Iterator[tuple[int, int, str]]:
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                # The command, in parentheses, may hold anything; what follows it is plain.
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(folder.name), int(parent), state


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def bare_environment() -> dict[str, str]:
    """Our environment without any setting of Jobferry's or of AWS's, but with whom the tests trust."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JOBFERRY_", "AWS_"))}
    trusted = {name: value for name, value in os.environ.items() if name == "AWS_CA_BUNDLE"}
    return {**kept, **trusted, "PYTHONPATH": str(PROJECT), "AWS_EC2_METADATA_DISABLED": "true"}


def jobferry(
    *arguments: str, folder: Path, within: float = WITHIN_SECONDS, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of Jobferry's to its end, somewhere else than in the project."""
    return subprocess.run(
        [sys.executable, "-m", "service.operator.cli", *arguments],
        cwd=folder,
        env={**bare_environment(), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


class Command:
    """A command of Jobferry's that runs on, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._printed: Queue[str] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._printed.put(line.rstrip("\n"))

    def wait_for_line(self, beginning: str, within: float = WITHIN_SECONDS) -> str:
        """The first line that begins so."""
        while not self.next_line(beginning, within).strip().startswith(beginning):
            pass
        return self.lines[-1]

    def next_line(self, wanted: str = "", within: float = WITHIN_SECONDS) -> str:
        """The next line."""
        try:
            self.lines.append(self._printed.get(timeout=within))
        except Empty:
            raise AssertionError(f"no line {wanted!r} within {within:g} s, only {self.lines}") from None
        return self.lines[-1]


@contextmanager
def running(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Command]:
    """A command of Jobferry's that runs on; ended, if it has not, with the context."""
    with (folder / "stderr.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.operator.cli", *arguments],
            cwd=folder,
            env={**bare_environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Command(process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
