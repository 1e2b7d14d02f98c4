"""The state machine of a job as columns of stages and rows of attempts, and its time as bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import ceil, log2

from schemas.tracking import JobEvent, TrackedAttempt, TrackedJob, TrackedStage
from service.console.words import duration, plain, seconds_of

_WIDTH, _GAP, _HEIGHT, _ROW, _TOP, _EDGE = 132, 36, 30, 40, 26, 34
_LONGEST_NAME = 18
# Of a stage that was tried more often than that the first are drawn and the last, and how many there are between.
_MOST_ROWS, _FIRST_ROWS, _LAST_ROWS = 8, 2, 5
MOST_BARS = 120
BAR_HEIGHT, BAR_WIDTH = 20, 1000
_MIDDLE_OF_BAR = BAR_HEIGHT // 2
# A part that is shorter than a five-hundredth of the whole would not be seen.
_NARROWEST = 500


@dataclass(frozen=True)
class Node:
    """One attempt, the place of one that is to come, or of several that are not drawn."""

    key: str
    x: int
    y: int
    status: str
    text: str
    says: str
    attempt: TrackedAttempt | None = None
    stage: int = 0

    @property
    def has_log(self) -> bool:
        """Whether there is one to look at."""
        return self.attempt is not None and bool(self.attempt.containers)


@dataclass(frozen=True)
class Column:
    """The head of a stage."""

    x: int
    name: str


@dataclass(frozen=True)
class Graph:
    """All of a drawing: lines and dots are one path of a kind, since each element of a page costs its layout."""

    width: int
    height: int
    columns: tuple[Column, ...]
    nodes: tuple[Node, ...]
    to_come: str
    taken: str
    dots: Mapping[str, str]
    end: str
    middle: int = _TOP + _HEIGHT // 2


def graph_of(job: TrackedJob) -> Graph | None:
    """The drawing of a job's stages; None of a request that was rejected."""
    if not job.stages:
        return None
    columns, nodes = [], list[Node]()
    lines: dict[bool, list[str]] = {True: [], False: []}
    middle = _TOP + _HEIGHT // 2
    before, was_passed = (_EDGE - 12, middle), True
    for number, stage in enumerate(job.stages):
        x = _EDGE + number * (_WIDTH + _GAP)
        column = list(_nodes(stage, x))
        columns.append(Column(x, _short(f"{stage.stage} {stage.name}")))
        nodes.extend(column)
        lines[bool(stage.attempts) and was_passed].append(_line(before, (x, middle)))
        lines[True].extend(f"M{x + 14} {upper.y + _HEIGHT}V{lower.y}" for upper, lower in pairwise(column))
        before, was_passed = (x + _WIDTH, column[-1].y + _HEIGHT // 2), stage.status == "PASSED"
    width = _EDGE * 2 + len(job.stages) * (_WIDTH + _GAP) - _GAP
    lines[job.status == "SUCCEEDED"].append(_line(before, (width - _EDGE + 22 - 6, middle)))
    return Graph(
        width,
        max(node.y for node in nodes) + _ROW,
        tuple(columns),
        tuple(nodes),
        "".join(lines[False]),
        "".join(lines[True]),
        dict(_dots(nodes)),
        end=job.status,
    )


def _dots(nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """Of each status the dots of its nodes: lines of no length, with round ends."""
    by_status = sorted((node for node in nodes if node.status), key=lambda node: node.status)
    for status, alike in groupby(by_status, key=lambda node: node.status):
        yield status, "".join(f"M{node.x + 14} {node.y + _HEIGHT // 2}h0" for node in alike)


def _nodes(stage: TrackedStage, x: int) -> Iterator[Node]:
    of = f"Stage {stage.stage} {stage.name} ({stage.image})"
    if not stage.attempts:
        text = "waits" if stage.status == "WAITING" else "\u2013"
        says = f"{of}: {stage.status.lower().replace('_', ' ')}"
        yield Node(f"n-{stage.stage}-0", x, _TOP, stage.status, text, plain(says), stage=stage.stage)
    left_out = len(stage.attempts) - _FIRST_ROWS - _LAST_ROWS if len(stage.attempts) > _MOST_ROWS else 0
    shown: list[TrackedAttempt | None] = list(stage.attempts)
    if left_out:
        shown[_FIRST_ROWS:-_LAST_ROWS] = [None]
    for row, attempt in enumerate(shown):
        key, y = f"n-{stage.stage}-{row}", _TOP + row * _ROW
        if attempt is None:
            yield Node(key, x, y, "", f"{left_out} more", plain(f"{of}: {left_out} more attempts"), stage=stage.stage)
        else:
            yield _node(Node(key, x, y, attempt.status, "", of, attempt, stage.stage), attempt)


def _node(place: Node, attempt: TrackedAttempt) -> Node:
    took = duration(attempt.durations.running) if attempt.durations.running is not None else ""
    text = took or ("running" if attempt.status == "RUNNING" else attempt.status.lower())
    if attempt.status == "FAILED":
        text = f"exit {attempt.exit_code}" if attempt.exit_code else (attempt.failure_class or text)
    of = f"redrive {attempt.redrive}, " if attempt.redrive else ""
    says = f"{place.says}, {of}attempt {attempt.attempt}: {attempt.status.lower()}, {text}"
    return replace(place, text=_short(text, 15), says=plain(says))


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[1] == end[1]:
        return f"M{start[0]} {start[1]}H{end[0]}"
    half = (start[0] + end[0]) // 2
    return f"M{start[0]} {start[1]}H{half}V{end[1]}H{end[0]}"


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    shown = plain(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"


@dataclass(frozen=True)
class Bar:
    """The time of one attempt in words."""

    key: str
    label: str
    words: str


@dataclass(frozen=True)
class Timeline:
    """What each attempt did when: a path for each kind, in seconds since the request, and how long that is in all.

    So what is over stays as it was drawn, and only the scale moves on. `left_out`: how many attempts are older than
    those that are shown.
    """

    bars: tuple[Bar, ...]
    paths: Mapping[str, str]
    whole: float
    left_out: int

    @property
    def scale(self) -> str:
        """From seconds to thousandths of the width."""
        return f"{BAR_WIDTH / self.whole:.6g}"


_Span = tuple[str, float, float]
# What still runs is a path of its own, since it grows.
_STILL_RUNNING = "now"


def kind_of(path: str) -> str:
    """What a path shows."""
    return "running" if path == _STILL_RUNNING else path


def timeline_of(job: TrackedJob, events: Iterable[JobEvent], now: float) -> Timeline | None:
    """What each attempt did when, between the request and the end, or now; None where nothing did yet."""
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
        return None
    first = min(moments) if begun is None else min(begun, *moments)
    whole = max(max(moments) - first, 0.001)
    shown = found[-MOST_BARS:]
    bars = tuple(_bar(stage, attempt, spans) for stage, attempt, spans in shown)
    return Timeline(bars, _paths([spans for *_, spans in shown], first, whole), whole, len(found) - len(shown))


def _spans(attempt: TrackedAttempt, created: float | None, now: float) -> Iterator[_Span]:
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
    yield "running" if stopped is not None else _STILL_RUNNING, started, end
    if times.archiving is not None:
        yield "archiving", end, end + times.archiving


def _paths(rows: list[list[_Span]], first: float, whole: float) -> dict[str, str]:
    """Each kind's lines. The shortest grow by doubling, so that few are drawn anew while time goes on."""
    shortest = 2.0 ** ceil(log2(whole / _NARROWEST))
    lines: dict[str, list[str]] = {}
    for row, spans in enumerate(rows):
        for kind, start, end in spans:
            length = max(shortest, end - start)
            lines.setdefault(kind, []).append(
                f"M{_tenths(start - first)} {row * BAR_HEIGHT + _MIDDLE_OF_BAR}h{_tenths(length)}"
            )
    return {kind: "".join(parts) for kind, parts in lines.items()}


def _tenths(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0") if seconds >= 0.1 else f"{seconds:.3g}"


def _bar(stage: TrackedStage, attempt: TrackedAttempt, spans: list[_Span]) -> Bar:
    again = f" \u00b7 {attempt.attempt}" if len(stage.attempts) > 1 else ""
    words = ", ".join(f"{kind_of(kind)} {duration(end - start)}" for kind, start, end in spans)
    key = f"b-{attempt.redrive}-{stage.stage}-{attempt.attempt}"
    return Bar(key, _short(f"{stage.stage} {stage.name}{again}", 24), words)
