"""`jobferry demo`: real jobs, end to end, on the embedded AWS; every claim checked."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.examples.pictures.drawing import ferry
from deploy.local.demo.jobs import INPUT_KEY, RENDITIONS, Check, Logs, demo_jobs
from deploy.local.demo.report import STYLES, Outcome, broken, table, tell
from deploy.local.demo.world import cancel_once_running, exit_code_by_ecs, with_demo_images
from deploy.local.emulator.process import EmulatorEndedError
from deploy.local.folder import FOLDER, open_to_write
from deploy.local.local_run import LocalRun, local_run
from deploy.local.subscriber import Received, Subscriber
from schemas.errors import JobferryError
from schemas.notification import JobNotification, Link, LogReceipt, StageReport

_ALL_WITHIN_SECONDS = 120
_HTTP_TIMEOUT_SECONDS = 10


def demo(*, as_json: bool) -> int:
    """Run the demo. 0 only if every check held; where it cannot run, or is told to end, a sentence says so."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        return _demo(as_json=as_json)
    except EmulatorEndedError:
        return 1  # It has said why itself.
    except JobferryError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped before the demo was over.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _demo(*, as_json: bool) -> int:
    console = Console(stderr=as_json, highlight=False)
    log_path = FOLDER / "demo-worker.log"
    with open_to_write(log_path) as log, console.status("Starting an AWS of our own ..."):
        started = time.monotonic()
        with local_run() as bare:
            run = with_demo_images(bare, FOLDER)
            with run.worker(log=log.fileno()) as worker:
                console.print(f"Jobferry runs at {run.endpoint_url} (up in {time.monotonic() - started:.1f} s).")
                outcomes = _run_jobs(run, console, worker)
                pictures = _fetch_pictures(run)
    outcomes[1].checks.extend(pictures.checks)
    tell(outcomes, console)
    console.print(table(outcomes))
    console.print()
    for line in broken(outcomes):
        console.print(line, soft_wrap=True)
    console.print(pictures.where, soft_wrap=True)
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
            _cancel(run, outcomes)
            for received in subscriber.receive(wait_seconds=0):
                _note(run, received, outcomes)
            if worker.poll() is not None:
                break
            time.sleep(0.25)


def _cancel(run: LocalRun, outcomes: list[Outcome]) -> None:
    """Be the operator."""
    for outcome in outcomes:
        if outcome.job.cancelled and not outcome.cancelled and outcome.job.job_id:
            outcome.cancelled = cancel_once_running(run, outcome.job.job_id)


def _note(run: LocalRun, received: Received, outcomes: list[Outcome]) -> None:
    """Check a notification as a subscriber would, the moment it arrives."""
    notification = received.notification
    outcome = next((item for item in outcomes if item.job.job_id == notification.job_id), None)
    if outcome is None or outcome.received is not None:
        outcomes[0].checks.append(Check(f"one notification an outcome, but {notification.id} came again", False))
        return
    outcome.received = received
    outcome.after_seconds = time.monotonic() - outcome.sent_at
    outcome.checks.append(Check(f"status {outcome.job.expected}", notification.status == outcome.job.expected))
    outcome.checks.append(Check("filter attribute", received.attributes.get("status") == notification.status))
    if notification.rejection:
        outcome.checks.append(_kept(notification.rejection.body_link, outcome.job.body))
    outcome.checks.extend(_truths(run, notification))
    logs = [(receipt, _fetch(receipt.link) if receipt.link else "") for receipt in _receipts(notification)]
    outcome.logs = logs
    outcome.checks.extend(_log_checks(logs))
    outcome.checks.extend(outcome.job.checks(notification, logs))


def _truths(run: LocalRun, notification: JobNotification) -> Iterator[Check]:
    """Each attempt against what ECS itself says of its task: that it has stopped, and with which exit code."""
    for stage in notification.stages:
        yield from (Check(f"stage {stage.stage} ended as ECS says", held) for held in _as_ecs_says(run, stage))


def _as_ecs_says(run: LocalRun, stage: StageReport) -> Iterator[bool]:
    for attempt in stage.attempts:
        for container in attempt.containers:
            truth = exit_code_by_ecs(run, attempt.task_arn or "", container.name)
            yield truth == ("STOPPED", container.exit_code)


def _receipts(notification: JobNotification) -> Iterator[LogReceipt]:
    for stage in notification.stages:
        for attempt in stage.attempts:
            yield from (container.log for container in attempt.containers if container.log)


def _log_checks(logs: Logs) -> Iterator[Check]:
    for receipt, text in logs:
        if receipt.status != "absent":
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
    grid = Table.grid(padding=(0, 2))
    for outcome in outcomes:
        received = outcome.received
        state = received.notification.status if received else states.get(outcome.job.job_id or "", "sent")
        mark = Text("●", style=STYLES.get(state, "cyan") if received else "dim")
        grid.add_row(mark, outcome.job.title, Text(state.lower(), style="bold" if received else "dim"))
    return grid


def _execution_states(run: LocalRun) -> dict[str, str]:
    """How far each execution is, for the live view only."""
    client = run.session.client("stepfunctions")
    found = client.list_executions(stateMachineArn=run.stack.outputs["StateMachineArn"])["executions"]
    return {item["name"]: "running" if item["status"] == "RUNNING" else "archiving logs" for item in found}
