"""Where a request belongs in somebody's distributed trace, as it travels from the message to the notification."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Trace(BaseModel):
    """The trace that a request came with; it was checked by its grammar, and holds nothing else."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_serialization_defaults_required=True)

    traceparent: str | None = Field(default=None, description="W3C Trace Context: version, trace id, parent id, flags.")
    aws_trace_header: str | None = Field(default=None, description="X-Ray: Root, and Parent and Sampled where given.")
