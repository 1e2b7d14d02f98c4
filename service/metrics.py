"""What the worker counts. Pure: a minute's numbers are gathered here, and told by whoever holds the clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

NAMESPACE = "Jobferry"
DIMENSION = "Stack"
# An array of values may have no more members [CloudWatch embedded metric format].
MOST_VALUES = 100


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its name in CloudWatch."""

    name: str
    unit: Literal["Count", "Seconds"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Work that is under way: how much it is now, and how long the oldest that was tried of late has waited.

    Of late: a try that fails again and again is over when one looks, and its work is not done.
    """

    items: Metric
    oldest: Metric


REQUESTS_ADMITTED = Metric("RequestsAdmitted", "Count")
REQUESTS_REJECTED = Metric("RequestsRejected", "Count")
REQUESTS_HELD_BACK = Metric("RequestsHeldBack", "Count")
TRACES_DROPPED = Metric("TracesDropped", "Count")
CONTROL_HEARD = Metric("ControlHeard", "Count")
CONTROL_IGNORED = Metric("ControlIgnored", "Count")
CONTROL_REJECTED = Metric("ControlRejected", "Count")
EVENTS_HEARD = Metric("EventsHeard", "Count")
EVENTS_IGNORED = Metric("EventsIgnored", "Count")
EVENTS_UNREADABLE = Metric("EventsUnreadable", "Count")
ANNOUNCED: Mapping[str, Metric] = {
    "SUCCEEDED": Metric("AnnouncedSucceeded", "Count"),
    "FAILED": Metric("AnnouncedFailed", "Count"),
    "TIMED_OUT": Metric("AnnouncedTimedOut", "Count"),
    "ABORTED": Metric("AnnouncedAborted", "Count"),
    "REJECTED": Metric("AnnouncedRejected", "Count"),
}
TIME_TO_ANNOUNCE = Metric("TimeToAnnounce", "Seconds")
ARCHIVES_DONE = Metric("ArchivesDone", "Count")
ARCHIVES_GIVEN_UP = Metric("ArchivesGivenUp", "Count")
LOGS_BATCHED = Metric("LogsReadTogether", "Count")
LOGS_DIFFERENT = Metric("LogsDifferent", "Count")
ARCHIVES = Backlog(Metric("ArchiveBacklog", "Count"), Metric("ArchiveBacklogSeconds", "Seconds"))
SWEEP_FOUND = Metric("SweepFound", "Count")
SWEEP_OVERDUE = Metric("SweepOverdueSeconds", "Seconds")
SWEEP_FAILURES = Metric("SweepFailures", "Count")
POLLS = Metric("Polls", "Count")
POLL_FAILURES = Metric("PollFailures", "Count")
SETTLE_FAILURES = Metric("SettleFailures", "Count")
HANDED_BACK = Metric("HandedBack", "Count")
THROTTLES = Metric("Throttles", "Count")

COUNTED = (
    REQUESTS_ADMITTED,
    REQUESTS_REJECTED,
    REQUESTS_HELD_BACK,
    TRACES_DROPPED,
    CONTROL_HEARD,
    CONTROL_IGNORED,
    CONTROL_REJECTED,
    EVENTS_HEARD,
    EVENTS_IGNORED,
    EVENTS_UNREADABLE,
    *ANNOUNCED.values(),
    ARCHIVES_DONE,
    ARCHIVES_GIVEN_UP,
    LOGS_BATCHED,
    LOGS_DIFFERENT,
    SWEEP_FOUND,
    SWEEP_FAILURES,
    POLLS,
    POLL_FAILURES,
    SETTLE_FAILURES,
    HANDED_BACK,
    THROTTLES,
)
MEASURED = (TIME_TO_ANNOUNCE, SWEEP_OVERDUE)
BACKLOGS = (ARCHIVES,)


class Meter(Protocol):
    """Who is told of what happens."""

    def count(self, metric: Metric, by: int = 1) -> None:
        """It happened, so many times."""

    def measure(self, metric: Metric, value: float) -> None:
        """It was so much, this time."""

    def underway(self, backlog: Backlog, since: float) -> AbstractContextManager[None]:
        """It is under way for as long as the context lasts; `since` says from when on it has waited."""

    def drain(self, now: float) -> Mapping[Metric, float | tuple[float, ...]]:
        """All that was told since the last time; empty where nobody listens."""


@dataclass(frozen=True)
class Unmetered:
    """Nobody listens, and nothing is kept."""

    def count(self, metric: Metric, by: int = 1) -> None:
        """Not counted."""

    def measure(self, metric: Metric, value: float) -> None:
        """Not kept."""

    def underway(self, backlog: Backlog, since: float) -> AbstractContextManager[None]:
        """Not watched."""
        return nullcontext()

    def drain(self, now: float) -> Mapping[Metric, float | tuple[float, ...]]:
        """Nothing."""
        return {}


UNMETERED = Unmetered()


@dataclass
class _Waiting:
    since: float
    over: bool = False


@dataclass(frozen=True)
class Metrics:
    """One process's numbers since they were last drained. What did not happen is told as 0: silence is no number."""

    _counts: Counter[Metric] = field(default_factory=Counter)
    _values: dict[Metric, list[float]] = field(default_factory=dict)
    _tried: dict[Backlog, list[_Waiting]] = field(default_factory=dict)

    def count(self, metric: Metric, by: int = 1) -> None:
        """It happened, so many times."""
        self._counts[metric] += by

    def measure(self, metric: Metric, value: float) -> None:
        """It was so much, this time."""
        self._values.setdefault(metric, []).append(value)

    @contextmanager
    def underway(self, backlog: Backlog, since: float) -> Iterator[None]:
        """It is under way for as long as the context lasts; `since` says from when on it has waited."""
        waiting = _Waiting(since)
        self._tried.setdefault(backlog, []).append(waiting)
        try:
            yield
        finally:
            waiting.over = True

    def drain(self, now: float) -> Mapping[Metric, float | tuple[float, ...]]:
        """All that was told since the last time, and what is under way now."""
        values: dict[Metric, float | tuple[float, ...]] = {metric: self._counts[metric] for metric in COUNTED}
        values |= {metric: _few(values) for metric, values in self._values.items()}
        for backlog in BACKLOGS:
            tried = self._tried.get(backlog, [])
            values[backlog.oldest] = max(0.0, now - min((item.since for item in tried), default=now))
            self._tried[backlog] = [item for item in tried if not item.over]
            values[backlog.items] = len(self._tried[backlog])
        self._counts.clear()
        self._values.clear()
        return values


def _few(values: list[float]) -> tuple[float, ...]:
    """The values, or of too many some that stand for them: evenly spaced by rank, least and greatest among them."""
    ranked = sorted(values)
    if len(ranked) <= MOST_VALUES:
        return tuple(ranked)
    last = len(ranked) - 1
    return tuple(ranked[round(n * last / (MOST_VALUES - 1))] for n in range(MOST_VALUES))


def embedded(values: Mapping[Metric, float | tuple[float, ...]], stack: str, at: float) -> dict[str, object]:
    """The numbers of a minute in CloudWatch's embedded metric format: a log line that is metrics as well.

    One dimension of one value, for each further one would be a metric more, and billed [CloudWatch user guide,
    embedded metric format specification]. Times in epoch seconds.
    """
    definitions = [{"Name": metric.name, "Unit": metric.unit} for metric in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions}
    return {
        "_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]},
        DIMENSION: stack,
        **{metric.name: _rounded(value) for metric, value in values.items()},
    }


def _rounded(value: float | tuple[float, ...]) -> float | list[float]:
    return [round(item, 3) for item in value] if isinstance(value, tuple) else round(value, 3)
