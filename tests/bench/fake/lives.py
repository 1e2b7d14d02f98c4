"""What becomes of an execution once it is started: its tasks, their logs, its end, and the events of all that."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.plan import Attempt, Outcome, group_of
from service.core.overrides import REDRIVE_VARIABLE
from tests.support.names import ACCOUNT, CLUSTER_ARN, EXECUTION_ARN, REGION, STATE_MACHINE_ARN, TASK_ARN
from tests.support.names import TASK_DEFINITION_ARN as DEFINITION_ARN

CONTAINER = "image_1-container"
LOG_GROUP, LOG_PREFIX = "/jobferry/tasks", "jobs"
DEFINITION = f"{DEFINITION_ARN}jobferry-image-1:1"
_STARTING, _ENDING = ("PROVISIONING", "PENDING", "RUNNING"), ("DEPROVISIONING", "STOPPED")


@dataclass(frozen=True)
class Plot:
    """How lives go: a task takes so many seconds, and its log has lines, or pages of a megabyte.

    Where it does not end, an execution is started and nothing is heard of it again.
    """

    ends: bool = True
    task_seconds: float = 1.0
    lines: int = 10
    pages: int = 0


@dataclass(frozen=True)
class Log:
    """A container's log, as its plot has it, and when it was written."""

    plot: Plot
    at: float


@dataclass(frozen=True)
class Life:
    """One execution that was started. Its events go to `emit`, and its logs are found in `logs` by their streams."""

    job_id: str
    stages: int
    emit: Callable[[dict[str, Any]], None]
    logs: MutableMapping[str, Log]

    async def go(self, plot: Plot) -> None:
        """Live: every stage runs and passes, one after the other."""
        started_at = time.time()
        self._execution("RUNNING", started_at)
        attempts = []
        for stage in range(1, self.stages + 1):
            task = _Task(self.job_id, stage, time.time())
            for status in _STARTING:
                self._task(task, status)
            await asyncio.sleep(plot.task_seconds)
            self.logs[task.stream] = Log(plot, time.time())
            for status in _ENDING:
                self._task(task, status)
            attempts.append(Attempt(stage=stage, attempt=1, passed=True, task_arn=task.arn, exit_code=0))
        self._execution("SUCCEEDED", started_at, Outcome(error="", cause="", attempts=tuple(attempts)))

    def _task(self, task: _Task, status: str) -> None:
        self.emit(_event("aws.ecs", "ECS Task State Change", task.described(status)))

    def _execution(self, status: str, started_at: float, outcome: Outcome | None = None) -> None:
        """As recorded: all keys are there, null where they say nothing [LocalStack test_event_bridge_events_base]."""
        ended = outcome is not None
        detail = {
            "executionArn": EXECUTION_ARN + self.job_id,
            "stateMachineArn": STATE_MACHINE_ARN,
            "name": self.job_id,
            "status": status,
            "startDate": int(1000 * started_at),
            "stopDate": int(1000 * time.time()) if ended else None,
            "input": "{}",
            "output": outcome.model_dump_json() if outcome else None,
            "inputDetails": {"included": True},
            "outputDetails": {"included": True} if ended else None,
            "redriveCount": 0,
            "redriveStatus": "NOT_REDRIVABLE",
            "error": None,
            "cause": None,
        }
        self.emit(_event("aws.states", "Step Functions Execution Status Change", detail))


@dataclass(frozen=True)
class _Task:
    """One task of a stage."""

    job_id: str
    stage: int
    created_at: float

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.job_id} {self.stage}".encode()).hexdigest()[:32]

    @property
    def arn(self) -> str:
        return TASK_ARN + self.id

    @property
    def stream(self) -> str:
        return f"{LOG_PREFIX}/{CONTAINER}/{self.id}"

    def described(self, status: str) -> dict[str, Any]:
        """As an event tells it."""
        has_run, is_over = status in {"RUNNING", *_ENDING}, status in _ENDING
        variables = {
            "JOBFERRY_JOB_ID": self.job_id,
            "JOBFERRY_STAGE": str(self.stage),
            "JOBFERRY_ATTEMPT": "1",
            REDRIVE_VARIABLE: "0",
            "JOBFERRY_EXECUTION_ARN": EXECUTION_ARN + self.job_id,
        }
        environment = [{"name": name, "value": value} for name, value in variables.items()]
        container = {"name": CONTAINER, "lastStatus": status, "taskArn": self.arn, "cpu": "0"}
        created = _iso(self.created_at)
        return {
            "taskArn": self.arn,
            "clusterArn": CLUSTER_ARN,
            "taskDefinitionArn": DEFINITION,
            "group": group_of(self.job_id),
            "lastStatus": status,
            "desiredStatus": "STOPPED" if is_over else "RUNNING",
            "version": (*_STARTING, *_ENDING).index(status) + 1,
            "launchType": "FARGATE",
            "cpu": "256",
            "memory": "512",
            "createdAt": created,
            "containers": [{**container, "exitCode": 0, "runtimeId": self.id} if is_over else container],
            "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": environment}]},
            **({"pullStartedAt": created, "pullStoppedAt": created, "startedAt": created} if has_run else {}),
            **({"stopCode": "EssentialContainerExited", "stoppedReason": _REASON} if is_over else {}),
            **({"stoppedAt": _iso(time.time())} if status == "STOPPED" else {}),
        }


_REASON = "Essential container in task exited"


def _event(source: str, detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": _iso(time.time()),
        "region": REGION,
        "resources": [detail.get("taskArn") or detail.get("executionArn")],
        "detail": detail,
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
