"""The request that a job was made of, as it is kept: what its record holds anyway, and the rest of it as a text."""

from __future__ import annotations

import json
from typing import Any

from schemas.job import JobRequest
from service.core.record.facts import Requested

# Of these the record knows by itself.
_IN_THE_RECORD = {"job_type", "tenant", "user", "input_file", "labels", "progress"}


def kept_of(request: JobRequest) -> str:
    """What is kept of a request beside what its record holds."""
    return request.model_dump_json(exclude=_IN_THE_RECORD | {"job_id"}, exclude_defaults=True)


def request_of(kept: Requested, rest: str) -> dict[str, Any]:
    """The request as it could be sent again, under no id."""
    known = {name: getattr(kept, name) for name in _IN_THE_RECORD if getattr(kept, name)}
    return {**known, **json.loads(rest)}
