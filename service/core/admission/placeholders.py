"""`{name}` in a job type's command or environment stands for a parameter; `{{` and `}}` for the braces themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.errors import JobferryError

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9][A-Za-z0-9_.-]*)\}|[{}]")


class UnknownPlaceholderError(JobferryError):
    """A template names a parameter that its job type does not take, or has a lone brace."""


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced, once: a value is never read as a template."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] in {"{{", "}}"}:
            return match[0][0]
        if match[1] not in values:
            raise UnknownPlaceholderError(f"{match[0]!r} in {template!r} is no parameter of this job type")
        return values[match[1]]

    return _TOKEN.sub(replacement, template)
