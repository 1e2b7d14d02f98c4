"""The values of environment variables, masked wherever a job carries them: in its stages, its plans, its tasks.

A mask is as long in JSON as what it stands for, since ECS counts the characters of a task's overrides: so all that was
decided by a value's length is decided by its mask too. No other decision looks at a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from pydantic import JsonValue

# What Jobferry itself tells a container [service/core/overrides.py]; the task's token is no name, and is masked.
_OURS = re.compile(r"JOBFERRY_[A-Z_]+|TRACEPARENT|_X_AMZN_TRACE_ID")
# What admission refuses a value for must be found in its mask [schemas/base.py, PROCESS_TEXT_PATTERN].
_TELLING = frozenset("\x00\ufffe\uffff")
_TEXTS = ("environment_before_redrive", "environment_after_redrive", "environment_after_token")
_JOINT, _JOINT_IN_JSON = "\x00", "\\u0000"  # What no variable may hold.
_UNREADABLE: dict[str, JsonValue] = dict.fromkeys(_TEXTS, "[masked]")
# Of a cause that was cut, and is no JSON any more.
_PAIR = re.compile(r'("Name"\s{0,8}:\s{0,8}"([^"\\]{1,128})"\s{0,8},\s{0,8}"Value"\s{0,8}:\s{0,8}")((?:[^"\\]|\\.)*+)')


def masked(value: JsonValue) -> JsonValue:
    """The same, with a mask in the place of each variable's value; JSON within a text is looked at too."""
    match value:
        case dict():
            return _object(value)
        case list():
            return [masked(item) for item in value]
        case str() if value[:1] in {"{", "["}:
            return _text(value)
    return value


def mask(text: str) -> str:
    """As many characters as the text has in JSON."""
    return "".join(character if character in _TELLING else "*" * _width(character) for character in text)


def _width(character: str) -> int:
    return len(json.dumps(character)) - 2


def compact(value: JsonValue) -> str:
    """JSON within JSON, as the planner writes it."""
    return json.dumps(value, separators=(",", ":"))


def _text(text: str) -> str:
    try:
        value = json.loads(text)
        shown = masked(value)
    except (ValueError, RecursionError):
        return _PAIR.sub(_masked_pair, text)
    return text if shown == value else compact(shown)


def _masked_pair(found: re.Match[str]) -> str:
    return found[0] if _OURS.fullmatch(found[2]) else found[1] + "*" * len(found[3])


def _object(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    shown = {name: _member(name, item) for name, item in value.items()}
    return {**shown, **_environment_texts(value)} if _TEXTS[0] in value else shown


def _member(name: str, item: JsonValue) -> JsonValue:
    if name == "asked" and isinstance(item, str):
        return _asked(item)
    if name.lower() != "environment":
        return masked(item)
    if isinstance(item, dict):
        return {variable: _masked_value(variable, text) for variable, text in item.items()}
    return [_pair(pair) for pair in item] if isinstance(item, list) else masked(item)


def _asked(text: str) -> str:
    """What is kept of an admitted request: its parameters may be what the environment is filled with."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return text
    given = asked.get("parameters") if isinstance(asked, dict) else None
    if isinstance(given, dict):
        asked["parameters"] = {name: mask(item) if isinstance(item, str) else item for name, item in given.items()}
    return compact(masked(asked))


def _pair(pair: JsonValue) -> JsonValue:
    if not isinstance(pair, dict):
        return pair
    name = str(pair.get("Name", pair.get("name", "")))
    return {key: _masked_value(name, item) if key.lower() == "value" else item for key, item in pair.items()}


def _masked_value(name: str, value: JsonValue) -> JsonValue:
    return mask(value) if isinstance(value, str) and not _OURS.fullmatch(name) else value


def _environment_texts(plan: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return in_environment(plan, _pair)


def in_environment(plan: Mapping[str, JsonValue], change: Callable[[JsonValue], JsonValue]) -> dict[str, JsonValue]:
    """The three texts of a plan's environment with the pairs in them changed; what cannot be read is left out whole.

    They are one list in JSON, cut where the state machine puts the redrive count and the task's token.
    """
    texts = [str(plan.get(name) or "") for name in _TEXTS]
    parts = texts if texts[-1] else texts[:2]
    try:
        pairs = json.loads(_JOINT_IN_JSON.join(parts))
    except (ValueError, RecursionError):
        return _UNREADABLE
    if not isinstance(pairs, list):
        return _UNREADABLE
    changed = compact([pair if _is_cut(pair) else change(pair) for pair in pairs]).split(_JOINT_IN_JSON)
    return dict(zip(_TEXTS, (*changed, "")[: len(_TEXTS)], strict=True)) if len(changed) == len(parts) else _UNREADABLE


def _is_cut(pair: JsonValue) -> bool:
    """Whether the list is cut in this pair's value, of which there is none yet."""
    return isinstance(pair, dict) and pair.get("Value") == _JOINT
