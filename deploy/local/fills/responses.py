"""The shapes in which the emulator keeps and answers, and an error answer of its JSON services."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json

Json = Any
"""Whatever JSON can say."""

JsonObject = dict[str, Any]
"""A task, an execution, a definition: what the emulator keeps, and changes in place."""

Response = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""


def refused(code: str, message: str) -> Response:
    """The answer of a service that refuses a request."""
    response: Response = error_response_json(code, message, 400)
    return response


def rate_exceeded() -> Response:
    """The answer of a service whose quota is used up."""
    return refused("ThrottlingException", "Rate exceeded")
