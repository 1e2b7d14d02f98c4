"""What an attempt of a stage runs on, and all that the state machine must be told to run it."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.fargate import next_fargate_size
from schemas.plan import LaunchKind, NextStage, PlanRequest, Stage, Waiting, group_of
from service.core.diagnosis.diagnosis import Remedy
from service.core.overrides import Pair, environment, environment_texts
from service.core.planning.waiting import drawn

_FIRST_PAUSE_SECONDS = 5
_LONGEST_PAUSE_SECONDS = 300


@dataclass(frozen=True)
class Launch:
    """Which attempt of which stage is to run, and on what."""

    stage: int
    attempt: int
    cpu: int
    memory: int
    on_demand: bool
    waiting: Waiting | None = None
    refusals: int = 0


def leaves_providers(stage: Stage, running: NextStage, remedy: Remedy) -> bool:
    """Whether to leave the capacity providers after a Spot interruption, where the catalogue allows; never back."""
    left_already = bool(stage.capacity_providers) and "capacity_provider" not in running.launch
    return left_already or (remedy == "again_on_demand" and stage.on_demand_fallback)


def bigger(stage: Stage, cpu: int, memory: int) -> tuple[int, int] | None:
    """The next memory size under the catalogue's ceiling."""
    if stage.on_fargate:
        return next_fargate_size(cpu, memory, stage.max_memory)
    return (cpu, min(2 * memory, stage.max_memory)) if memory < stage.max_memory else None


def pause_seconds(remedy: Remedy, attempt: int, execution_arn: str) -> int:
    """A pause before another attempt; half of it is drawn, so that jobs that failed together do not return together."""
    limit = longest_pause_seconds(remedy, attempt)
    return limit - int(drawn(execution_arn, attempt) * limit / 2)


def longest_pause_seconds(remedy: Remedy, attempt: int) -> int:
    """The limit of a pause, which doubles, for what mends itself with time; more memory helps at once."""
    return 0 if remedy == "bigger" else min(_FIRST_PAUSE_SECONDS << min(attempt - 2, 10), _LONGEST_PAUSE_SECONDS)


def next_stage(request: PlanRequest, stage: Stage, launch: Launch, seconds_left: float) -> NextStage:
    """All that the state machine must know to run an attempt."""
    job = request.input
    variables = _environment(request, stage, launch)
    callback = stage.integration == "callback"
    before_redrive, after_redrive, after_token = environment_texts(variables, with_token=callback)
    timeout = max(2, int(min(stage.timeout_seconds, seconds_left)))
    return NextStage(
        stage=launch.stage,
        attempt=launch.attempt,
        name=stage.name,
        image=stage.image,
        user=job.user,
        launch=_kind(stage, launch),
        task_definition=stage.task_definition,
        container=stage.container,
        launch_type=stage.launch_type,
        capacity_provider_strategy=tuple(
            {"CapacityProvider": item.capacity_provider, "Weight": item.weight, "Base": item.base}
            for item in stage.capacity_providers
        ),
        group=group_of(job.job_id),
        command=stage.command,
        environment_before_redrive=before_redrive,
        environment_after_redrive=after_redrive,
        environment_after_token=after_token,
        cpu=str(launch.cpu),
        memory=str(launch.memory),
        timeout_seconds=timeout,
        heartbeat_seconds=min(stage.heartbeat_seconds, timeout - 1),  # Must be smaller than the timeout [ASL].
        waiting=launch.waiting,
        refusals=launch.refusals,
    )


def _environment(request: PlanRequest, stage: Stage, launch: Launch) -> list[Pair]:
    job, bucket = request.input, request.input.lambda_result.config.bucket
    return environment(
        stage,
        launch.stage,
        launch.attempt,
        job.job_id,
        request.execution_arn,
        bucket,
        job.input_file,
        job.user,
        job.trace,
    )


def _kind(stage: Stage, launch: Launch) -> LaunchKind:
    """Which state of the state machine runs it."""
    if stage.capacity_providers and not launch.on_demand:
        return "sync_on_capacity_provider" if stage.integration == "sync" else "callback_on_capacity_provider"
    return stage.integration
