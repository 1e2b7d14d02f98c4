"""The one table of a drill."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.chaos.drill import Report
from tests.chaos.verdict import Verdict

_MOST_EXAMPLES = 5
# What must be nothing, by the name of the verdict's member.
MUST_BE_NONE = {
    "lost": "Lost",
    "wrong": "Wrong status or exit codes",
    "doubled": "Doubled",
    "unexcused": "Same-id repeats without excuse",
    "stuck": "Stuck",
    "executions_beyond": "Executions or tasks beyond one",
    "outlived": "Tasks that a redrive took the place of, and that ran on",
    "broken_links": "Links that did not open",
}


def show(report: Report, console: Console) -> None:
    """Print the table, and examples of what went wrong."""
    console.print(_table(report))
    for member, title in MUST_BE_NONE.items():
        for line in getattr(report.verdict, member)[:_MOST_EXAMPLES]:
            console.print(Text(f"{title}: {line}", style="red"))
    if not report.passed:
        console.print(f"The workers' logs: {report.logs}. Again: python -m tests.chaos --seed {report.plan.seed}")


def _table(report: Report) -> Table:
    title = f"Chaos, seed {report.plan.seed}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("What")
    table.add_column("Figure", justify="right")
    for name, value in _figures(report):
        table.add_row(name, value)
    return table


def _figures(report: Report) -> list[tuple[str, str | Text]]:
    verdict, deaths = report.verdict, report.deaths
    return [
        ("Outcomes due", f"{verdict.jobs}"),
        ("Redrives", f"{report.redrives}"),
        *((f"Wishes sent: {wish}", f"{number}") for wish, number in sorted(report.wishes.items())),
        ("Seconds", f"{report.seconds:.0f}"),
        ("Calls of the workers", f"{report.calls:,}"),
        ("Workers killed by SIGKILL", f"{deaths.get('SIGKILL', 0)}"),
        ("Workers told to go by SIGTERM", f"{deaths.get('SIGTERM', 0)}"),
        *((f"  {name}", f"{number}") for name, number in sorted(report.faults.items())),
        *((title, _nothing(len(getattr(verdict, member)))) for member, title in MUST_BE_NONE.items()),
        ("Dead-lettered", _nothing(verdict.dead_lettered)),
        ("Workers that crashed by themselves", _nothing(deaths.get("crashed", 0))),
        ("Workers that did not leave in time", _nothing(deaths.get("late", 0))),
        ("Same-id repeats", f"{verdict.repeats}"),
        ("Seconds from send to announcement, p50", f"{verdict.seconds_at(0.5):.1f}"),
        ("Seconds from send to announcement, p99", f"{verdict.seconds_at(0.99):.1f}"),
    ]


def _nothing(number: int) -> Text:
    return Text(str(number), style="red" if number else "green")


def as_json(report: Report) -> str:
    """The same for machines."""
    return json.dumps(
        {
            "seed": report.plan.seed,
            "passed": report.passed,
            "seconds": round(report.seconds, 1),
            "calls": report.calls,
            "redrives": report.redrives,
            "wishes": dict(report.wishes),
            "deaths": dict(report.deaths),
            **({} if report.passed else {"seen": report.seen}),
            "faults": dict(report.faults),
            **_told(report.verdict),
        }
    )


def _told(verdict: Verdict) -> dict[str, Any]:
    told = asdict(verdict)
    del told["seconds"]
    return {**told, "p50": round(verdict.seconds_at(0.5), 2), "p99": round(verdict.seconds_at(0.99), 2)}
