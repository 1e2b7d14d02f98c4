"""The worker's start: what is missing or impossible is said in one sentence each, and nothing runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.local_run import LocalRun
from tests.support.processes import bare_environment
from tests.support.waiting import WITHIN_SECONDS

REQUIRED = (
    "REQUEST_QUEUE_URL",
    "EVENT_QUEUE_URL",
    "CONTROL_QUEUE_URL",
    "STATE_MACHINE_ARN",
    "TOPIC_ARN",
    "LOG_BUCKET",
    "JOBS_TABLE",
    "CATALOG",
)


def started(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """A worker with these settings only, at its end."""
    return subprocess.run(
        [sys.executable, "-m", "workers"],
        cwd=folder,
        env={**bare_environment(), **settings},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )


@pytest.fixture
def settings(run: LocalRun) -> dict[str, str]:
    """Settings that work."""
    return {name: value for name, value in run.environment.items() if name.startswith(("JOBFERRY_", "AWS_"))}


def test_each_missing_setting_is_one_sentence(tmp_path: Path) -> None:
    """Which one, and what it is; status 2."""
    ended = started(tmp_path)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert [line.split()[0] for line in lines] == [f"JOBFERRY_{name}" for name in REQUIRED]
    assert all("is missing. It is: " in line for line in lines)


WRONG = {
    "a drain longer than ECS waits": (
        {"JOBFERRY_DRAIN_SECONDS": "40"},
        "JOBFERRY_DRAIN_SECONDS (40) must be less than JOBFERRY_STOP_TIMEOUT_SECONDS (30)",
    ),
    "a catalogue that is not there": (
        {"JOBFERRY_CATALOG": "/no/such.yaml"},
        "JOBFERRY_CATALOG cannot be read: /no/such",
    ),
    "a table that is not there": (
        {"JOBFERRY_JOBS_TABLE": "nobodys-table"},
        "JOBFERRY_JOBS_TABLE (nobodys-table) cannot be used: there is no such table in this account and region.",
    ),
    "a setting that is none": (
        {"JOBFERRY_SWEEP_SECOND": "1"},
        "JOBFERRY_SWEEP_SECOND is no setting of the worker's. Did you mean JOBFERRY_SWEEP_SECONDS?",
    ),
    "an endpoint that is none": ({"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL cannot be used: it is no URL"),
    "another region": ({"AWS_REGION": "eu-centrl-1"}, "AWS_REGION (eu-centrl-1) is not the region of"),
    "no credentials": (
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
        "No AWS credentials were found. Give the ECS task a task role, or set AWS_ACCESS_KEY_ID and",
    ),
    "a catalogue that is no YAML": (
        {"JOBFERRY_CATALOG": __file__},
        f"The catalogue {__file__} cannot be used: it is not YAML at line ",
    ),
    "no region": ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "AWS_REGION is missing"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_an_impossible_setting_is_one_sentence(
    settings: dict[str, str], tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    """Which one, and why it cannot be; status 2, and no traceback."""
    changed = {name: value for name, value in {**settings, **change}.items() if value}
    ended = started(tmp_path, **changed)
    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith(sentence)


def test_aws_s_own_variables_suffice(settings: dict[str, str], tmp_path: Path) -> None:
    """AWS_REGION, as ECS and every SDK have it; and the log is JSON lines."""
    settings.pop("AWS_DEFAULT_REGION", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "workers"],
        cwd=tmp_path,
        env={**bare_environment(), **settings},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.terminate()
    _, rest = process.communicate(timeout=WITHIN_SECONDS)
    assert json.loads(first)["event"] == "worker_started"
    assert json.loads(rest.splitlines()[-1])["event"] == "worker_stopped"
    assert process.returncode == 0
