"""`jobferry demo`: real jobs, end to end, on the embedded AWS; every claim checked."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.examples.pictures.drawing import ferry
from deploy.local.demo_jobs import INPUT_KEY, RENDITIONS, Check, DemoJob, Logs, demo_jobs
from deploy.local.local_run import LocalRun, local_run
from deploy.local.subscriber import Received, Subscriber
from schemas.notification import JobNotification, Link, LogReceipt

FOLDER = Path(".jobferry")
_ALL_WITHIN_SECONDS = 120
_HTTP_TIMEOUT_SECONDS = 10
_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "REJECTED": "yellow"}


@dataclass
class Outcome:
    """One job of the demo, and what has come of it so far."""

    job: DemoJob
    sent_at: float
    received: Received | None = None
    after_seconds: float = 0.0
    logs: Logs = ()
    checks: list[Check] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return self.received is not None and all(check.held for check in self.checks)


def demo(*, as_json: bool) -> int:
    """Run the demo. 0 only if every check held."""
    console = Console(stderr=as_json, highlight=False)
    FOLDER.mkdir(exist_ok=True)
    log_path = FOLDER / "worker.log"
    with console.status("Starting an AWS of our own ..."), log_path.open("wb") as log:
        started = time.monotonic()
        with local_run() as run, run.worker(log=log.fileno()) as worker:
            console.print(f"Jobferry runs at {run.endpoint_url} (up in {time.monotonic() - started:.1f} s).")
            outcomes = _run_jobs(run, console, worker)
            pictures = _fetch_pictures(run)
    for outcome in outcomes:
        _tell(outcome, console)
    outcomes[1].checks.extend(pictures.checks)
    console.print(_table(outcomes))
    console.print(pictures.where)
    console.print(f"The worker's log: {log_path}")
    if as_json:
        for outcome in outcomes:
            print(outcome.received.raw if outcome.received else json.dumps({"missing": outcome.job.title}))
    return 0 if all(outcome.held for outcome in outcomes) else 1


def _run_jobs(run: LocalRun, console: Console, worker: subprocess.Popen[bytes]) -> list[Outcome]:
    subscriber = Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="demo-subscriber")
    run.session.client("s3").put_object(
        Bucket=run.stack.outputs["LogBucketName"], Key=INPUT_KEY, Body=ferry(), ContentType="image/jpeg"
    )
    sqs = run.session.client("sqs")
    outcomes = []
    for job in demo_jobs():
        sqs.send_message(QueueUrl=run.stack.outputs["RequestQueueUrl"], MessageBody=job.body)
        outcomes.append(Outcome(job, time.monotonic()))
    _watch(run, subscriber, outcomes, console, worker)
    return outcomes


def _watch(
    run: LocalRun, subscriber: Subscriber, outcomes: list[Outcome], console: Console, worker: subprocess.Popen[bytes]
) -> None:
    """Show how the jobs come along, until all were announced."""
    deadline = time.monotonic() + _ALL_WITHIN_SECONDS
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while not all(outcome.received for outcome in outcomes) and time.monotonic() < deadline:
            live.update(_progress(run, outcomes))
            for received in subscriber.receive(wait_seconds=0):
                _note(received, outcomes)
            if worker.poll() is not None:
                break
            time.sleep(0.1)


def _note(received: Received, outcomes: list[Outcome]) -> None:
    """Check a notification as a subscriber would, the moment it arrives."""
    told = received.notification
    outcome = next((item for item in outcomes if item.job.job_id == told.job_id), None)
    if outcome is None or outcome.received is not None:
        outcomes[0].checks.append(Check(f"one notification an outcome, but {told.id} came again", False))
        return
    outcome.received = received
    outcome.after_seconds = time.monotonic() - outcome.sent_at
    outcome.checks.append(Check(f"status {outcome.job.expected}", told.status == outcome.job.expected))
    outcome.checks.append(Check("filter attribute", received.attributes.get("status") == told.status))
    if told.rejection:
        outcome.checks.append(_kept(told.rejection.body_link, outcome.job.body))
    logs = [(receipt, _fetch(receipt.link) if receipt.link else "") for receipt in _receipts(told)]
    outcome.logs = logs
    outcome.checks.extend(_log_checks(logs))
    outcome.checks.extend(outcome.job.checks(told, logs))


def _receipts(told: JobNotification) -> Iterator[LogReceipt]:
    for stage in told.stages:
        for attempt in stage.attempts:
            yield from (container.log for container in attempt.containers if container.log)


def _log_checks(logs: Logs) -> Iterator[Check]:
    for receipt, text in logs:
        name = f"log of {receipt.container}"
        yield Check(f"{name} is complete", receipt.status == "complete")
        yield Check(f"{name} opens by its link", hashlib.sha256(text.encode()).hexdigest() == receipt.sha256)


def _kept(link: Link | None, body: str) -> Check:
    return Check("its body is kept", link is not None and _fetch(link) == body)


def _fetch(link: Link) -> str:
    try:
        with urllib.request.urlopen(link.url, timeout=_HTTP_TIMEOUT_SECONDS) as answer:
            text: bytes = answer.read()
    except OSError as error:
        return f"the link does not open: {error}"
    return text.decode()


@dataclass(frozen=True)
class _Pictures:
    where: str
    checks: list[Check]


def _fetch_pictures(run: LocalRun) -> _Pictures:
    """The contact sheet and its manifest, checked, and copied to where they outlive the demo."""
    bucket, prefix = run.stack.outputs["LogBucketName"], "jobs/pictures/stages/2/"
    s3 = run.session.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    for key in keys:
        (FOLDER / key.removeprefix(prefix)).write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    where = f"The pictures: s3://{bucket}/{prefix}, copied to {FOLDER / 'contact-sheet.png'}"
    return _Pictures(where, list(_picture_checks({key.removeprefix(prefix) for key in keys})))


def _picture_checks(names: set[str]) -> Iterator[Check]:
    yield Check("sheet and manifest are in S3", names == {"contact-sheet.png", "manifest.json"})
    if names == {"contact-sheet.png", "manifest.json"}:
        manifest = json.loads((FOLDER / "manifest.json").read_bytes())
        sheet = (FOLDER / "contact-sheet.png").read_bytes()
        yield Check("the sheet is the manifest's", hashlib.sha256(sheet).hexdigest() == manifest["sheet"]["sha256"])
        yield Check("the manifest names each picture", len(manifest["pictures"]) == RENDITIONS)


def _progress(run: LocalRun, outcomes: list[Outcome]) -> Table:
    states = _execution_states(run)
    table = Table.grid(padding=(0, 2))
    for outcome in outcomes:
        told = outcome.received
        state = told.notification.status if told else states.get(outcome.job.job_id or "", "sent")
        mark = Text("●", style=_STYLES.get(state, "cyan") if told else "dim")
        table.add_row(mark, outcome.job.title, Text(state.lower(), style="bold" if told else "dim"))
    return table


def _execution_states(run: LocalRun) -> dict[str, str]:
    """How far each execution is, for the live view only."""
    client = run.session.client("stepfunctions")
    found = client.list_executions(stateMachineArn=run.stack.outputs["StateMachineArn"])["executions"]
    return {item["name"]: "running" if item["status"] == "RUNNING" else "archiving logs" for item in found}


def _tell(outcome: Outcome, console: Console) -> None:
    """The notification as the subscriber got it, and what the log links gave."""
    console.rule(f"[bold]{outcome.job.title}")
    if outcome.received is None:
        console.print("No notification came.", style="red")
        return
    console.print(Text("Subject: " + outcome.received.subject, style="bold"))
    console.print(Text(outcome.received.notification.text), soft_wrap=True)
    for receipt, text in outcome.logs:
        console.print(Text(f"GET {receipt.s3_uri}", style="cyan"), soft_wrap=True)
        for line in text.splitlines():
            console.print(Text(f"  | {line}"), soft_wrap=True)
    console.print()


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(
        title="Jobferry's demo", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in ("Job", "Status", "Exit", "Log lines", "Seconds", "Checks"):
        table.add_column(name, justify="right" if name in {"Log lines", "Seconds"} else "left")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    return table


def _row(outcome: Outcome) -> tuple[str | Text, ...]:
    failed = [check.what for check in outcome.checks if not check.held]
    checks = (
        Text(f"✗ {'; '.join(failed)}", style="red") if failed else Text(f"✓ {len(outcome.checks)} held", style="green")
    )
    if outcome.received is None:
        return (outcome.job.title, Text("MISSING", style="red"), "", "", "", Text("✗ no notification", style="red"))
    told = outcome.received.notification
    codes = [stage.attempts[-1].exit_code for stage in told.stages if stage.attempts]
    return (
        outcome.job.title,
        Text(told.status, style=_STYLES.get(told.status, "red")),
        ", ".join("none" if code is None else str(code) for code in codes) or "-",
        str(sum(receipt.lines for receipt, _ in outcome.logs)) if outcome.logs else "-",
        f"{outcome.after_seconds:.1f}",
        checks,
    )
