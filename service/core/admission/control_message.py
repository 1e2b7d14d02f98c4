"""Reading a control message: what somebody wants done with a job, or with many, or why that is unreadable."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from schemas.bulk import BulkMessage, BulkStop
from schemas.control import ControlMessage
from service.core.admission.admission import Refused, problems_of
from service.core.admission.request_body import BodyRefusedError, canonical, read_object

Control = ControlMessage | BulkMessage | BulkStop


def read_control(body: str) -> Control | Refused:
    """What a message asks for. Of a refused one the job and the tenant are named where they can be read."""
    try:
        raw = read_object(body)
    except BodyRefusedError as refusal:
        return Refused((refusal.problem,))
    try:
        return _kind_of(raw).model_validate_json(canonical(raw))
    except ValidationError as error:
        named = {name: _readable(raw, name) for name in ("job_id", "tenant")}
        return Refused(tuple(problems_of(error)), job_id=named["job_id"], tenant=named["tenant"])


def _kind_of(raw: dict[str, Any]) -> type[Control]:
    """A filter makes it one for many jobs."""
    if raw.get("verb") == "stop":
        return BulkStop
    return BulkMessage if "jobs" in raw else ControlMessage


def _readable(raw: dict[str, Any], name: str) -> str | None:
    """A name that the refused message gave, if that one field is in order."""
    try:
        asked = ControlMessage.model_validate({"verb": "cancel", "job_id": "any", name: raw[name]})
    except (KeyError, ValidationError):
        return None
    value: str = getattr(asked, name)
    return value
