"""Every attempt of a job in which all goes wrong that may, as the planner itself decides it.

The planner is asked step by step, as the state machine asks it. Each time it is told of a failure, as long as it would
try again; where no budget is left for any, the stage passes. Memory comes first, for then every later attempt is as
large. Time stands still here: an attempt that fails is taken to fail at the end of its timeout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.plan import Config, ErrorResult, ExecutionInput, LambdaResult, NextStage, PlanRequest, Stage
from service.core.admission.admission import Admitted
from service.core.diagnosis.diagnosis import Remedy
from service.core.planning.launch import longest_pause_seconds
from service.core.planning.planning import plan

_NOW = "2000-01-01T00:00:00.000Z"
_EXECUTION = "arn:aws:states:region:000000000000:execution:rehearsal:"
_BUCKET = "rehearsal"


@dataclass(frozen=True)
class Tried:
    """One attempt of one stage, and the longest pause before it. Memory in MiB."""

    stage: int
    attempt: int
    cpu: int
    memory: int
    timeout_seconds: int
    pause_seconds: int


@dataclass(frozen=True)
class _Failure:
    """A failure as a state catches it, and how the planner mends it."""

    remedy: Remedy
    caught: ErrorResult


def attempts_at_most(job: Admitted) -> Iterator[Tried]:
    """One after the other, to the end of the job."""
    pause = 0
    step = _ask(job, "plan_next_step", _begun(job))
    while step.next_stage is not None:
        running = step.next_stage
        yield _tried(running, pause)
        step, pause = _after(job, step, running)


def _after(job: Admitted, before: LambdaResult, running: NextStage) -> tuple[LambdaResult, int]:
    """What is planned after an attempt, and the longest pause until then."""
    stage = job.stages[running.stage - 1]
    for failure in _failures(stage):
        again = _ask(job, "handle_error_step", before, error_result=failure.caught)
        if again.next_stage is not None:
            return again, longest_pause_seconds(failure.remedy, again.next_stage.attempt)
    return _ask(job, "plan_next_step", before, stage_result=_passed(stage)), 0


def _failures(stage: Stage) -> Iterator[_Failure]:
    """One for each budget of retries."""
    killed = [{"Name": stage.container, "Reason": "OutOfMemoryError: Container killed"}]
    yield _Failure("bigger", _task(Containers=killed))
    yield _Failure("again_on_demand", _task(StopCode="SpotInterruption", Containers=[{"Name": stage.container}]))
    yield _Failure("application", ErrorResult(Error="States.Timeout"))


def _task(**members: Any) -> ErrorResult:
    return ErrorResult(Error="States.TaskFailed", Cause=json.dumps(members))


def _passed(stage: Stage) -> dict[str, Any]:
    containers = [{"Name": stage.container, "ExitCode": 0}]
    return {"Containers": containers}


def _tried(running: NextStage, pause: int) -> Tried:
    return Tried(
        stage=running.stage,
        attempt=running.attempt,
        cpu=int(running.cpu),
        memory=int(running.memory),
        timeout_seconds=running.timeout_seconds,
        pause_seconds=pause,
    )


def _begun(job: Admitted) -> LambdaResult:
    return LambdaResult(
        total_stages_count=len(job.stages), processed_stages_count=0, config=Config(bucket=_BUCKET, stages=job.stages)
    )


def _ask(job: Admitted, step: Any, last: LambdaResult, **known: Any) -> LambdaResult:
    request = job.request
    given = ExecutionInput(
        job_id=job.job_id, input_file=request.input_file, user=request.user, lambda_result=last, **known
    )
    asked = PlanRequest(step=step, execution_arn=_EXECUTION + job.job_id, started_at=_NOW, now=_NOW, input=given)
    return plan(asked, job.stages)
