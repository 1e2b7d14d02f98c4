"""What people ask for by the control queue: in whose name, by whom and why, so that an outcome can be held to it."""

from __future__ import annotations

from typing import Any

from schemas.base import DEFAULT_TENANT
from schemas.control import ControlMessage, Verb

ANOTHER_TENANT = "another"
_WHO = {DEFAULT_TENANT: "ann", ANOTHER_TENANT: "eve"}
# What a rerun has in the place of a command that fails.
_MENDED = {"stages.0.command": ["echo", "mended"]}

Steered = tuple[Verb, str | None, str | None]
"""What was asked for, by whom and why, as outcomes tell it."""


def wish(verb: Verb, job_id: str, tenant: str = DEFAULT_TENANT, new_job_id: str | None = None) -> ControlMessage:
    """One control message."""
    told: dict[str, Any] = {"changes": _MENDED, "new_job_id": new_job_id} if verb == "rerun" else {}
    reason = f"the drill wants a {verb} of {job_id}"
    return ControlMessage(verb=verb, tenant=tenant, job_id=job_id, requested_by=_WHO[tenant], reason=reason, **told)


def asked_of(verb: Verb, job_id: str) -> Steered:
    """How an outcome tells of the wish of the job's own tenant."""
    asked = wish(verb, job_id)
    return verb, asked.requested_by, asked.reason
