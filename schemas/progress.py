"""JobProgress v1: what subscribers read while a job runs, if its request asked for it.

It comes on the topic of the notifications and under the same message attributes; the statuses are others, so that a
filter on the statuses of outcomes lets none of it through.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Moment
from schemas.failures import FAILURE_CLASSES, FailureClass
from schemas.notification import Confidence, Published
from schemas.trace import Trace

ProgressStatus = Literal["STARTED", "WAITING", "STAGE_FINISHED", "RETRYING"]


class StageProgress(Published):
    """The attempt that this is about: the one that passed, that failed, or for WAITING that is due."""

    stage: int = Field(description="Counted from 1.")
    name: str
    image: str
    attempt: int = Field(description="Counted from 1.")
    task_arn: str | None = None
    exit_code: int | None = Field(default=None, description="Of the job's own container.")
    started_at: Moment | None = None
    stopped_at: Moment | None = None


class Setback(Published):
    """Why an attempt failed, as far as ECS has told by now, and how sure we are."""

    failure_class: FailureClass = Field(description=FAILURE_CLASSES)
    confidence: Confidence
    evidence: str = Field(description="The one line that shows it.")


class Wait(Published):
    """For want of capacity AWS takes no task on; it is asked again, and nothing is wrong with the job."""

    first_refused_at: Moment
    tries: int = Field(description="How often it has been refused by now.")
    failure_class: FailureClass = Field(description=FAILURE_CLASSES)
    evidence: str = Field(description="The one line that shows it, of the last refusal.")


class JobProgress(Published):
    """How far a job has come. Told at least once, in order as far as it is known, and not after the outcome."""

    schema_version: Literal["1"] = "1"
    id: str = Field(
        description="<job id>:<redriveCount>:STARTED, <job id>:STAGE_FINISHED:<stage>:<attempt>, "
        "<job id>:RETRYING:<stage>:<attempt> or <job id>:WAITING:<stage>:<attempt>, with <redriveCount>: after the job "
        "id for what a redrive ran; every copy bears the same id."
    )
    status: ProgressStatus
    job_id: str
    job_type: str | None = None
    tenant: str
    user: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    trace: Trace | None = Field(default=None, description="The trace that the request came with, to be gone on with.")
    redrive_count: int = Field(default=0, description="Of a stage's step: the redrive that its attempt was made in.")
    execution_arn: str
    execution_console_url: str | None = None
    submitted_at: Moment | None = None
    started_at: Moment | None = Field(default=None, description="When the execution started.")
    stages_count: int = Field(description="How many stages the job has.")
    stage: StageProgress | None = Field(default=None, description="Null for STARTED.")
    failure: Setback | None = Field(
        default=None, description="For RETRYING; null where nothing was heard of how the attempt ended."
    )
    waiting: Wait | None = Field(default=None, description="For WAITING.")
    text: str = Field(description="The same for a person, as e-mail subscribers get it.")
