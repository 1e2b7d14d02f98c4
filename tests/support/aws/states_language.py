"""Amazon States Language, as far as our state machine uses it: paths, payload templates, intrinsics, choices, retries.

Everything is compiled once. What is not understood is an error, so that the machine never runs other than it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
Fill = Callable[[Json, Json], Json]
"""A part of a template: from the state's input and the context object to a value."""

_ARGUMENTS = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|(States\.\w+\(.*\))|(\$[^,]*))\s*(?:,|$)")
_INTRINSICS: Mapping[str, Callable[..., Json]] = {
    "States.StringSplit": lambda text, separator: [part for part in text.split(separator) if part],
    "States.StringToJson": json.loads,
    "States.Format": lambda template, *values: template.replace("{}", "%s") % values,
}


class StateError(Exception):
    """A state failed, with Step Functions' error name and cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


class NotUnderstoodError(Exception):
    """The definition says something that this interpreter does not know."""


def path(text: str) -> Fill:
    """A reference path, into the input or, with `$$`, into the context object."""
    in_context = text.startswith("$$")
    keys = tuple(text.removeprefix("$$" if in_context else "$").split(".")[1:])
    if re.search(r"[\[\]*?@]", text):
        raise NotUnderstoodError(text)

    def fill(data: Json, context: Json) -> Json:
        found = context if in_context else data
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise StateError("States.Runtime", f"the JSONPath '{text}' could not be found in the input")
            found = found[key]
        return found

    return fill


def template(value: Json) -> Fill:
    """A payload template: its `name.$` fields are filled in, all else stays."""
    if isinstance(value, dict):
        fields = [_field(key, item) for key, item in value.items()]
        return lambda data, context: {key: fill(data, context) for key, fill in fields}
    if isinstance(value, list):
        items = [template(item) for item in value]
        return lambda data, context: [fill(data, context) for fill in items]
    return lambda data, context: value


def _field(key: str, value: Json) -> tuple[str, Fill]:
    if not key.endswith(".$"):
        return key, template(value)
    return key.removesuffix(".$"), _expression(value)


def _expression(text: str) -> Fill:
    if not text.startswith("States."):
        return path(text)
    name, _, rest = text.partition("(")
    intrinsic = _INTRINSICS.get(name)
    if intrinsic is None or not rest.endswith(")"):
        raise NotUnderstoodError(text)
    arguments = [_argument(*found) for found in _ARGUMENTS.findall(rest[:-1])]
    return lambda data, context: intrinsic(*(fill(data, context) for fill in arguments))


def _argument(literal: str, call: str, reference: str) -> Fill:
    return _expression(call or reference) if call or reference else lambda data, context: literal


def choice(state: Mapping[str, Any]) -> Callable[[Json], str]:
    """Where a Choice state goes, by its input."""
    rules = [_rule(rule) for rule in state["Choices"]]

    def go(data: Json) -> str:
        return next((following for holds, following in rules if holds(data)), str(state["Default"]))

    return go


def _rule(rule: Mapping[str, Any]) -> tuple[Callable[[Json], bool], str]:
    return _test({key: value for key, value in rule.items() if key != "Next"}), rule["Next"]


def _test(rule: Mapping[str, Any]) -> Callable[[Json], bool]:
    match dict(rule):
        case {"And": parts, **others} if not others:
            tests = [_test(part) for part in parts]
            # One after the other, to the first that does not hold: so IsPresent guards what follows [ASL, And].
            return lambda data: all(holds(data) for holds in tests)
        case {"Variable": where, "StringEquals": wanted, **others} if not others:
            variable = path(where)
            return lambda data: bool(variable(data, None) == wanted)
        case {"Variable": where, "IsPresent": True, **others} if not others:
            return lambda data: _is_there(data, where)
        case unknown:
            raise NotUnderstoodError(str(unknown))


def _is_there(data: Json, reference: str) -> bool:
    for name in reference.removeprefix("$.").split("."):
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


@dataclass(frozen=True)
class Retrier:
    """One entry of a state's Retry."""

    errors: frozenset[str]
    interval: float
    backoff: float
    longest: float
    attempts: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Retrier:
        return cls(
            errors=frozenset(entry["ErrorEquals"]),
            interval=entry.get("IntervalSeconds", 1),
            backoff=entry.get("BackoffRate", 2),
            longest=entry.get("MaxDelaySeconds", float("inf")),
            attempts=entry.get("MaxAttempts", 3),
        )

    def covers(self, error: str) -> bool:
        return covers(self.errors, error)

    def delay(self, attempt: int) -> float:
        """Before which jitter is applied; `attempt` counts the failures so far, from 1."""
        return min(self.interval * self.backoff ** (attempt - 1), self.longest)


def covers(errors: frozenset[str], error: str) -> bool:
    """Whether ErrorEquals covers an error. States.ALL does not cover States.Runtime (SFN guide)."""
    if error in errors:
        return True
    if error == "States.Runtime":
        return False
    return "States.ALL" in errors or ("States.TaskFailed" in errors and error != "States.Timeout")
