"""A container's output on its way to CloudWatch Logs, line by line, as Docker's awslogs driver sends it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

CHUNK = 1 << 16
LONGEST_MESSAGE = 262_144 - 26  # bytes of one event less its fixed overhead (moby daemon/logger/awslogs)
LARGEST_BATCH = 10_000  # events of one PutLogEvents (botocore)


@dataclass(frozen=True)
class LogEvent:
    """One line. `timestamp` is epoch milliseconds."""

    timestamp: int
    message: str


class Lines:
    """Cuts a stream of bytes into lines, whatever the chunks it comes in."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the lines that this chunk completes."""
        self._pending += chunk
        *complete, rest = self._pending.split(b"\n") if b"\n" in chunk else [self._pending]
        for line in complete:
            yield from pieces(bytes(line))
        self._pending = bytearray(rest)
        yield from self._overlong()

    def finish(self) -> Iterator[bytes]:
        """Give what came after the last line end."""
        yield from pieces(bytes(self._pending))
        self._pending.clear()

    def _overlong(self) -> Iterator[bytes]:
        while len(self._pending) > LONGEST_MESSAGE:
            end = cut(self._pending)
            yield bytes(self._pending[:end])
            del self._pending[:end]


def pieces(line: bytes) -> Iterator[bytes]:
    """A line in parts that each fit one event; a blank line has none, as with Docker's driver."""
    while line:
        end = cut(line)
        yield line[:end]
        line = line[end:]


def cut(line: bytes | bytearray) -> int:
    """Where to end a part so that no UTF-8 character is torn."""
    end = min(len(line), LONGEST_MESSAGE)
    while end < len(line) and end > LONGEST_MESSAGE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return end


class LogPump:
    """Reads a container's output on a thread of its own and hands it on in batches, in order.

    The container writes to `sink`; the pump ends when the last process that holds it has closed it.
    """

    def __init__(self, name: str, send: Callable[[Sequence[LogEvent]], None]) -> None:
        self._source, self.sink = os.pipe()
        self._send = send
        self._lines = Lines()
        self._batch: list[LogEvent] = []
        self._latest = 0
        self._thread = threading.Thread(target=self._pump, daemon=True, name=f"logs-{name}")

    def start(self) -> None:
        """Begin to read; the container has its own copy of `sink` by now."""
        os.close(self.sink)
        self._thread.start()

    def abandon(self) -> None:
        """Give both ends back: the container never started."""
        os.close(self.sink)
        os.close(self._source)

    def join(self, timeout: float) -> None:
        """Wait until all is delivered, or `timeout` seconds: a process that fled the container may hold the pipe."""
        self._thread.join(timeout)

    def _pump(self) -> None:
        # poll, not select: with hundreds of containers descriptors go past select's 1024.
        more = select.poll()
        more.register(self._source, select.POLLIN)
        while chunk := os.read(self._source, CHUNK):
            self._take(self._lines.feed(chunk))
            if len(self._batch) >= LARGEST_BATCH or not more.poll(0):
                self._flush()
        self._take(self._lines.finish())
        self._flush()
        os.close(self._source)

    def _take(self, lines: Iterator[bytes]) -> None:
        # A clock set back must not put a line before the one it follows.
        self._latest = max(self._latest, int(time.time() * 1000))
        self._batch.extend(LogEvent(self._latest, line.decode("utf-8", errors="replace")) for line in lines)

    def _flush(self) -> None:
        for start in range(0, len(self._batch), LARGEST_BATCH):
            self._send(self._batch[start : start + LARGEST_BATCH])
        self._batch.clear()
