"""What containers print, a line of JSON a line, for whoever watches the local run."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from deploy.local.ecs.container_logs import LogEvent

# More than a person reads of one container; all of it is in its log.
LINES_SHOWN = 200
LONGEST_LINE = 2000  # characters


class Watch(Protocol):
    """Sees what a container of a task printed."""

    def __call__(self, task: Mapping[str, Any], container: str, events: Sequence[LogEvent], /) -> None:
        """See some lines."""


def nobody_watches(_task: Mapping[str, Any], _container: str, _events: Sequence[LogEvent], /) -> None:
    """Where nobody wants to see."""


class OutputFeed:
    """Writes the first lines of each container of a job."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._shown: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, task: Mapping[str, Any], container: str, events: Sequence[LogEvent], /) -> None:
        """Write down what is not too much."""
        job_id = task.get("group", "").removeprefix("job:")
        which = (task["taskArn"], container)
        with self._lock:
            room = LINES_SHOWN - self._shown[which]
            self._shown[which] += len(events)
            lines = [(event.timestamp, event.message[:LONGEST_LINE]) for event in events[: max(room, 0)]]
            if 0 <= room < len(events):
                lines.append((events[room].timestamp, "... (the rest is in its log)"))
            self._write(job_id, container, lines)

    def tell(self, sentence: str) -> None:
        """Write down what is of no container, but of what containers are made of."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._file.write(json.dumps({"at": time.time(), "told": sentence}) + "\n")
            self._file.flush()

    def _write(self, job_id: str, container: str, lines: Sequence[tuple[int, str]]) -> None:
        # Whoever watched may be gone.
        with contextlib.suppress(BrokenPipeError):
            for at, message in lines:
                line = {"at": at / 1000, "job_id": job_id, "container": container, "message": message}
                self._file.write(json.dumps(line) + "\n")
            self._file.flush()
