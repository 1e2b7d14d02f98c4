"""Who asks, where whoever stands before the app has verified that: API Gateway, or a load balancer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CALLER = "jobferry.caller"


def caller_of(scope: Mapping[str, Any]) -> str | None:
    """Who signed the request, or signed in for it; None where the caller's own credentials serve it."""
    caller: str | None = scope.get(CALLER)
    return caller
