"""The worker processes: started, killed, and replaced as ECS replaces them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from deploy.local.stack import PROJECT
from tests.support.waiting import WITHIN_SECONDS, last_lines, wait_for

# A worker leaves within its drain, JOBFERRY_DRAIN_SECONDS; the rest is this busy machine's.
_LEAVES_WITHIN_SECONDS = WITHIN_SECONDS


@dataclass
class Worker:
    """One process; the proxy knows it by its name."""

    name: str
    process: subprocess.Popen[bytes]
    told: signal.Signals | None = None
    told_at: float = 0.0

    def tell(self, what: signal.Signals) -> None:
        """Send a signal, and remember that we did."""
        self.told, self.told_at = what, time.monotonic()
        self.process.send_signal(what)


@dataclass
class Fleet:
    """So many workers at any time. `deaths` counts how they ended, by signal, or as `crashed` and `late`.

    Only workers at work are struck, those that made a call: the death of one that still starts would prove nothing.
    """

    environment: Mapping[str, str]
    door_for: Callable[[str], str]
    calls: Mapping[str, int]
    module: str
    size: int
    logs: Path
    dice: random.Random
    deaths: Counter[str] = field(default_factory=Counter)
    _workers: dict[str, Worker] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def keep_up(self) -> None:
        """Bury the dead, and start one for each that is gone or was told to go."""
        for worker in list(self._workers.values()):
            self._look_at(worker)
        while sum(worker.told is None for worker in self._workers.values()) < self.size:
            self._start()

    def start(self) -> None:
        """Start them all, and wait until they are at work."""

        def look() -> bool:
            self.keep_up()
            return all(self.is_at_work(worker) for worker in self._workers.values())

        wait_for(look, "the workers' first calls", seen=self.last_words)

    def last_words(self) -> str:
        """The end of every worker's log, of the youngest last."""
        logs = sorted(self.logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
        return "\n".join(f"{log.name}: {last_lines(log, 5)}" for log in logs)

    def is_at_work(self, worker: Worker) -> bool:
        """Whether it made a call already."""
        return bool(self.calls.get(worker.name))

    def strike_any(self, what: signal.Signals) -> str | None:
        """Send a signal to one of those that were not told to go yet; answers with its name."""
        alive = [name for name, worker in self._workers.items() if worker.told is None and self.is_at_work(worker)]
        return self.strike(self.dice.choice(alive), what) if alive else None

    def strike(self, name: str, what: signal.Signals) -> str | None:
        """Send a signal to a worker; answers with its name if it was alive and is now counted."""
        worker = self._workers.get(name)
        if worker is None or worker.told is not None:
            return None
        worker.tell(what)
        self.deaths[what.name] += 1
        return name

    def stop(self) -> None:
        """End the drill for all of them, as an ECS service that is scaled to nothing."""
        for worker in self._workers.values():
            if worker.told is None:
                worker.tell(signal.SIGTERM if self.is_at_work(worker) else signal.SIGKILL)
        while self._workers:
            for worker in list(self._workers.values()):
                self._look_at(worker)
            time.sleep(0.02)

    def _start(self) -> None:
        name = f"worker{next(self._numbers)}"
        with (self.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.emulator.tethered", self.module],
                env={**os.environ, **self.environment, "AWS_ENDPOINT_URL": self.door_for(name)},
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._workers[name] = Worker(name, process)

    def _look_at(self, worker: Worker) -> None:
        code = worker.process.poll()
        if code is None:
            self._hurry(worker)
            return
        if worker.told is None or (worker.told is signal.SIGTERM and code != 0):
            self.deaths["crashed"] += 1
        if worker.process.stdin:
            worker.process.stdin.close()
        del self._workers[worker.name]

    def _hurry(self, worker: Worker) -> None:
        """ECS kills what has not left by its stopTimeout."""
        if worker.told is signal.SIGTERM and time.monotonic() - worker.told_at > _LEAVES_WITHIN_SECONDS:
            self.deaths["late"] += 1
            worker.tell(signal.SIGKILL)
