"""The command line of the simulator: one table for many seeds, one story for one."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

from tests.sim.campaign import Summary, run_seeds
from tests.sim.many_scenes import MANY_SCENES, MANY_STORIES, play_many
from tests.sim.redrives import SCENES, Scene, play
from tests.sim.simulation import QUIESCENCE_SECONDS, Result, simulate
from tests.sim.wish_scenes import WISH_SCENES, WISH_STORIES, play_wish

_MOST_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate as told; 1 where a promise was broken."""
    told = _parser().parse_args(arguments)
    if told.seed is not None:
        return _one(told.seed, told.jobs, trace=told.trace)
    if told.redrives is not None:
        return _redrives(told.redrives, trace=told.trace)
    seeds = range(told.first, told.first + told.seeds) if told.seeds else count(told.first)
    minutes = told.minutes or (float("inf") if told.seeds else 1.0)
    summary = run_seeds(seeds, told.jobs, minutes=minutes)
    if told.json:
        print(json.dumps(_as_json(summary)))
    else:
        _tell(summary, told.jobs)
    return 1 if summary.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds; left out, as many as a minute holds")
    parser.add_argument("--first", type=int, default=None, help="the first seed; left out, by the clock")
    parser.add_argument("--jobs", type=int, default=4, help="jobs a seed (default 4)")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, help="replay this one seed")
    parser.add_argument("--trace", action="store_true", help="with --seed or --redrives: print whole histories")
    parser.add_argument(
        "--redrives",
        nargs="?",
        const="",
        help="play the scripted redrives and wishes, or those with these words in their name",
    )
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.set_defaults(first=int(time.time()) * 1000)
    return parser


def _one(seed: int, jobs: int, *, trace: bool) -> int:
    result = simulate(seed, jobs, trace=trace)
    for line in result.lines:
        print(line)
    _verdict(result, jobs)
    return 1 if result.violations else 0


def _redrives(words: str, *, trace: bool) -> int:
    scenes = [scene for scene in (*SCENES, *WISH_SCENES, *MANY_SCENES) if words in str(scene)]
    broken = 0
    for scene in scenes:
        result = _player_of(scene)(scene, trace=trace)
        broken += bool(result.violations)
        for line in (*result.lines, *result.violations):
            print(line)
        if trace or result.violations:
            print(f"  in the scene: {scene}\n  replay: {replay_scene(scene)}")
    print(f"{len(scenes)} scripted scenes, a promise broken in {broken}.")
    return 1 if broken or not scenes else 0


def _player_of(scene: Scene) -> Callable[..., Result]:
    if scene.story in MANY_STORIES:
        return play_many
    return play_wish if scene.story in WISH_STORIES else play


def replay_scene(scene: Scene) -> str:
    """The one command that plays a scene again, to the same step."""
    return f"{sys.executable} -m tests.sim --redrives '{scene}' --trace"


def _verdict(result: Result, jobs: int) -> None:
    print(
        f"seed {result.seed}, {jobs} jobs: {result.steps:,} steps, {result.calls:,} calls, "
        f"{result.seconds / 60:.1f} virtual minutes, {result.announcements} announcements, "
        f"{result.kills} kills, history {result.fingerprint:08x}"
    )
    for violation in result.violations:
        print(f"  {violation}")


def _tell(summary: Summary, jobs: int) -> None:
    for name, value in _rows(summary):
        print(f"  {name:<34}{value:>14}")
    shown = list(summary.violations.items())[:_MOST_SHOWN]
    for seed, violations in shown:
        print(f"\nseed {seed}: {violations[0]}\n  replay: {replay(seed, jobs)}")
    if len(summary.violations) > len(shown):
        print(f"\nand {len(summary.violations) - len(shown)} more seeds")
    print("\nEvery promise held." if not summary.violations else "\nPromises were broken.")


def replay(seed: int, jobs: int) -> str:
    """The one command that plays a seed again, to the same step."""
    return f"{sys.executable} -m tests.sim --seed {seed} --jobs {jobs} --trace"


def _rows(summary: Summary) -> list[tuple[str, str]]:
    faults = [(f"  {name}", f"{number:,}") for name, number in sorted(summary.faults.items())]
    return [
        ("seeds", f"{summary.seeds:,}"),
        ("requests sent", f"{summary.jobs:,}"),
        ("virtual hours", f"{summary.virtual_seconds / 3600:,.0f}"),
        ("AWS calls", f"{summary.calls:,}"),
        ("scheduler steps", f"{summary.steps:,}"),
        ("faults injected", f"{sum(summary.faults.values()):,}"),
        *faults,
        ("workers killed (-9)", f"{summary.kills:,}"),
        ("workers told to stop (SIGTERM)", f"{summary.sigterms:,}"),
        ("announcements", f"{summary.announcements:,}"),
        ("second copies, same id", f"{summary.second_copies:,}"),
        ("killed between claim and Publish", f"{len(summary.delays_after_kills):,}"),
        ("  announced after, median s", _median(summary.delays_after_kills)),
        ("  announced after, longest s", f"{max(summary.delays_after_kills, default=0):,.0f}"),
        ("writes of the sweeper's index a job", f"{summary.index_writes / max(1, summary.announcements):.1f}"),
        (f"unsettled {QUIESCENCE_SECONDS / 60:g} min after faults", f"{_unsettled(summary):,}"),
        ("seeds with a broken promise", f"{len(summary.violations):,}"),
        ("wall seconds", f"{summary.wall_seconds:,.1f}"),
        ("seeds a minute", f"{60 * summary.seeds / summary.wall_seconds:,.0f}"),
        ("requests a second", f"{summary.jobs / summary.wall_seconds:,.0f}"),
    ]


def _median(seconds: list[float]) -> str:
    return f"{median(seconds):,.0f}" if seconds else "none"


def _unsettled(summary: Summary) -> int:
    return sum(violations[0].promise == 4 for violations in summary.violations.values())


def _as_json(summary: Summary) -> dict[str, object]:
    told = {name: value for name, value in vars(summary).items() if name != "violations"}
    return told | {"violations": {seed: [str(item) for item in found] for seed, found in summary.violations.items()}}
