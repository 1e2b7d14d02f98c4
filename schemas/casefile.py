"""What lies in a case file, and what a replay of one says.

A case file is one zip: `manifest.json`, by which the rest is known, and its members. Fields and members may be added
within a version, never changed; a reader keeps what it does not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from schemas.base import Moment
from schemas.notification import Published
from schemas.price import Price

CaseValues = Literal["masked", "shown"]
CaseLogs = Literal["none", "tail", "whole"]


def _a_moment(text: str) -> str:
    """The text, if it is a moment. Raises ValueError."""
    datetime.fromisoformat(text)
    return text


class _Kept(BaseModel):
    """A shape that we write, and that another version of us reads."""

    model_config = ConfigDict(extra="allow", frozen=True)


class CaseMember(_Kept):
    """One file of the zip."""

    name: str
    what: str = Field(description="What it holds, in a sentence.")


class NotKnown(_Kept):
    """Something that the case does not tell, and why."""

    what: str
    why: str


class CaseSettings(_Kept):
    """What of the worker's settings its decisions hang on; null where whoever made the case did not know them."""

    prices: dict[str, Price] = Field(default_factory=dict)
    task_grace_seconds: float | None = None
    log_deadline_seconds: float | None = None
    secret_patterns: int = Field(
        default=0, description="How many patterns of the deployment's own hid something: they stay at home."
    )


class CaseManifest(_Kept):
    """What a case file is of, what lies in it, and what does not."""

    format: Literal["jobferry-case"] = "jobferry-case"
    schema_version: Literal["1"] = "1"
    made_at: Annotated[Moment, AfterValidator(_a_moment)]
    made_by: str = Field(description="The version of Jobferry that made it.")
    kind: Literal["job", "rejection"]
    job_id: str | None = None
    message_id: str | None = None
    tenant: str | None = None
    status: str = Field(description="As `jobferry show` has it.")
    values: CaseValues = Field(description="Whether the values of environment variables are masked.")
    logs: CaseLogs
    settings: CaseSettings = CaseSettings()
    members: tuple[CaseMember, ...] = ()
    not_known: tuple[NotKnown, ...] = ()


class CaseRecord(_Kept):
    """A record with every fact: its registers, by their names."""

    kind: Literal["job", "rejected"]
    id: str
    registers: dict[str, dict[str, Any]]
    settled: dict[str, float] = Field(
        default_factory=dict, description="In older cases: tasks that were put away, and when."
    )
    kept_beside: tuple[str, ...] = ()


class CaseRequest(_Kept):
    """What admission judged."""

    source: Literal["body", "kept", "rebuilt"] = Field(
        description="body: as it was sent. kept: as it was understood. rebuilt: from the stages that were frozen of it."
    )
    message_id: str
    body: str


class CaseCatalog(_Kept):
    """By what it was judged: the entries that count."""

    source: Literal["of the case", "rebuilt"] = Field(
        description="of the case: the deployment's when the case was made. rebuilt: from the stages that were frozen."
    )
    catalog: dict[str, Any]


class PlannerDecision(_Kept):
    """One question to the planner, and its answer: a plan, or the error that the execution was to fail with."""

    request: dict[str, Any]
    result: dict[str, Any] | None = None
    error: str | None = None
    cause: str | None = None


class CaseDecisions(_Kept):
    """Every decision of the planner, oldest first."""

    decisions: tuple[PlannerDecision, ...]


class Difference(Published):
    """One thing that is decided otherwise now."""

    where: str = Field(description="What was decided, and which field of it.")
    then: JsonValue = Field(description="Null where there was nothing.")
    now: JsonValue = Field(description="Null where there is nothing.")


class ReplayedPart(Published):
    """One room's decisions, made again."""

    part: Literal["admission", "planning", "diagnosis", "policy", "telling"]
    decisions: int = Field(description="How many were made again.")
    differences: tuple[Difference, ...] = ()
    not_replayed: tuple[str, ...] = Field(default=(), description="What could not be, and why.")


class Replay(Published):
    """What a case comes to by the code of now."""

    schema_version: Literal["1"] = "1"
    job_id: str | None
    message_id: str | None
    status: str
    made_at: Moment
    made_by: str
    replayed_by: str
    parts: tuple[ReplayedPart, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is decided otherwise now."""
        return any(part.differences for part in self.parts)
