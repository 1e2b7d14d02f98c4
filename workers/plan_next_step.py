"""The Lambda that decides the next stage: a thin skin over `service.core.planning.planning`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from schemas.errors import JobferryError
from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED, Config, PlanRequest, Stage
from service.core.planning.planning import failure, plan

_STAGES = TypeAdapter(tuple[Stage, ...])


class StageFailed(JobferryError):
    """A stage failed, and no other attempt can mend it."""


class JobTimedOut(JobferryError):
    """The time that the request gave the job is over."""


_FAILURES = {STAGE_FAILED: StageFailed, JOB_TIMED_OUT: JobTimedOut}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The plan for one step.

    Anything raised here fails the execution, under the exception's name, and its announcement says so; when the plan
    is to fail, it is raised on purpose.
    """
    request = PlanRequest.model_validate(event)
    if (outcome := failure(request)) is not None:
        raise _FAILURES[outcome.error](outcome.cause)
    return plan(request, _stages_of(request.input.lambda_result.config)).model_dump(mode="json")


def _stages_of(config: Config) -> tuple[Stage, ...]:
    """The frozen stages: from the input, or from S3 where they were too large to travel."""
    if config.stages_s3 is None:
        return config.stages
    import boto3  # Half of a cold start, for the few jobs whose stages are in S3.

    answer = boto3.client("s3").get_object(Bucket=config.stages_s3.bucket, Key=config.stages_s3.key)
    return _STAGES.validate_json(answer["Body"].read())
