"""`python -m tests.chaos`: one drill and its table. Exit 0 only if every promise was kept."""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import replace

from rich.console import Console

from tests.chaos.drill import Report, drill
from tests.chaos.faults import FAULT_RATES
from tests.chaos.plan import BusRates, Plan
from tests.chaos.table import as_json, show

_SHARE_OF_STORM = 0.6


def main() -> int:
    """Run one drill."""
    options = _parse()
    console = Console(stderr=True, highlight=False)
    plan = _plan(options)
    console.print(f"Chaos with seed {plan.seed}: {plan.jobs} jobs, at most {plan.seconds:.0f} s.")
    report = _drill(plan, console, quiet=options.quiet or options.json)
    if options.json:
        print(as_json(report))  # noqa: T201  # the figures are what was asked for
    else:
        show(report, Console(highlight=False))
    return 0 if report.passed else 1


def _drill(plan: Plan, console: Console, *, quiet: bool) -> Report:
    if quiet or not console.is_terminal:
        return drill(plan)
    with console.status("Starting an AWS of our own ...") as status:
        return drill(plan, status.update)


def _parse() -> argparse.Namespace:
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=default.jobs)
    parser.add_argument("--workers", type=int, default=default.workers)
    parser.add_argument("--seed", type=int, default=None, help="a new one each time, if left out; it is printed")
    parser.add_argument(
        "--seconds",
        type=float,
        default=default.seconds,
        help="then what is open is stuck; the trouble ends at 60 %% of it",
    )
    parser.add_argument("--rate", type=float, default=default.jobs_per_second, help="jobs a second")
    parser.add_argument("--faults", type=float, default=1.0, help="times the usual rates of faults; 0 for none")
    parser.add_argument("--kills", type=float, default=default.kills_per_minute, help="deaths of workers a minute")
    parser.add_argument("--lose", type=float, default=None, help="share of events that are lost; 1 for all")
    parser.add_argument("--quiet", action="store_true", help="the table only")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    bus = BusRates()
    if options.lose is not None:
        bus = replace(bus, lose_executions=options.lose, lose_tasks=options.lose)
    return Plan(
        jobs=options.jobs,
        workers=options.workers,
        seed=secrets.randbelow(1_000_000) if options.seed is None else options.seed,
        seconds=options.seconds,
        storm_seconds=options.seconds * _SHARE_OF_STORM,
        jobs_per_second=options.rate,
        kills_per_minute=options.kills,
        fault_rates={fault: rate * options.faults for fault, rate in FAULT_RATES.items()},
        bus=bus,
    )


if __name__ == "__main__":
    sys.exit(main())
