"""Which of two ways a log is read, which logs go together, and when what was read is the whole log.

Small logs go by FilterLogEvents, many of one group in a call. What that leaves any doubt about goes by GetLogEvents,
one log a call, page by page:

| what FilterLogEvents has shown of a stream                       | what becomes of it                       |
|------------------------------------------------------------------|------------------------------------------|
| lines, their pages at an end, and quiet before the first page    | it is whole                              |
| lines of which the newest came less than a quiet time before     | the same again, when that time is over   |
| no line: it may have none yet, or wrote none                     | the other way, which knows to wait       |
| a line that does not say when it came, or has no id              | the other way                            |
| more than 256 KB                                                 | the other way, which needs no memory     |
| that it is missing, or one of those that it was asked for with   | again by halves; of a few, the other way |
| a token once more, or no end in ten pages                        | the other way                            |
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

# [botocore, FilterLogEvents]
MOST_STREAMS = 100
MOST_OF_A_SMALL_LOG = 256 * 1024
# What the lines of one call hold in memory together, before it is taken apart: 1 MB or 10,000 events are a page.
MOST_OF_A_BATCH = 6 * 1024 * 1024
MOST_PAGES = 10
# Halves of so few cost more than their reads by the other way.
FEW = 4
# What an event holds in memory beside its text: its times, its id of 56 digits, and itself.
_BESIDE_THE_TEXT = 250
_CHECKED_ONE_IN = 32
_CLOCKS_DIFFER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line as the driver sent it; when CloudWatch took it in, and its id, where that is said. In epoch seconds."""

    at: float
    message: str
    taken_in_at: float | None = None
    id: str = ""

    @property
    def weight(self) -> int:
        """The bytes that it holds in memory, roughly, and at least those of its line in UTF-8."""
        return len(self.message) * (1 if self.message.isascii() else 4) + _BESIDE_THE_TEXT


@dataclass(frozen=True)
class StoppedLog:
    """The log of a container that ended then, in epoch seconds; None for one that never ran."""

    group: str
    stream: str
    ended_at: float | None


@dataclass(frozen=True)
class Due:
    """A stream that waits for its turn, since when it is due."""

    group: str
    stream: str
    since: float


@dataclass(frozen=True)
class Whole:
    """All lines of a log, in AWS's order, what they weigh, and when the first page of them was asked for."""

    events: tuple[LogEvent, ...]
    weight: int
    asked_at: float


@dataclass(frozen=True)
class Again:
    """It is not quiet yet: to be asked for again at this moment, all of it."""

    at: float


@dataclass(frozen=True)
class Unsure:
    """The other way is to read it."""

    why: str


Verdict = Whole | Again | Unsure


def next_batch(due: Iterable[Due], now: float) -> tuple[Due, ...]:
    """What the next call asks for: of the group with the stream that is due for longest, as many as a call takes."""
    ready = sorted((item for item in due if item.since <= now), key=lambda item: item.since)
    if not ready:
        return ()
    of_the_group = {item.stream: item for item in reversed(ready) if item.group == ready[0].group}
    return tuple(sorted(of_the_group.values(), key=lambda item: item.since)[:MOST_STREAMS])


@dataclass(frozen=True)
class Apart:
    """Streams that cannot be asked for together: what is asked for instead, and what goes the other way, and why."""

    parts: tuple[tuple[str, ...], ...] = ()
    unsure: tuple[str, ...] = ()
    why: str = ""


def in_halves(streams: Sequence[str], why: str) -> Apart:
    """A call failed as a whole, and nobody says by which stream."""
    if len(streams) <= FEW:
        return Apart(unsure=tuple(streams), why=why)
    middle = len(streams) // 2
    return Apart(parts=(tuple(streams[:middle]), tuple(streams[middle:])))


def without(streams: Sequence[str], large: Collection[str]) -> Apart:
    """Some have shown to be large: the others are asked for again, since their lines come after those."""
    rest = tuple(stream for stream in streams if stream not in large)
    return Apart((rest,) if rest else (), tuple(large), "it is large")


def is_checked(stream: str) -> bool:
    """Whether what was accepted of this stream is read the other way too, later: three in a hundred, by their names."""
    return crc32(stream.encode()) % _CHECKED_ONE_IN == 0


@dataclass
class Gathered:
    """What the pages of one call have shown so far of its streams. An event that comes twice is one, by its id."""

    lines: dict[str, dict[str, LogEvent]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)

    def add(self, stream: str, event: LogEvent) -> int:
        """Keep one event; answers with what it weighs, nothing where it was there."""
        known = self.lines.setdefault(stream, {})
        if not event.id or event.taken_in_at is None:
            self.doubtful.add(stream)
        if event.id in known:
            return 0
        known[event.id] = event
        self.weights[stream] = self.weights.get(stream, 0) + event.weight
        return event.weight

    @property
    def weight(self) -> int:
        """What all of them hold in memory."""
        return sum(self.weights.values())

    @property
    def large(self) -> frozenset[str]:
        """Streams of which this is not the way."""
        return frozenset(stream for stream, weight in self.weights.items() if weight > MOST_OF_A_SMALL_LOG)

    def verdict(self, log: StoppedLog, asked_at: float, quiet_seconds: float) -> Verdict:
        """What to make of a log, once the pages have ended of which the first was asked for then."""
        events = self.lines.get(log.stream)
        if not events:
            return Unsure("no line")
        if log.stream in self.doubtful:
            return Unsure("a line without a time or an id")
        if log.stream in self.large:
            return Unsure("it is large")
        newest = max(event.taken_in_at or 0.0 for event in events.values())
        quiet_at = max(newest, log.ended_at or 0.0) + quiet_seconds
        if asked_at < quiet_at:
            return Again(quiet_at)
        return Whole(in_order(events.values()), self.weights[log.stream], asked_at)


def in_order(events: Iterable[LogEvent]) -> tuple[LogEvent, ...]:
    """By timestamp, time of ingestion and id [botocore, FilterLogEvents]; ids are numbers of one length."""
    return tuple(sorted(events, key=lambda event: (event.at, event.taken_in_at or 0.0, len(event.id), event.id)))


@dataclass
class Reading:
    """What a log comes to, line by line: as much of it as two readings are compared by."""

    lines: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def count(self, event: LogEvent) -> None:
        """Note a line."""
        self.lines += 1
        self.digest.update(event.message.encode(errors="replace") + b"\n")


@dataclass(frozen=True)
class Accepted:
    """What was taken for a whole log, when its first page was asked for, and where it went."""

    log: StoppedLog
    asked_at: float
    reading: Reading

    def knew_of(self, event: LogEvent) -> bool:
        """Whether a line had come by then, whatever the difference of two clocks: what came later no way could have."""
        return event.taken_in_at is None or event.taken_in_at <= self.asked_at - _CLOCKS_DIFFER_SECONDS

    def difference(self, read: Reading) -> str | None:
        """How it differs from what the other way reads later of the same time; None where it does not."""
        if read.digest.digest() == self.reading.digest.digest():
            return None
        if read.lines == self.reading.lines:
            return f"its {read.lines} lines are in another order, or others"
        return f"it has {self.reading.lines} lines of {read.lines}"
