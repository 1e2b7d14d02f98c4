"""A worker's metrics, from its start to its end: every part of it is counted, and nothing but metrics is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from deploy.local.local_run import local_run
from deploy.local.stack import PROJECT
from deploy.local.subscriber import Subscriber
from tests.support.job_requests import shell
from tests.support.processes import bare_environment
from tests.support.system import System
from tests.unit.test_metrics import faults

QUICK = {"JOBFERRY_SILENCE_SECONDS": "2", "JOBFERRY_SWEEP_SECONDS": "0.5", "JOBFERRY_STACK": "mine"}
JOBS = {"well": [shell("echo well")], "badly": [shell("exit 3")], "slowly": [shell("sleep 9")]}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines that a worker wrote to its standard output, while jobs of every kind went through it."""
    folder = tmp_path_factory.mktemp("metrics")
    with (folder / "stderr").open("wb") as log, (folder / "stdout").open("wb") as output, local_run() as run:
        system = System(run, Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="metrics"), log)
        environment = {**bare_environment(), **run.environment, **QUICK, "JOBFERRY_METRICS": "emf"}
        command = [sys.executable, "-m", "workers"]
        with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=log) as worker:
            _send_all(system)
            for name in JOBS:
                system.told(name)
            system.wait_until_quiet()
            worker.terminate()
    assert worker.returncode == 0
    return [json.loads(line) for line in (folder / "stdout").read_text(encoding="utf-8").splitlines()]


def _send_all(system: System) -> None:
    trace = {"traceparent": {"DataType": "String", "StringValue": "none"}}
    for name, stages in JOBS.items():
        system.send({"job_id": name, "stages": stages}, MessageAttributes=trace if name == "well" else {})
    system.told(system.send("no request"))
    for event in ("no event", '{"detail-type": "Scheduled Event"}'):
        system.client("sqs").send_message(QueueUrl=system.outputs["EventQueueUrl"], MessageBody=event)


def test_every_line_is_metrics(told: list[dict[str, Any]]) -> None:
    """By the specification, under the stack's name: one a minute, and a last one."""
    assert told and not any(faults(document) for document in told)
    assert {document["Stack"] for document in told} == {"mine"}


def test_every_part_of_the_worker_is_counted(told: list[dict[str, Any]]) -> None:
    """As often as it happened; what may come twice, or when it likes, at least once."""
    counts: Counter[str] = Counter()
    for document in told:
        counts.update({name: value for name, value in document.items() if isinstance(value, int | float)})
    exactly = {
        "RequestsAdmitted": 3,
        "RequestsRejected": 1,
        "TracesDropped": 1,
        "AnnouncedSucceeded": 2,
        "AnnouncedFailed": 1,
        "AnnouncedRejected": 1,
        "ArchivesDone": 3,
        "LogsDifferent": 0,
        "EventsUnreadable": 1,
        "EventsIgnored": 1,
        "ArchiveBacklog": 0,
        "ArchivesGivenUp": 0,
        "PollFailures": 0,
        "SettleFailures": 0,
        "Throttles": 0,
    }
    assert {name: counts[name] for name in exactly} == exactly
    assert all(counts[name] >= 1 for name in ("Polls", "EventsHeard", "SweepFound"))
    times = [seconds for document in told for seconds in document.get("TimeToAnnounce", ())]
    assert len(times) == 3 and min(times) >= 0
    assert all(min(document["SweepOverdueSeconds"]) >= 0 for document in told)
