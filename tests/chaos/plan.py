"""What a drill does: how many jobs, how much of which trouble, and the settings that make waiting short."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from deploy.local.local_run import CATALOG, QUICK
from tests.chaos.faults import FAULT_RATES, Fault
from tests.chaos.killer import Strike

# Beside the images of every local run, one whose container runs on when its execution is stopped: nobody but Jobferry
# stops a callback's task.
PATIENT = "patient"
_PATIENT = {
    "task_definition": "{prefix}-image-1",
    "container": "image_1-container",
    "integration": "callback",
    "commands": [["sh", "-c", "*"]],
    "timeout_seconds": 7200,
}
# What takes minutes in earnest takes seconds here, so that a drill sees leases, claims and silences run out.
CLAIM_SECONDS = 5
WORKER_SETTINGS: Mapping[str, str] = {
    **QUICK,
    "JOBFERRY_VISIBILITY_SECONDS": "5",
    "JOBFERRY_CLAIM_SECONDS": str(CLAIM_SECONDS),
    "JOBFERRY_LOG_QUIET_SECONDS": "0.3",
    "JOBFERRY_TASK_GRACE_SECONDS": "2",
    "JOBFERRY_SILENCE_SECONDS": "4",
    "JOBFERRY_SWEEP_SECONDS": "2",
    "JOBFERRY_REDRIVES_SECONDS": "4",
    "JOBFERRY_SWEEP_PER_SECOND": "50",
}


@dataclass(frozen=True)
class BusRates:
    """What becomes of EventBridge's events: shares of all that are lost, delivered twice, or held back for a while.

    Of executions, so many come later than any log is archived. The second copy of what is delivered twice comes so many
    seconds after the first, so that two workers may each get one.
    """

    lose_executions: float = 0.2
    lose_tasks: float = 0.1
    duplicate: float = 0.2
    hold_back: float = 0.3
    longest_seconds: float = 4.0
    late_executions: float = 0.0
    copy_after_seconds: float = 0.0


def catalog() -> str:
    """The catalogue of a drill, as text."""
    own = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    return json.dumps({**own, "images": {**own["images"], PATIENT: _PATIENT}})


@dataclass(frozen=True)
class Plan:
    """One drill. The trouble ends after `storm_seconds`, or when half of `longest_silence` was quiet.

    It is quiet when no message is anywhere and nothing runs. What is open after `longest_silence` of that is stuck, and
    so is what is open after `seconds`.

    `deaths` are drawn from the seed unless they are given, and so are the `kinds` of jobs. Nothing that a redrive took
    the place of may run for more than `outlived_seconds` beside it.
    """

    jobs: int = 200
    kinds: Sequence[str] = ()
    workers: int = 3
    seed: int = 1
    seconds: float = 180
    storm_seconds: float = 120
    longest_silence: float = 40
    outlived_seconds: float = 60
    jobs_per_second: float = 10
    kills_per_minute: float = 20
    fault_rates: Mapping[Fault, float] = field(default_factory=lambda: dict(FAULT_RATES))
    bus: BusRates = BusRates()
    deaths: Sequence[Strike] | None = None
    start_bucket: float = 8
    start_refill: float = 8
    settings: Mapping[str, str] = field(default_factory=lambda: dict(WORKER_SETTINGS))
    worker_module: str = "workers"
