"""A state machine of a few lines, to play planning through with: stages, a script of how attempts end, and a clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from schemas.plan import Config, ErrorResult, ExecutionInput, LambdaResult, NextStage, PlanRequest, Stage
from schemas.trace import Trace
from service.core.planning.planning import plan
from tests.support.builders import JOB, NOW, TRACEPARENT, execution_arn, task_arn

Step = Literal["plan_next_step", "handle_error_step", "fail_step"]


@dataclass(frozen=True)
class Ends:
    """How one attempt ends: with the result of a state, or with an error that is caught; after so many seconds."""

    result: dict[str, Any] | None = None
    error: str = ""
    cause: str = ""
    takes: float = 10


@dataclass
class Machine:
    """The state machine as far as planning sees it. `ran` holds every attempt that was launched."""

    stages: Sequence[Stage]
    timeout_seconds: int | None = None
    now: float = NOW
    ran: list[NextStage] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)
    redrives: int = 0

    def run(self, *script: Ends) -> LambdaResult:
        """Play the script to the end of the job; it must be just as long as the job."""
        return self._follow(self._plan("plan_next_step", self._input(self._start())), list(script))

    def catch(self, caught: ErrorResult | None) -> LambdaResult:
        """What is planned once the first attempt has failed with this."""
        begun = self._plan("plan_next_step", self._input(self._start()))
        return self._plan("handle_error_step", self._input(begun, error_result=caught))

    def redrive(self, ended: LambdaResult, *script: Ends) -> LambdaResult:
        """Redrive a job that failed, and play another script to its end."""
        self.redrives += 1
        return self._follow(self._plan("fail_step", self._input(ended)), list(script))

    def redrive_stage(self, stopped: LambdaResult, *script: Ends) -> LambdaResult:
        """Redrive a job that was stopped while a stage ran: that state is entered again, then the script plays."""
        self.redrives += 1
        return self._follow(stopped, list(script))

    def _follow(self, plan_now: LambdaResult, remaining: list[Ends]) -> LambdaResult:
        while plan_now.next_stage is not None:
            self.now += plan_now.wait_seconds
            self.waited.append(plan_now.wait_seconds)
            self.ran.append(plan_now.next_stage)
            ends = remaining.pop(0)
            self.now += ends.takes
            plan_now = self._after(plan_now, ends)
        assert not remaining, "the job ended before the script"
        return plan_now

    def _after(self, before: LambdaResult, ends: Ends) -> LambdaResult:
        if ends.error:
            caught = ErrorResult(Error=ends.error, Cause=ends.cause)
            return self._plan("handle_error_step", self._input(before, error_result=caught))
        return self._plan("plan_next_step", self._input(before, stage_result=ends.result))

    def _plan(self, step: Step, given: ExecutionInput) -> LambdaResult:
        request = PlanRequest(
            step=step,
            execution_arn=execution_arn(),
            started_at=_iso(NOW),
            redrive_count=self.redrives,
            now=_iso(self.now),
            input=given,
        )
        travelled = PlanRequest.model_validate_json(request.model_dump_json())
        return plan(travelled, self.stages)

    def _input(self, result: LambdaResult, **more: Any) -> ExecutionInput:
        trace = Trace(traceparent=TRACEPARENT)
        return ExecutionInput(
            job_id=JOB, input_file="in/a.jpg", user="ifgeek", trace=trace, lambda_result=result, **more
        )

    def _start(self) -> LambdaResult:
        config = Config(bucket="bucket", timeout_seconds=self.timeout_seconds, stages=tuple(self.stages))
        return LambdaResult(total_stages_count=len(self.stages), processed_stages_count=0, config=config)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def environment_of(launched: NextStage, redrive: int = 0, token: str = "TOKEN") -> dict[str, str]:
    """The variables of a container, as the state machine puts them together."""
    text = f"{launched.environment_before_redrive}{redrive}{launched.environment_after_redrive}"
    if launched.launch.startswith("callback"):
        text += f"{token}{launched.environment_after_token}"
    return {pair["Name"]: pair["Value"] for pair in json.loads(text)}


def stage(**fields: Any) -> Stage:
    """A sync stage on Fargate, changed in these fields."""
    usual = {
        "name": "echo",
        "image": "echo",
        "task_definition": "echo",
        "container": "main",
        "integration": "sync",
        "launch_type": "FARGATE",
        "on_fargate": True,
        "command": ("echo", "hi"),
        "environment": {"MODE": "fast"},
        "cpu": 256,
        "memory": 512,
        "max_memory": 512,
        "timeout_seconds": 600,
        "heartbeat_seconds": 60,
        "retries": {},
    }
    return Stage.model_validate({**usual, **fields})


def containers(*codes: tuple[str, int | None], reason: str | None = None) -> list[dict[str, Any]]:
    """Containers as Step Functions gives them; those without an exit code lack the key."""
    given = [{"Name": name} | ({} if code is None else {"ExitCode": code}) for name, code in codes]
    return [item | ({"Reason": reason} if reason and item["Name"] == "main" else {}) for item in given]


def ok(*others: tuple[str, int | None]) -> Ends:
    """The state succeeded: every container ended with 0."""
    return Ends(result={"task_arn": task_arn(), "containers": containers(*others, ("main", 0))})


def failed(
    *codes: tuple[str, int | None],
    reason: str | None = None,
    stop_code: str = "EssentialContainerExited",
    stopped_reason: str = "Essential container in task exited",
) -> Ends:
    """The state failed with the task as its cause."""
    given = {
        "TaskArn": task_arn(),
        "StopCode": stop_code,
        "StoppedReason": stopped_reason,
        "LaunchType": "FARGATE",
        "StartedAt": 1_700_000_000_000,
        "Containers": containers(*codes, reason=reason),
        "Overrides": {"ContainerOverrides": [{"Name": "main", "Environment": [{"Name": "MODE", "Value": "x" * 200}]}]},
    }
    return Ends(error="States.TaskFailed", cause=json.dumps(given))


OUT_OF_MEMORY = failed(("main", 137), reason="OutOfMemoryError: Container killed due to memory usage")
THROTTLED = Ends(error="ECS.AmazonECSException", cause="Rate exceeded (Error Code: ThrottlingException)", takes=1)
SPOT = failed(("main", 137), stop_code="SpotInterruption", stopped_reason="Your Spot Task was interrupted.")
EXIT_1 = failed(("main", 1))
LOST = failed(("main", None))


ONCE = stage(retries={"transient": 0, "out_of_memory": 0})


def brief(plan_now: LambdaResult) -> list[tuple[int, int, bool, int | None]]:
    """The attempts of an outcome, as stage, attempt, passed, exit code."""
    assert plan_now.outcome is not None
    return [(item.stage, item.attempt, item.passed, item.exit_code) for item in plan_now.outcome.attempts]
