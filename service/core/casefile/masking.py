"""The values of environment variables, masked wherever a job carries them: in its stages, its plans, its tasks.

A mask is as long in JSON as what it stands for, since ECS counts the characters of a task's overrides: so all that was
decided by a value's length is decided by its mask too. No other decision looks at a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from service.core.casefile.known import Known, Seen, is_sentence
from service.core.casefile.quoted import OURS, masked_in_text

# What admission refuses a value for must be found in its mask [schemas/base.py, PROCESS_TEXT_PATTERN].
_TELLING = frozenset("\x00\ufffe\uffff")
_TEXTS = ("environment_before_redrive", "environment_after_redrive", "environment_after_token")
_JOINT, _JOINT_IN_JSON = "\x00", "\\u0000"  # What no variable may hold.
_UNREADABLE: dict[str, JsonValue] = dict.fromkeys(_TEXTS, "[masked]")
# What stands under these says something, be it a single word.
_SAYING = frozenset({"cause", "reason", "stoppedreason", "message", "errormessage", "evidence"})
_NOTHING = Known()


def masked(value: JsonValue, known: Known = _NOTHING) -> JsonValue:
    """The same, with a mask in the place of each variable's value; JSON within a text is looked at too.

    What is known of values is hidden in every sentence besides, and never in a name, by which something is decided.
    """
    return _Masking(known).value(value, "")


def seen_in(*values: JsonValue) -> Seen:
    """What is masked in these, and what is shown."""
    masking = _Masking(_NOTHING)
    for value in values:
        masking.value(value, "")
    return masking.seen


def may_be_json(text: str) -> bool:
    """Whether a text may hold JSON that has parts."""
    return text.lstrip()[:1] in {"{", "["}


def mask(text: str) -> str:
    """As many characters as the text has in JSON."""
    return "".join(character if character in _TELLING else "*" * _width(character) for character in text)


def _width(character: str) -> int:
    return len(json.dumps(character)) - 2


def compact(value: JsonValue) -> str:
    """JSON within JSON, as the planner writes it."""
    return json.dumps(value, separators=(",", ":"))


@dataclass
class _Masking:
    """Goes through a value, masks, and remembers what it came upon."""

    known: Known
    seen: Seen = field(default_factory=Seen)

    def value(self, value: JsonValue, name: str) -> JsonValue:
        match value:
            case dict():
                return self._object(value)
            case list():
                return [self.value(item, name) for item in value]
            case str():
                return self._text(value, name)
        return value

    def _text(self, text: str, name: str) -> str:
        if may_be_json(text):
            try:
                value = json.loads(text)
                shown = self.value(value, name)
            except (ValueError, RecursionError):
                return self._sentence(text)
            return text if shown == value else compact(shown)
        if name.lower() == "command" or not (is_sentence(text) or name.lower() in _SAYING):
            self.seen.names.add(text)
            return text
        return self._sentence(text)

    def _sentence(self, text: str) -> str:
        return self.known.hidden_in(masked_in_text(text))

    def _object(self, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        shown = {name: self._member(name, item) for name, item in value.items()}
        return {**shown, **in_environment(value, self._pair)} if _TEXTS[0] in value else shown

    def _member(self, name: str, item: JsonValue) -> JsonValue:
        if name == "asked" and isinstance(item, str):
            return self._asked(item)
        if name.lower() != "environment":
            return self.value(item, name)
        if isinstance(item, dict):
            return {variable: self._of_variable(variable, value) for variable, value in item.items()}
        return [self._pair(pair) for pair in item] if isinstance(item, list) else self.value(item, name)

    def _asked(self, text: str) -> str:
        """What is kept of an admitted request: its parameters may be what the environment is filled with."""
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            return self._sentence(text)
        given = asked.get("parameters") if isinstance(asked, dict) else None
        if isinstance(given, dict):
            asked["parameters"] = {
                name: self._mask(item) if isinstance(item, str) else item for name, item in given.items()
            }
        return compact(self.value(asked, ""))

    def _pair(self, pair: JsonValue) -> JsonValue:
        match pair:
            case dict():
                name = str(pair.get("Name", pair.get("name", "")))
                return {
                    key: self._of_variable(name, item) if key.lower() == "value" else item for key, item in pair.items()
                }
            case str() if "=" in pair:  # As Docker has them.
                name, _, value = pair.partition("=")
                return f"{name}={self._of_variable(name, value)}"
        return pair

    def _of_variable(self, name: str, value: JsonValue) -> JsonValue:
        """What a variable holds, masked; a rejected request may give it anything."""
        match value:
            case str() if OURS.fullmatch(name):
                self.seen.names.add(value)
            case str():
                return self._mask(value)
            case dict():
                return {key: self._of_variable(name, item) for key, item in value.items()}
            case list():
                return [self._of_variable(name, item) for item in value]
        return value

    def _mask(self, value: str) -> str:
        self.seen.values.add(value)
        return mask(value)


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
