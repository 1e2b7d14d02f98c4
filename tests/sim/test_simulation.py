"""The promises hold in thousands of histories, as far as they fit into some minutes; and each can be had again."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count

from tests.sim.campaign import run_seeds
from tests.sim.cli import replay
from tests.sim.mutants import MUTANTS
from tests.sim.simulation import simulate

_SEEDS = 3000
_MINUTES = 2.5  # Where the cores are slow or shared; a machine that has time simulates all seeds.
_JOBS = 4
_FEWEST_SEEDS = 200


def test_no_history_breaks_a_promise() -> None:
    """Crashes, loss, repetition, delay, reordering, throttling and rubbish, on all cores."""
    summary = run_seeds(range(_SEEDS), _JOBS, minutes=_MINUTES, fewest=_FEWEST_SEEDS)
    told = [f"seed {seed}: {found[0]}\n  replay: {replay(seed, _JOBS)}" for seed, found in summary.violations.items()]
    assert not told, "\n".join(told)
    assert summary.seeds >= _FEWEST_SEEDS
    assert summary.kills and summary.sigterms and summary.second_copies, "the faults were not felt"


def test_a_seed_is_one_exact_history() -> None:
    """Also in another interpreter, where every hash is another, and with the trace on."""
    program = "from tests.sim.simulation import simulate; print([simulate(seed).fingerprint for seed in range(3)])"
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert runs[0] == runs[1] == f"{[simulate(seed, trace=True).fingerprint for seed in range(3)]}\n"


def test_a_violation_replays_to_the_same_step_and_tells_its_story() -> None:
    """What was found without a trace is found again with it, at the same step."""
    with MUTANTS[0].at_work():
        found = next(result for result in map(simulate, count()) if result.violations)
        again = simulate(found.seed, trace=True)
    assert again.violations == found.violations
    assert again.fingerprint == found.fingerprint
    assert any("sqs.DeleteMessageBatch" in line for line in again.lines)


def test_a_crowd_is_served() -> None:
    """Hundreds of jobs at once, where every seed above has a handful."""
    result = simulate(4, jobs=150)
    assert not result.violations
    assert result.announcements > 120
