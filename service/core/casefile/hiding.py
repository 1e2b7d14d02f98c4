"""What of a case others may see: without secrets, as everywhere, and without the values of environment variables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from service.core.casefile.known import Known
from service.core.casefile.long_texts import shortened
from service.core.casefile.masking import compact, in_environment, masked, may_be_json, seen_in
from service.core.redaction import Redaction
from service.core.tracking.steps import Hiding

_ALWAYS_HIDDEN = Redaction.of()
_ENVIRONMENT = "environment_before_redrive"
# Of our own making, of names and ids alone; of any other URL the query is hidden.
_CONSOLE_URL = re.compile(
    r"https://[a-z0-9-]+\.console\.(aws\.amazon\.com|amazonaws\.cn)/[a-z/-]+\?region=[a-z0-9-]+#[^?\s]*"
)


@dataclass(frozen=True)
class CaseHiding:
    """Hides in JSON, and in the JSON within its texts. What is hidden once stays as it is when it is hidden again.

    `known` are the values that are masked anywhere in the case; where it is None, those of what is given.
    """

    redaction: Redaction = _ALWAYS_HIDDEN
    shows_values: bool = False
    known: Known | None = None
    _leaves: Hiding = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_leaves", Hiding(self.redaction))

    def value(self, value: JsonValue) -> JsonValue:
        """The same, fit to be sent to others."""
        if self.shows_values:
            return self._value(value, "")
        known = seen_in(value).known() if self.known is None else self.known
        return self._value(masked(value, known), "")

    def object(self, value: dict[str, Any]) -> dict[str, Any]:
        """An object, which stays one."""
        shown = self.value(value)
        assert isinstance(shown, dict), "an object stays an object"
        return shown

    def _value(self, value: Any, name: str) -> JsonValue:
        match value:
            case dict():
                return self._object(value)
            case list():
                return [self._value(item, name) for item in value]
            case str() if may_be_json(value):
                return self._text(value, name)
            case str() if name.endswith("console_url") and _CONSOLE_URL.fullmatch(value):
                return value
        return self._leaf(value, name)

    def _leaf(self, value: str | float | bool | None, name: str) -> JsonValue:
        return self._leaves.leaf(shortened(value) if isinstance(value, str) else value, name)

    def _object(self, value: dict[str, Any]) -> dict[str, JsonValue]:
        # ECS's environment: what a variable holds is a secret by the variable's name.
        named = value.get("Name", value.get("name"))
        shown = {
            key: self._value(item, named if isinstance(named, str) and key.lower() == "value" else key)
            for key, item in value.items()
        }
        if _ENVIRONMENT not in value:
            return shown
        return {**shown, **in_environment(value, lambda pair: self._value(pair, "environment"))}

    def _text(self, text: str, name: str) -> JsonValue:
        try:
            value = json.loads(text)
            shown = self._value(value, name)
        except (ValueError, RecursionError):
            return self._leaf(text, name)
        return text if shown == value else compact(shown)
