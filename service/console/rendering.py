"""Templates to HTML. Everything that is put in is escaped, and its control characters are shown as pictures."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from service.console.words import clock, duration, plain


def environment() -> Environment:
    """The templates. None of them can turn the escaping off but by a filter that is not there."""
    made = Environment(
        loader=PackageLoader("service.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.pop("safe")
    made.filters.update(duration=duration, clock=clock, plain=plain, web=web_address, pretty=pretty, query=query)
    return made


def _shown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value  # What a template made, of what was escaped already.
    return plain(value) if isinstance(value, str) else value


def web_address(url: str | None) -> str:
    """An address that may be linked to: of the web, and nothing that runs; else none."""
    return url if url and urlsplit(url).scheme == "https" else ""


def pretty(value: object) -> str:
    """JSON for people."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def query(fields: dict[str, Any]) -> str:
    """The query of a link; what is None is left out."""
    return urlencode({name: value for name, value in fields.items() if value is not None})
