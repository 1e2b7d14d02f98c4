"""A burst against an account's quotas: do all jobs succeed, and how near to what the quotas allow?

    python -m tests.bench.burst              # all of it: some minutes of CPU
    python -m tests.bench.burst --jobs 1000 --workers 4
    python -m tests.bench.burst --flows      # 1, 20 and 300 jobs a second, as in docs/scale.md

Real workers, the real planner and the real state machine, on virtual time: nobody waits for hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

from tests.sim.burst import Burst, rate_of_run_task, run_burst, vcpus
from tests.support.aws.quotas import Quota, Quotas

BURSTS = {
    "5,000 jobs, RunTask 20/s with a bucket of 20": Burst(5000, rate_of_run_task(20)),
    "5,000 jobs, RunTask 20/s with a bucket of 100": Burst(5000, rate_of_run_task(100)),
    "5,000 jobs behind 2,000 that have no host": Burst(5000, rate_of_run_task(20), stuck=2000),
    "500 jobs of five minutes, a quota of 24 vCPU": Burst(500, vcpus(24), runs_seconds=300),
}


def _account(run_task: float, log_reads: float, starts: float = 150) -> Callable[[], Quotas]:
    """Of these rates, and of all the vCPUs one could want."""
    return lambda: Quotas(
        run_task=Quota(run_task, run_task),
        launches=Quota(max(100, run_task), run_task),
        start_execution=Quota(max(800, starts), starts),
        get_log_events=Quota(log_reads, log_reads),
        vcpus=float("inf"),
    )


# By the number of workers, with the template's own reads of logs.
FLOWS = {
    "1 job a second, an account as it comes": (
        2,
        Burst(300, _account(20, 10), per_second=1, log_reads=5, log_batches=1.5),
    ),
    "20 jobs a second, an account as it comes": (
        2,
        Burst(1200, _account(20, 10), per_second=20, log_reads=5, log_batches=1.5),
    ),
    "20 jobs a second, an account as it comes, each log by itself": (
        2,
        Burst(1200, _account(20, 10), per_second=20, log_reads=5),
    ),
    "40 jobs a second, RunTask 80/s": (
        2,
        Burst(2400, _account(80, 10), per_second=40, log_reads=5, log_batches=1.5),
    ),
    "300 jobs a second, RunTask 400/s, starts 300/s, no log in CloudWatch is the limit": (
        20,
        Burst(3000, _account(400, 100_000, 300), per_second=300, log_reads=1000),
    ),
}
_LEAST_THROUGHPUT = 0.9
# Those without a host go on asking RunTask too: a hundred, each about once a minute, are a twelfth of its calls.
_LEAST_BESIDE_OTHERS = 0.8


def main() -> None:
    """Print each burst, and exit with 1 where one of them is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, help="instead of 5,000 and 500")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flows", action="store_true", help="jobs that come one after the other instead")
    given = parser.parse_args()
    if given.flows:
        for name, (workers, burst) in FLOWS.items():
            outcome = run_burst(replace(burst, workers=workers))
            print(f"{name}, {workers} workers:\n  {outcome.flow}\n  {outcome}", flush=True)
        return
    well = True
    for name, burst in BURSTS.items():
        outcome = run_burst(replace(burst, jobs=given.jobs or burst.jobs, workers=given.workers))
        print(f"{name}, {given.workers} workers:\n  {outcome}", flush=True)
        well &= outcome.statuses == {"SUCCEEDED": given.jobs or burst.jobs}
        well &= outcome.throughput >= (_LEAST_BESIDE_OTHERS if burst.stuck else _LEAST_THROUGHPUT)
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
