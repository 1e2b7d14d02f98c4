"""A job's drawing and the bars of its time, whole: where each part lies, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from service.console.drawing import MOST_BARS, Bar, Column, Timeline, graph_of, timeline_of
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
    assert (graph.width, graph.height, graph.middle) == (536, 106, 41)
    assert graph.columns == (Column(34, "1 stage-1"), Column(202, "2 stage-2"), Column(370, "3 stage-3"))
    assert nodes(*REDRIVEN) == [
        (34, 26, "FAILED", "exit 3"),
        (34, 66, "RUNNING", "running"),
        (202, 26, "RUNNING", "running"),
        (370, 26, "NOT_RUN", "\u2013"),
    ]
    assert [(node.key, node.stage, node.attempt and node.attempt.attempt, node.has_log) for node in graph.nodes] == [
        ("n-1-0", 1, 1, True),
        ("n-1-1", 1, 2, True),
        ("n-2-0", 2, 1, True),
        ("n-3-0", 3, None, False),
    ]
    assert [node.says for node in graph.nodes] == [
        "Stage 1 stage-1 (echo), attempt 1: failed, exit 3",
        "Stage 1 stage-1 (echo), redrive 1, attempt 2: running, running",
        "Stage 2 stage-2 (echo), redrive 1, attempt 1: running, running",
        "Stage 3 stage-3 (echo): not run",
    ]
    assert graph.end == "RUNNING"
    assert graph.taken == "M22 41H34M48 56V66"
    assert graph.to_come == "M166 81H184V41H202M334 41H370M502 41H518"
    assert graph.dots == {"FAILED": "M48 41h0", "NOT_RUN": "M384 41h0", "RUNNING": "M48 81h0M216 41h0"}


def test_a_job_that_succeeded_went_all_the_way() -> None:
    """Each line was taken."""
    both = (attempt(), attempt(2))
    job = (requested(stages=2), execution(attempts=both), task(), receipt(), task("t2", stage=2), receipt("t2"))
    graph = drawn(*job, announced())
    assert (graph.end, graph.to_come, graph.taken.count("M")) == ("SUCCEEDED", "", 3)
    assert [text for *_, text in nodes(*job)] == ["44 s", "44 s"]
    assert (drawn(*job).to_come.count("M"), drawn(*job).taken.count("M")) == (1, 2)


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
    graph = drawn(long.model_copy(update={"stages": (stage,)}))
    assert graph.columns == (Column(34, f"1 {'x' * 15}\u2026"),)
    assert graph.nodes[0].says == f"Stage 1 {'x' * 30} (a\u241bb): not run"
    exact = brief.model_copy(update={"name": "x" * 16})
    assert drawn(long.model_copy(update={"stages": (exact,)})).columns[0].name == f"1 {'x' * 16}"


@pytest.mark.parametrize(
    ("tries", "texts"),
    [
        (8, ["exit 1"] * 8),
        (9, [*["exit 1"] * 2, "2 more", *["exit 1"] * 5]),
        (600, [*["exit 1"] * 2, "593 more", *["exit 1"] * 5]),
    ],
)
def test_a_stage_that_was_tried_often_is_drawn_in_part(tries: int, texts: list[str]) -> None:
    """Its first attempts and its last, and how many there are between."""
    failed = (task(f"t{n}", attempt=n, containers=(container(exit_code=1),)) for n in range(1, tries + 1))
    graph = drawn(requested(), execution("RUNNING"), *failed)
    assert [node.text for node in graph.nodes] == texts
    assert graph.height == 26 + 8 * 40
    assert [node.key for node in graph.nodes] == [f"n-1-{row}" for row in range(8)]
    if tries > 8:
        assert (graph.nodes[2].status, graph.nodes[2].has_log) == ("", False)
        assert graph.nodes[2].says == f"Stage 1 stage-1 (echo): {tries - 7} more attempts"


def test_a_rejected_request_has_no_drawing_and_no_bars() -> None:
    """Nothing was to run."""
    job = track(record(rejected()))
    assert job is not None
    assert graph_of(job) is None
    assert timeline_of(job, (), NOW) is None


def timed(*facts: Fact, now: float = NOW + 100) -> Timeline:
    """A job's timeline at a moment."""
    job = track(record(*facts))
    assert job is not None
    found = timeline_of(job, events_of(record(*facts)), now)
    assert found is not None
    return found


def test_a_timeline_in_full() -> None:
    """In seconds since the request; an attempt is numbered where there are several."""
    timeline = timed(*REDRIVEN)
    assert timeline.bars == (
        Bar("b-0-1-1", "1 stage-1 \u00b7 1", "queued 2.0 s, starting 3.0 s, running 44 s, archiving 15 s"),
        Bar("b-1-1-2", "1 stage-1 \u00b7 2", "queued 1.0 s, starting 3.0 s, running 35 s"),
        Bar("b-1-2-1", "2 stage-2", "queued 30 s"),
    )
    assert timeline.paths == {
        "queued": "M1 10h2M61 30h1M70 50h30",
        "starting": "M3 10h3M62 30h3",
        "running": "M6 10h44",
        "archiving": "M50 10h15",
        "now": "M65 30h35",
    }
    assert (timeline.whole, timeline.scale, timeline.left_out) == (100.0, "10", 0)


def test_while_time_goes_on_what_is_over_stays_as_it_was_drawn() -> None:
    """Only what runs still grows, and the scale shrinks."""
    now, later = timed(*REDRIVEN), timed(*REDRIVEN, now=NOW + 120)
    assert {kind for kind in now.paths if now.paths[kind] != later.paths[kind]} == {"queued", "now"}
    assert (later.scale, later.paths["now"]) == ("8.33333", "M65 30h55")


SPANS: dict[str, tuple[dict[str, Any], float, dict[str, str]]] = {
    "it never started, and stopped": (
        {"pull_started_at": None, "started_at": None, "created_at": NOW + 10, "stopped_at": NOW + 50},
        NOW + 100,
        {"queued": "M10 10h40"},
    ),
    "nobody told when it was made": (
        {"created_at": None, "pull_started_at": NOW + 10, "started_at": NOW + 20},
        NOW + 100,
        {"starting": "M10 10h10", "running": "M20 10h30"},
    ),
    "nobody told when it pulled": (
        {"created_at": NOW + 10, "pull_started_at": None, "started_at": NOW + 20},
        NOW + 100,
        {"queued": "M10 10h10", "running": "M20 10h30"},
    ),
    "it took no time": (
        {"created_at": NOW, "pull_started_at": NOW, "started_at": NOW, "stopped_at": NOW + 0.01},
        NOW + 100,
        {"running": "M0 10h0.01"},
    ),
}


@pytest.mark.parametrize(("changed", "now", "paths"), SPANS.values(), ids=SPANS)
def test_of_what_little_is_known_little_is_drawn(changed: dict[str, Any], now: float, paths: dict[str, str]) -> None:
    """What did not happen has no part."""
    assert timed(requested(), execution("RUNNING"), task(containers=(), **changed), now=now).paths == paths


def test_a_part_is_wide_enough_to_be_seen() -> None:
    """A five-hundredth of the whole at the least; and a clock that is behind makes none of less than nothing."""
    late = running(created_at=NOW, pull_started_at=NOW + 0.1, started_at=NOW + 200)
    timeline = timed(requested(), execution("RUNNING"), late, now=NOW + 150)
    assert timeline.paths == {"queued": "M0 10h0.5", "starting": "M0.1 10h199.9", "now": "M200 10h0.5"}


def test_a_timeline_begins_with_what_came_first() -> None:
    """Also where a task is told to be older than the request, by two clocks; and of nothing there is none."""
    early = running(created_at=NOW - 100, pull_started_at=NOW, started_at=NOW + 50)
    paths = timed(requested(), execution("RUNNING"), early).paths
    assert paths == {"queued": "M0 10h100", "starting": "M100 10h50", "now": "M150 10h50"}
    nothing = running(created_at=None, pull_started_at=None, started_at=None)
    for facts in ((requested(), execution("RUNNING")), (requested(), execution("RUNNING"), nothing)):
        job = track(record(*facts))
        assert job is not None
        assert timeline_of(job, (), NOW) is None


def test_a_timeline_ends_with_the_log_in_s3() -> None:
    """Which may be long after the end."""
    kept = receipt(archived_at=NOW + 150)
    timeline = timed(requested(), execution(attempts=(attempt(),)), task(), kept, now=NOW + 9999)
    assert (timeline.paths["archiving"], timeline.whole) == ("M50 10h100", 150.0)


def test_of_many_attempts_the_last_have_bars() -> None:
    """And it is said how many have none."""
    tries = (task(f"t{n}", attempt=n, containers=(container(exit_code=1),)) for n in range(1, 601))
    timeline = timed(requested(), execution("RUNNING"), *tries)
    assert (len(timeline.bars), timeline.left_out) == (MOST_BARS, 480)
    assert (timeline.bars[0].key, timeline.bars[-1].key) == ("b-0-1-481", "b-0-1-600")
