"""What forms of the page hold when they come back, read as browsers send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

_MOST_BYTES = 32_768
_LONGEST_KEY = 128
NOT_OURS = (
    "This form was not made for this browser, or it keeps no cookies. Nothing was asked for: look again, and confirm."
)
TOO_LONG = "The form is longer than it can be."
NO_REASON = "A reason is one line of at most 512 characters, without control characters."
_NO_CHANGE = 'is no change: a line is a field and its value, such as parameters.size="small".'


class FormError(ValueError):
    """What a form held cannot be asked for."""


@dataclass(frozen=True)
class Fields:
    """What it held; what is missing is empty."""

    token: str = ""
    reason: str = ""
    changes: str = ""
    key: str = ""
    jobs: str = ""


async def read_fields(request: Request) -> Fields | None:
    """The fields of a form [HTML standard, application/x-www-form-urlencoded]; None of one that is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    try:
        given = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return None
    token, reason, changes, key, jobs = (
        given.get(name, [""])[0] for name in ("token", "reason", "changes", "key", "jobs")
    )
    return Fields(token, reason.strip(), changes, key[:_LONGEST_KEY], jobs)


def changes_in(text: str) -> Iterator[tuple[str, Any]]:
    """The changes of a rerun, one a line. Raises FormError for a line that is none."""
    for line in filter(None, map(str.strip, text.splitlines())):
        field, equals, value = (part.strip() for part in line.partition("="))
        if not field or not equals:
            raise FormError(f"{line} {_NO_CHANGE}")
        try:
            yield field, json.loads(value)
        except ValueError:
            yield field, value
