"""JobRequest v1: what a producer sends, as an SQS message body or to `POST /jobs`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from schemas.base import DEFAULT_TENANT, PRINTABLE_PATTERN, WHOLE, Contract, EnvironmentName, JobId, Name, ProcessText

MAX_STAGES = 100
ONE_YEAR_SECONDS = 31_536_000  # A Standard execution may stay open for one year [Step Functions quotas].

Label = Annotated[str, StringConstraints(max_length=256, pattern=PRINTABLE_PATTERN)]
InputFile = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PRINTABLE_PATTERN)]
User = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=PRINTABLE_PATTERN)]
Seconds = Annotated[int, Field(ge=1, le=ONE_YEAR_SECONDS), WHOLE]
WaitSeconds = Annotated[int, Field(ge=0, le=ONE_YEAR_SECONDS), WHOLE]
ParameterValue = Annotated[ProcessText | int | float | bool, WHOLE]


Command = Annotated[tuple[ProcessText, ...], Field(max_length=256)]
Variables = Annotated[dict[EnvironmentName, ProcessText], Field(max_length=128)]


class StageSize(Contract):
    """What a stage's task is given instead of what its image has in the catalogue."""

    memory: Annotated[int, Field(ge=6), WHOLE] | None = Field(
        default=None, description="MiB; at most the image's max_memory."
    )
    cpu: Annotated[int, Field(ge=128), WHOLE] | None = Field(
        default=None,
        description="CPU units, at most the image's max_cpu; left out, the image's own, or as many as Fargate has with "
        "this much memory.",
    )


class StageRequest(Contract):
    """One stage that a producer spells out: which image runs, and what it is told."""

    image: Name = Field(description="An image of the catalogue.")
    name: Name | None = Field(default=None, description="A name for people; the image's name if left out.")
    command: Command = Field(default=(), description="The container's command; left out, the image's own command runs.")
    environment: Variables = Field(
        default_factory=dict, description="Variables for the container, of the names the image allows."
    )
    timeout_seconds: Seconds | None = Field(default=None, description="At most the image's own timeout.")


# The two rules of `_says_what_to_run`, for those who check a request before they send it. A condition, which generators
# of types leave alone: of `anyOf` they make two kinds of request, each with half the truth.
_WHAT_TO_RUN: dict[str, JsonValue] = {
    "if": {"properties": {"stages": {"type": "array", "maxItems": 0}}},
    "then": {"properties": {"job_type": {"type": "string"}}, "required": ["job_type"]},
    "else": {"properties": {"parameters": {"type": "object", "maxProperties": 0}}},
}


class JobRequest(Contract):
    """A job to run: either its stages, or a job type whose stages the catalogue gives.

    With both, the given stages run and the job type is only a label for subscribers to filter by.
    """

    model_config = ConfigDict(json_schema_extra=_WHAT_TO_RUN)

    job_id: JobId | None = Field(
        default=None,
        description="The producer's own id; left out, the SQS message id, so a redelivery is the same job.",
    )
    job_type: Name | None = Field(default=None, description="A job type of the catalogue.")
    tenant: Name = Field(default=DEFAULT_TENANT, description="On whose behalf the job runs.")
    input_file: InputFile | None = Field(
        default=None, description="An s3:// URI, or a key in Jobferry's own bucket; the first stage's input."
    )
    user: User | None = Field(default=None, description="Who asked; the containers see it as JOBFERRY_USER.")
    stages: tuple[StageRequest, ...] = Field(default=(), max_length=MAX_STAGES)
    parameters: dict[Name, ParameterValue] = Field(
        default_factory=dict, max_length=64, description="Values for the placeholders of the job type's stages."
    )
    sizes: dict[Name, StageSize] = Field(
        default_factory=dict,
        max_length=MAX_STAGES,
        description="Memory and CPU for stages, by the stage's name or by its number, counted from 1.",
        # A request that says nothing of it is the same request as before there was such a field.
        exclude_if=lambda sizes: not sizes,
    )
    timeout_seconds: Seconds | None = Field(default=None, description="For the whole job, from its first stage on.")
    capacity_wait_seconds: WaitSeconds | None = Field(
        default=None,
        description="How long each stage may wait for capacity, at most its image's own; within timeout_seconds.",
    )
    labels: dict[Name, Label] = Field(default_factory=dict, max_length=32, description="Copied to the notification.")
    progress: bool = Field(
        default=False, description="Whether subscribers are told of the start, of finished stages and of retries too."
    )

    @model_validator(mode="after")
    def _says_what_to_run(self) -> Self:
        if not self.stages and self.job_type is None:
            raise ValueError("the request says nothing to run: give either stages or a job_type")
        if self.stages and self.parameters:
            raise ValueError("parameters fill the stages of a job_type: with stages of your own, leave them out")
        return self
