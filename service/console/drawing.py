"""The state machine of a job as columns of stages and rows of attempts, and its time as bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from schemas.tracking import JobEvent, TrackedAttempt, TrackedJob, TrackedStage
from service.console.words import duration, plain, seconds_of

_WIDTH, _GAP, _HEIGHT, _ROW, _TOP, _EDGE = 132, 36, 30, 40, 26, 34
_LONGEST_NAME = 18
_BAR = 1000.0


@dataclass(frozen=True)
class Node:
    """One attempt, or the place of one that is to come."""

    x: int
    y: int
    status: str
    text: str
    says: str
    attempt: TrackedAttempt | None = None
    stage: int = 0


@dataclass(frozen=True)
class Column:
    """The head of a stage."""

    x: int
    name: str
    title: str


@dataclass(frozen=True)
class Edge:
    """A line from one node to the next."""

    path: str
    taken: bool


@dataclass(frozen=True)
class Graph:
    """All of a drawing."""

    width: int
    height: int
    columns: tuple[Column, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    end: str
    says: str
    node_width: int = _WIDTH
    node_height: int = _HEIGHT
    middle: int = _TOP + _HEIGHT // 2


def graph_of(job: TrackedJob) -> Graph | None:
    """The drawing of a job's stages; None of a request that was rejected."""
    if not job.stages:
        return None
    columns, nodes, edges = [], [], []
    middle = _TOP + _HEIGHT // 2
    before, was_passed = (_EDGE - 12, middle), True
    for number, stage in enumerate(job.stages):
        x = _EDGE + number * (_WIDTH + _GAP)
        column = list(_nodes(stage, x))
        begun = bool(stage.attempts)
        columns.append(Column(x, _short(f"{stage.stage} {stage.name}"), plain(f"{stage.name}: {stage.image}")))
        nodes.extend(column)
        edges.append(Edge(_line(before, (x, middle)), begun and was_passed))
        edges.extend(Edge(f"M{x + 14} {upper.y + _HEIGHT}V{lower.y}", taken=True) for upper, lower in pairwise(column))
        last = column[-1]
        before, was_passed = (x + _WIDTH, last.y + _HEIGHT // 2), stage.status == "PASSED"
    width = _EDGE * 2 + len(job.stages) * (_WIDTH + _GAP) - _GAP
    edges.append(Edge(_line(before, (width - _EDGE + 22 - 6, middle)), job.status == "SUCCEEDED"))
    rows = max(len(stage.attempts) or 1 for stage in job.stages)
    passed = f"{job.stages_passed} of {len(job.stages)} stages passed."
    says = " ".join((passed, *(f"{node.says}." for node in nodes[:12])))
    return Graph(
        width, _TOP + rows * _ROW, tuple(columns), tuple(nodes), tuple(edges), end=job.status, says=plain(says)
    )


def _nodes(stage: TrackedStage, x: int) -> Iterator[Node]:
    if not stage.attempts:
        says = f"Stage {stage.stage} {stage.name}: {stage.status.lower().replace('_', ' ')}"
        yield Node(x, _TOP, stage.status, "waits" if stage.status == "WAITING" else "\u2013", says, stage=stage.stage)
    for row, attempt in enumerate(stage.attempts):
        took = duration(attempt.durations.running) if attempt.durations.running is not None else ""
        text = took or ("running" if attempt.status == "RUNNING" else attempt.status.lower())
        if attempt.status == "FAILED":
            text = f"exit {attempt.exit_code}" if attempt.exit_code else (attempt.failure_class or text)
        of = f"redrive {attempt.redrive}, " if attempt.redrive else ""
        says = f"Stage {stage.stage} {stage.name}, {of}attempt {attempt.attempt}: {attempt.status.lower()}, {text}"
        yield Node(x, _TOP + row * _ROW, attempt.status, _short(text, 15), plain(says), attempt, stage.stage)


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    half = (start[0] + end[0]) // 2
    return f"M{start[0]} {start[1]}H{half}V{end[1]}H{end[0]}"


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    shown = plain(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"


@dataclass(frozen=True)
class Part:
    """A length of a bar, in thousandths of the whole."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """The time of one attempt."""

    label: str
    parts: tuple[Part, ...]
    words: str


def bars_of(job: TrackedJob, events: Iterable[JobEvent], now: float) -> tuple[Bar, ...]:
    """What each attempt did when, between the request and the end, or now."""
    made = {
        (event.redrive, event.stage, event.attempt): seconds_of(event.at)
        for event in events
        if event.kind == "TASK_CREATED"
    }
    found = [
        (stage, attempt, list(_spans(attempt, made.get((attempt.redrive, stage.stage, attempt.attempt)), now)))
        for stage in job.stages
        for attempt in stage.attempts
    ]
    moments = [at for _, _, spans in found for _, start, end in spans for at in (start, end)]
    begun = seconds_of(job.submitted_at)
    if not moments:
        return ()
    first = min(moments) if begun is None else min(begun, *moments)
    whole = max(max(moments) - first, 0.001)
    return tuple(_bar(stage, attempt, spans, first, whole) for stage, attempt, spans in found)


def _spans(attempt: TrackedAttempt, created: float | None, now: float) -> Iterator[tuple[str, float, float]]:
    times = attempt.durations
    started, stopped = seconds_of(attempt.started_at), seconds_of(attempt.stopped_at)
    if started is None:
        if created is not None:
            yield "queued", created, stopped if stopped is not None else now
        return
    pulled = started - (times.starting or 0.0)
    if (queued := created if created is not None else pulled - (times.queued or 0.0)) < pulled:
        yield "queued", queued, pulled
    if pulled < started:
        yield "starting", pulled, started
    end = stopped if stopped is not None else max(now, started)
    yield "running", started, end
    if times.archiving is not None:
        yield "archiving", end, end + times.archiving


def _bar(
    stage: TrackedStage, attempt: TrackedAttempt, spans: list[tuple[str, float, float]], first: float, whole: float
) -> Bar:
    parts = tuple(
        Part(kind, round((start - first) / whole * _BAR, 1), max(2.0, round((end - start) / whole * _BAR, 1)))
        for kind, start, end in spans
    )
    again = f" \u00b7 {attempt.attempt}" if len(stage.attempts) > 1 else ""
    words = ", ".join(f"{kind} {duration(end - start)}" for kind, start, end in spans)
    return Bar(_short(f"{stage.stage} {stage.name}{again}", 24), parts, words)
