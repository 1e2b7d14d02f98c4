"""A burst against an account's quotas: do all jobs succeed, and how near to what the quotas allow?

    python -m tests.bench.burst              # all of it: some minutes of CPU
    python -m tests.bench.burst --jobs 1000 --workers 4

Real workers, the real planner and the real state machine, on virtual time: nobody waits for hours.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from tests.sim.burst import Burst, rate_of_run_task, run_burst, vcpus

BURSTS = {
    "5,000 jobs, RunTask 20/s with a bucket of 20": Burst(5000, rate_of_run_task(20)),
    "5,000 jobs, RunTask 20/s with a bucket of 100": Burst(5000, rate_of_run_task(100)),
    "5,000 jobs behind 2,000 that have no host": Burst(5000, rate_of_run_task(20), stuck=2000),
    "500 jobs of five minutes, a quota of 24 vCPU": Burst(500, vcpus(24), runs_seconds=300),
}
_LEAST_THROUGHPUT = 0.9
# Those without a host go on asking RunTask too: a hundred, each about once a minute, are a twelfth of its calls.
_LEAST_BESIDE_OTHERS = 0.8


def main() -> None:
    """Print each burst, and exit with 1 where one of them is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, help="instead of 5,000 and 500")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    well = True
    for name, burst in BURSTS.items():
        outcome = run_burst(replace(burst, jobs=given.jobs or burst.jobs, workers=given.workers))
        print(f"{name}, {given.workers} workers:\n  {outcome}", flush=True)
        well &= outcome.statuses == {"SUCCEEDED": given.jobs or burst.jobs}
        well &= outcome.throughput >= (_LEAST_BESIDE_OTHERS if burst.stuck else _LEAST_THROUGHPUT)
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
