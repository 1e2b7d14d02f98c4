"""How the demo is told: two letters whole, the other endings in a few lines each, and one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.demo.jobs import Check, DemoJob, Logs
from deploy.local.subscriber import Received
from schemas.notification import JobNotification

STYLES = {"SUCCEEDED": "green", "FAILED": "red", "TIMED_OUT": "red", "ABORTED": "magenta", "REJECTED": "yellow"}
# The article's, and one that failed: enough to know the letter by.
_TOLD_WHOLE = frozenset({"article", "exits"})


@dataclass
class Outcome:
    """One job of the demo, and what has come of it so far."""

    job: DemoJob
    sent_at: float
    received: Received | None = None
    after_seconds: float = 0.0
    logs: Logs = ()
    checks: list[Check] = field(default_factory=list)
    cancelled: bool = False

    @property
    def held(self) -> bool:
        """Whether it was announced, and every claim held."""
        return self.received is not None and all(check.held for check in self.checks)


def tell(outcomes: Sequence[Outcome], console: Console) -> None:
    """What subscribers got."""
    for outcome in outcomes:
        if outcome.received is not None and outcome.job.job_id in _TOLD_WHOLE:
            _tell_whole(outcome, outcome.received, console)
    console.rule("[bold]The other endings, in short")
    for outcome in outcomes:
        if outcome.received is not None and outcome.job.job_id not in _TOLD_WHOLE:
            _tell_short(outcome.received.notification, outcome.received.subject, console)
    console.print()


def _tell_whole(outcome: Outcome, received: Received, console: Console) -> None:
    """The notification as the subscriber got it, and what the log links gave."""
    console.rule(f"[bold]{outcome.job.title}, as its subscriber gets it")
    console.print(Text("Subject: " + received.subject, style="bold"))
    console.print(Text(received.notification.text), soft_wrap=True)
    for receipt, text in outcome.logs:
        console.print(Text(f"GET {receipt.s3_uri}", style="cyan"), soft_wrap=True)
        for line in text.splitlines():
            console.print(Text(f"  | {line}"), soft_wrap=True)
    console.print()


def _tell_short(notification: JobNotification, subject: str, console: Console) -> None:
    console.print(Text("● ", style=STYLES[notification.status]) + Text(subject, style="bold"))
    for line in _gist(notification):
        console.print(Text(f"    {line}"), soft_wrap=True)


def _gist(notification: JobNotification) -> Iterator[str]:
    """Evidence and remedy; of what went well, nothing more is asked."""
    if notification.failure:
        yield notification.failure.evidence
        yield f"-> {notification.failure.next_action}"
    if notification.rejection:
        for problem in notification.rejection.problems:
            yield f"{problem.field}: {problem.message}. {problem.remedy}"


def table(outcomes: Sequence[Outcome]) -> Table:
    """One line a job, narrow enough for a terminal of 80 columns."""
    shown = Table(
        title="Jobferry's demo",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in ("Job", "Status", "Why", "Exit", "Log", "Took", "Checks"):
        shown.add_column(name, justify="right" if name in {"Exit", "Log", "Took"} else "left", no_wrap=True)
    for outcome in outcomes:
        shown.add_row(*_row(outcome))
    return shown


def _row(outcome: Outcome) -> tuple[str | Text, ...]:
    if outcome.received is None:
        return (outcome.job.title, Text("MISSING", style="red"), "", "", "", "", Text("✗", style="red"))
    notification = outcome.received.notification
    codes = [stage.attempts[-1].exit_code for stage in notification.stages if stage.attempts]
    held = sum(check.held for check in outcome.checks)
    return (
        outcome.job.title,
        Text(notification.status, style=STYLES.get(notification.status, "red")),
        notification.failure.failure_class if notification.failure else "",
        ", ".join("none" if code is None else str(code) for code in codes) or "-",
        str(sum(receipt.lines for receipt, _ in outcome.logs)) if outcome.logs else "-",
        f"{outcome.after_seconds:.1f}s",
        Text(f"✓ {held}", style="green") if outcome.held else Text(f"✗ {held}", style="red"),
    )


def broken(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    """Every claim that did not hold."""
    for outcome in outcomes:
        if outcome.received is None:
            yield Text(f"✗ {outcome.job.title}: no notification came", style="red")
        for check in outcome.checks:
            if not check.held:
                yield Text(f"✗ {outcome.job.title}: {check.what}", style="red")
