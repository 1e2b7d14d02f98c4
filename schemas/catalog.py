"""The catalogue: the images and job types that a producer may name, and what each may be told."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Contract, Name, ProcessText
from schemas.fargate import fits_fargate
from schemas.job import MAX_STAGES, Command, ParameterValue, Seconds, Variables, WaitSeconds

# Stands at the beginning of a family for what the families of a deployment begin with, so that one catalogue serves
# several deployments in one account.
FAMILY_PREFIX = "{prefix}"
# A family, or a family with its revision [RegisterTaskDefinition].
TASK_DEFINITION_PATTERN = r"^([{]prefix[}])?[A-Za-z0-9_-]{1,255}(:[0-9]+)?$"
CONTAINER_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,255}$"
TaskDefinition = Annotated[str, StringConstraints(pattern=TASK_DEFINITION_PATTERN)]
DEFAULT_CAPACITY_WAIT_SECONDS = 14_400
ContainerName = Annotated[str, StringConstraints(pattern=CONTAINER_NAME_PATTERN)]


class CapacityProvider(Contract):
    """One item of a RunTask capacity provider strategy."""

    capacity_provider: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    weight: int = Field(default=1, ge=0, le=1000)
    base: int = Field(default=0, ge=0, le=100_000)


class Retries(Contract):
    """How often a stage is tried again, by what went wrong: one budget each, whatever went wrong in between."""

    transient: int = Field(
        default=3,
        ge=0,
        le=20,
        description="What mends itself, all together: Spot interruptions, lost hosts, registries that could not be "
        "reached.",
    )
    out_of_memory: int = Field(
        default=2, ge=0, le=10, description="Each time with the next memory size, up to max_memory."
    )
    application: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Exit codes, failures that the container reported, missed heartbeats and timeouts: mostly a bug, "
        "so not retried.",
    )


class Image(Contract):
    """What Jobferry may run under one name, and within which limits."""

    task_definition: TaskDefinition = Field(
        description="A family, or family:revision. A first {prefix} is what the deployment's families begin with."
    )
    container: ContainerName = Field(description="The job's own container; its exit code decides.")
    integration: Literal["sync", "callback"] = Field(
        default="sync", description="callback: the container reports back with its TASK_TOKEN."
    )
    launch_type: Literal["FARGATE", "EC2"] = "FARGATE"
    capacity_providers: tuple[CapacityProvider, ...] = Field(
        default=(), max_length=6, description="Used instead of the launch type; FARGATE_SPOT, for one."
    )
    on_demand_fallback: bool = Field(
        default=False,
        description="After a Spot interruption, run on the launch type instead of the capacity providers.",
    )
    commands: tuple[tuple[ProcessText, ...], ...] = Field(
        default=(),
        description="The commands allowed, argument by argument with shell-style wildcards; "
        "a last '**' stands for any further arguments. None listed: only the image's own command runs.",
    )
    environment: tuple[str, ...] = Field(default=(), description="Variable names allowed, with wildcards.")
    cpu: int = Field(default=256, ge=128, le=196_608, description="CPU units; 1,024 are one vCPU.")
    memory: int = Field(default=512, ge=6, description="MiB.")
    max_memory: int | None = Field(
        default=None, description="MiB: how far a retry after out-of-memory may go, and a request's own size."
    )
    max_cpu: int | None = Field(default=None, description="CPU units: how many a request may ask for.")
    timeout_seconds: Seconds = 3600
    heartbeat_seconds: Seconds | None = Field(default=None, description="For callback images; 60 if left out.")
    capacity_wait_seconds: WaitSeconds = Field(
        default=DEFAULT_CAPACITY_WAIT_SECONDS,
        description="How long a stage may wait where AWS takes no task on: throttles, a quota that is used up, no Spot "
        "or EC2 capacity. That uses up none of the retries. 0: it fails at once.",
    )
    retries: Retries = Retries()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.heartbeat_seconds is not None and self.integration != "callback":
            raise ValueError("heartbeat_seconds: only a callback image sends heartbeats; remove it")
        if self.max_memory is not None and self.max_memory < self.memory:
            raise ValueError(f"max_memory: {self.max_memory} MiB is less than memory, {self.memory} MiB")
        if self.max_cpu is not None and self.max_cpu < self.cpu:
            raise ValueError(f"max_cpu: {self.max_cpu} CPU units are less than cpu, {self.cpu}")
        if self.on_fargate and not fits_fargate(self.cpu, self.memory):
            raise ValueError(f"cpu, memory: Fargate has no size of {self.cpu} CPU units with {self.memory} MiB")
        return self

    @property
    def on_fargate(self) -> bool:
        """Whether Fargate's fixed sizes bind this image."""
        if self.capacity_providers:
            return all(item.capacity_provider.startswith("FARGATE") for item in self.capacity_providers)
        return self.launch_type == "FARGATE"


class StageTemplate(Contract):
    """A stage of a job type; `{name}` in its command and environment stands for a parameter."""

    image: Name
    name: Name | None = None
    command: Command = ()
    environment: Variables = Field(default_factory=dict)
    timeout_seconds: Seconds | None = None


class Parameter(Contract):
    """A parameter that a job type takes; one without a default must be given."""

    default: ParameterValue | None = None
    choices: tuple[ParameterValue, ...] = ()

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> Self:
        if self.default is not None and not self.allows(self.default):
            raise ValueError(f"default: {self.default!r} is not among the choices")
        return self

    def allows(self, value: ParameterValue) -> bool:
        """Whether the value may be given. `true` is not 1 here, though Python takes them for equal."""
        return not self.choices or (type(value), value) in [(type(choice), choice) for choice in self.choices]


class JobType(Contract):
    """A named list of stages, so that producers need not know images and commands."""

    stages: tuple[StageTemplate, ...] = Field(min_length=1, max_length=MAX_STAGES)
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    requires_input_file: bool = Field(default=False, description="Whether a request without input_file is refused.")


class Catalog(Contract):
    """All that producers may name. Anything else is rejected."""

    version: Literal[1] = 1
    images: dict[Name, Image] = Field(min_length=1)
    job_types: dict[Name, JobType] = Field(default_factory=dict)

    def of_families(self, prefix: str) -> Self:
        """The catalogue of the deployment whose families begin with this."""
        images = {
            name: image.model_copy(update={"task_definition": image.task_definition.replace(FAMILY_PREFIX, prefix)})
            for name, image in self.images.items()
        }
        return self.model_copy(update={"images": images})

    @model_validator(mode="after")
    def _names_only_its_own_images(self) -> Self:
        for job_type, entry in self.job_types.items():
            for number, stage in enumerate(entry.stages):
                if stage.image not in self.images:
                    raise ValueError(f"job_types.{job_type}.stages.{number}.image: no image is named {stage.image!r}")
        return self
