"""What the routes' paths and queries are made of, and how their refusals are described."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.base import JOB_ID_PATTERN, NAME_PATTERN
from schemas.bulk import LABEL_PATTERN
from schemas.tracking import ApiProblem, ListedStatus
from service.api.problems import PROBLEM_JSON
from service.core.tracking.listing import JobFilter

TenantName = Annotated[str, Path(pattern=NAME_PATTERN, description="Whose jobs.")]
JobName = Annotated[
    str,
    Path(
        pattern=JOB_ID_PATTERN,
        description="The job's id; for a rejected request its message's, or the one that it claimed.",
    ),
]
BulkName = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The bulk's id.")]
_Words = Annotated[str, Field(min_length=1, max_length=256)]


class ListQuery(BaseModel):
    """Which jobs, and how many at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: ListedStatus | None = None
    type: _Words | None = Field(default=None, description="The job type.")
    user: _Words | None = None
    label: str | None = Field(default=None, pattern=LABEL_PATTERN, description="`name=value`, or a name alone.")
    failure_class: _Words | None = None
    since: AwareDatetime | None = Field(default=None, description="Requested at this moment or later.")
    until: AwareDatetime | None = Field(default=None, description="Requested before it.")
    id: _Words | None = Field(default=None, description="A part of the id.")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=1024)

    def as_filter(self) -> JobFilter:
        """The same for whoever keeps the list."""
        name, equals, value = (self.label or "").partition("=")
        return JobFilter(
            status=self.status,
            job_type=self.type,
            user=self.user,
            label=name or None,
            label_value=value if equals else None,
            failure_class=self.failure_class,
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            text=self.id,
        )


ListQueryParameters = Annotated[ListQuery, Query()]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the problems of a route are described in its OpenAPI document."""
    schema = {"schema": {"$ref": f"#/components/schemas/{ApiProblem.__name__}"}}
    return {
        status: {"description": "Why not.", "model": ApiProblem, "content": {PROBLEM_JSON: schema}}
        for status in (*statuses, 422, 503)
    }
