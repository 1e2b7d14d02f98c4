"""A job's drawing and the bars of its time, whole: where each part lies, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from service.console.drawing import Bar, Column, Edge, Part, bars_of, graph_of
from service.core.record.facts import Fact, WaitsForCapacity
from service.core.tracking.events import events_of
from service.core.tracking.job import track
from tests.support.builders import (
    JOB,
    NOW,
    announced,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

REDRIVEN: tuple[Fact, ...] = (
    requested(stages=3),
    execution("RUNNING", redrive_count=1, redriven_at=NOW + 60, attempts=(attempt(passed=False),)),
    task(containers=(container(exit_code=3),)),
    receipt(archived_at=NOW + 65),
    running("t2", attempt=2, redrive=1, created_at=NOW + 61, pull_started_at=NOW + 62, started_at=NOW + 65),
    running("t3", stage=2, redrive=1, created_at=NOW + 70, pull_started_at=None, started_at=None),
)


def drawn(*facts: Fact) -> Any:
    """The drawing of a job."""
    job = track(record(*facts))
    assert job is not None
    graph = graph_of(job)
    assert graph is not None
    return graph


def nodes(*facts: Fact) -> list[tuple[int, int, str, str]]:
    """Where each node lies, how it is, and its text."""
    return [(node.x, node.y, node.status, node.text) for node in drawn(*facts).nodes]


def test_a_drawing_in_full() -> None:
    """A column for a stage, a row for an attempt, and a line to what comes next, taken or not."""
    graph = drawn(*REDRIVEN)
    assert (graph.width, graph.height, graph.node_width, graph.node_height, graph.middle) == (536, 106, 132, 30, 41)
    assert graph.columns == (
        Column(34, "1 stage-1", "stage-1: echo"),
        Column(202, "2 stage-2", "stage-2: echo"),
        Column(370, "3 stage-3", "stage-3: echo"),
    )
    assert nodes(*REDRIVEN) == [
        (34, 26, "FAILED", "exit 3"),
        (34, 66, "RUNNING", "running"),
        (202, 26, "RUNNING", "running"),
        (370, 26, "NOT_RUN", "\u2013"),
    ]
    assert [(node.stage, node.attempt and node.attempt.attempt) for node in graph.nodes] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (3, None),
    ]
    says = [
        "Stage 1 stage-1, attempt 1: failed, exit 3",
        "Stage 1 stage-1, redrive 1, attempt 2: running, running",
        "Stage 2 stage-2, redrive 1, attempt 1: running, running",
        "Stage 3 stage-3: not run",
    ]
    assert [node.says for node in graph.nodes] == says
    assert graph.says == " ".join(["0 of 3 stages passed.", *(f"{text}." for text in says)])
    assert graph.end == "RUNNING"
    assert graph.edges == (
        Edge("M22 41H28V41H34", taken=True),
        Edge("M48 56V66", taken=True),
        Edge("M166 81H184V41H202", taken=False),
        Edge("M334 41H352V41H370", taken=False),
        Edge("M502 41H510V41H518", taken=False),
    )


def test_a_job_that_succeeded_went_all_the_way() -> None:
    """Each line was taken."""
    both = (attempt(), attempt(2))
    job = (requested(stages=2), execution(attempts=both), task(), receipt(), task("t2", stage=2), receipt("t2"))
    graph = drawn(*job, announced())
    assert [edge.taken for edge in graph.edges] == [True, True, True]
    assert (graph.end, graph.says[:24]) == ("SUCCEEDED", "2 of 2 stages passed. St")
    assert [text for *_, text in nodes(*job)] == ["44 s", "44 s"]
    assert [edge.taken for edge in drawn(*job).edges] == [True, True, False]


WAIT = WaitsForCapacity(
    job_id=JOB, at=NOW + 9, wait_seconds=60, stage=1, attempt=1, since=NOW, tries=1, failure_class="x", why="y"
)
TEXTS: dict[str, tuple[tuple[Fact, ...], str]] = {
    "it waits": ((execution("RUNNING"), WAIT), "waits"),
    "nothing yet": ((execution("RUNNING"),), "\u2013"),
    "it runs": ((execution("RUNNING"), running()), "running"),
    "it passed": ((execution("RUNNING"), task()), "44 s"),
    "it failed by its exit code": ((execution("RUNNING"), task(containers=(container(exit_code=137),))), "exit 137"),
    "it failed without one": (
        (execution("FAILED", attempts=(attempt(passed=False, exit_code=None, failure_class="lost"),)),),
        "lost",
    ),
    "it failed with 0": (
        (execution("FAILED", attempts=(attempt(passed=False, exit_code=0, failure_class="sidecar_failed"),)),),
        "sidecar_failed",
    ),
    "nobody says why": ((execution("FAILED", attempts=(attempt(passed=False, exit_code=None),)),), "failed"),
    "a class that is too long": (
        (execution("FAILED", attempts=(attempt(passed=False, exit_code=None, failure_class="image_pull_failed"),)),),
        "image_pull_fai\u2026",
    ),
}


@pytest.mark.parametrize(("facts", "text"), TEXTS.values(), ids=TEXTS)
def test_what_stands_in_a_node(facts: tuple[Fact, ...], text: str) -> None:
    """How long it took, what it does, or why it failed."""
    assert [found for *_, found in nodes(requested(), *facts)] == [text]


def test_a_long_name_is_cut_and_its_title_is_whole() -> None:
    """What would steer the page shows as a picture of itself."""
    long = requested()
    [brief] = long.stages
    stage = brief.model_copy(update={"name": "x" * 30, "image": "a\x1bb"})
    [column] = drawn(long.model_copy(update={"stages": (stage,)})).columns
    assert column == Column(34, f"1 {'x' * 15}\u2026", f"{'x' * 30}: a\u241bb")
    exact = brief.model_copy(update={"name": "x" * 16})
    assert drawn(long.model_copy(update={"stages": (exact,)})).columns[0].name == f"1 {'x' * 16}"


def test_a_drawing_says_its_first_twelve_nodes() -> None:
    """A hundred stages are no text that anybody hears to its end."""
    assert drawn(requested(stages=13)).says.count("not run.") == 12


def test_a_rejected_request_has_no_drawing_and_no_bars() -> None:
    """Nothing was to run."""
    job = track(record(rejected()))
    assert job is not None
    assert graph_of(job) is None
    assert bars_of(job, (), NOW) == ()


def bars(*facts: Fact, now: float = NOW + 100) -> tuple[Bar, ...]:
    """A job's bars at a moment."""
    job = track(record(*facts))
    assert job is not None
    return bars_of(job, events_of(record(*facts)), now)


def test_bars_in_full() -> None:
    """In thousandths of the time from the request until now; an attempt is numbered where there are several."""
    assert bars(*REDRIVEN) == (
        Bar(
            "1 stage-1 \u00b7 1",
            (
                Part("queued", 10.0, 20.0),
                Part("starting", 30.0, 30.0),
                Part("running", 60.0, 440.0),
                Part("archiving", 500.0, 150.0),
            ),
            "queued 2.0 s, starting 3.0 s, running 44 s, archiving 15 s",
        ),
        Bar(
            "1 stage-1 \u00b7 2",
            (Part("queued", 610.0, 10.0), Part("starting", 620.0, 30.0), Part("running", 650.0, 350.0)),
            "queued 1.0 s, starting 3.0 s, running 35 s",
        ),
        Bar("2 stage-2", (Part("queued", 700.0, 300.0),), "queued 30 s"),
    )


SPANS: dict[str, tuple[dict[str, Any], float, list[tuple[str, float, float]]]] = {
    "it never started, and stopped": (
        {"pull_started_at": None, "started_at": None, "created_at": NOW + 10, "stopped_at": NOW + 50},
        NOW + 100,
        [("queued", 200.0, 800.0)],
    ),
    "nobody told when it was made": (
        {"created_at": None, "pull_started_at": NOW + 10, "started_at": NOW + 20},
        NOW + 100,
        [("starting", 200.0, 200.0), ("running", 400.0, 600.0)],
    ),
    "nobody told when it pulled": (
        {"created_at": NOW + 10, "pull_started_at": None, "started_at": NOW + 20},
        NOW + 100,
        [("queued", 200.0, 200.0), ("running", 400.0, 600.0)],
    ),
    "it took no time": (
        {"created_at": NOW, "pull_started_at": NOW, "started_at": NOW, "stopped_at": NOW + 0.01},
        NOW + 100,
        [("running", 0.0, 1000.0)],
    ),
}


@pytest.mark.parametrize(("changed", "now", "spans"), SPANS.values(), ids=SPANS)
def test_of_what_little_is_known_little_is_drawn(
    changed: dict[str, Any], now: float, spans: list[tuple[str, float, float]]
) -> None:
    """What did not happen has no part."""
    [bar] = bars(requested(), execution("RUNNING"), task(containers=(), **changed), now=now)
    assert [(part.kind, part.x, part.width) for part in bar.parts] == spans


def test_a_part_is_wide_enough_to_be_seen() -> None:
    """Two thousandths at the least; and a clock that is behind makes none of less than nothing."""
    late = running(created_at=NOW, pull_started_at=NOW + 0.1, started_at=NOW + 200)
    [bar] = bars(requested(), execution("RUNNING"), late, now=NOW + 150)
    assert [(part.kind, part.width) for part in bar.parts] == [("queued", 2.0), ("starting", 999.5), ("running", 2.0)]


def test_a_bar_begins_with_what_came_first() -> None:
    """Also where a task is told to be older than the request, by two clocks; and of nothing there is none."""
    early = running(created_at=NOW - 100, pull_started_at=NOW, started_at=NOW + 50)
    [bar] = bars(requested(), execution("RUNNING"), early)
    assert [part.x for part in bar.parts] == [0.0, 500.0, 750.0]
    assert bars(requested(), execution("RUNNING")) == ()
    nothing = running(created_at=None, pull_started_at=None, started_at=None)
    assert bars(requested(), execution("RUNNING"), nothing) == ()


def test_a_bar_ends_with_the_log_in_s3() -> None:
    """Which may be long after the end."""
    kept = receipt(archived_at=NOW + 150)
    [bar] = bars(requested(), execution(attempts=(attempt(),)), task(), kept, now=NOW + 9999)
    assert bar.parts[-1] == Part("archiving", 333.3, 666.7)
