"""EventBridge: which events the template's rules let through to the queue of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.deployment import properties, resources
from tests.support.names import CLUSTER_ARN, STATE_MACHINE_ARN

_ARNS = {"Fn::GetAtt": CLUSTER_ARN, "Ref": STATE_MACHINE_ARN}


def patterns() -> tuple[Mapping[str, Any], ...]:
    """Those of all rules of the template, by its defaults."""
    return tuple(_resolved(properties(name)["EventPattern"]) for name in resources("AWS::Events::Rule"))


def _resolved(pattern: Any) -> Any:
    """A pattern with ARNs in the place of references, which only these two things are named by."""
    if isinstance(pattern, dict):
        [(name, branches), *more] = pattern.items()
        if name == "Fn::If":
            return branches[1]  # WithTaskStarts, which is true by default.
        return _ARNS[name] if name in _ARNS and not more else {key: _resolved(part) for key, part in pattern.items()}
    return [_resolved(part) for part in pattern] if isinstance(pattern, list) else pattern


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether an event matches; of a list in it, whether any member does [EventBridge guide, event patterns]."""
    if isinstance(event, list):
        return any(matches(pattern, member) for member in event)
    return isinstance(event, dict) and all(_holds(key, wanted, event) for key, wanted in pattern.items())


def _holds(key: str, wanted: Any, event: Mapping[str, Any]) -> bool:
    if key == "$or":
        return any(matches(pattern, event) for pattern in wanted)
    given = event.get(key)
    if isinstance(wanted, dict):
        return matches(wanted, given)
    members = given if isinstance(given, list) else [given]
    return any(_is(one, member, present=key in event) for one in wanted for member in members)


def _is(wanted: Any, given: Any, *, present: bool) -> bool:
    if not isinstance(wanted, dict):
        return present and bool(given == wanted)
    [(kind, value)] = wanted.items()
    match kind:
        case "exists":
            return bool(value == present)
        case "prefix":
            return isinstance(given, str) and given.startswith(value)
        case "suffix":
            return isinstance(given, str) and given.endswith(value)
        case "anything-but":
            return present and given not in (value if isinstance(value, list) else [value])
    raise NotImplementedError(kind)
