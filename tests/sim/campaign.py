"""Many seeds on all cores, summed up."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice

from tests.sim.judge import Violation
from tests.sim.simulation import Result, simulate_all

_SEEDS_A_BATCH = 20


@dataclass
class Summary:
    """What many seeds showed together."""

    seeds: int = 0
    jobs: int = 0
    virtual_seconds: float = 0.0
    calls: int = 0
    steps: int = 0
    announcements: int = 0
    second_copies: int = 0
    index_writes: int = 0
    delays_after_kills: list[float] = field(default_factory=list)
    kills: int = 0
    sigterms: int = 0
    wall_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, list[Violation]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count one seed."""
        self.seeds += 1
        self.jobs += result.jobs
        self.virtual_seconds += result.seconds
        self.calls += result.calls
        self.steps += result.steps
        self.announcements += result.announcements
        self.second_copies += result.second_copies
        self.index_writes += result.index_writes
        self.delays_after_kills += result.delays_after_kills
        self.kills += result.kills
        self.sigterms += result.sigterms
        self.faults += result.faults
        if result.violations:
            self.violations[result.seed] = result.violations


def run_seeds(
    seeds: Iterable[int],
    jobs: int,
    *,
    minutes: float = float("inf"),
    workers: int = multiprocessing.cpu_count(),
) -> Summary:
    """Simulate seeds, until they are used up, or the minutes are."""
    began = time.monotonic()
    summary = Summary()
    # Not forked from here, since a test session may have threads running; and imported once for all of them.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(workers, context) as pool:
        batches = _batches(seeds)
        running = {pool.submit(simulate_all, batch, jobs) for batch in islice(batches, 2 * workers)}
        while running:
            done = next(as_completed(running))
            running.remove(done)
            for result in done.result():
                summary.add(result)
            if time.monotonic() - began < 60 * minutes:
                running |= {pool.submit(simulate_all, batch, jobs) for batch in islice(batches, 1)}
    summary.wall_seconds = time.monotonic() - began
    return summary


def _batches(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while batch := list(islice(left, _SEEDS_A_BATCH)):
        yield batch
