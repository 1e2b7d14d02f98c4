"""What a text may be, in words: for those who do not read regular expressions."""

from __future__ import annotations

from schemas.base import (
    ENVIRONMENT_NAME_PATTERN,
    JOB_ID_PATTERN,
    NAME_PATTERN,
    PRINTABLE_PATTERN,
    PROCESS_TEXT_PATTERN,
)
from schemas.catalog import CONTAINER_NAME_PATTERN, TASK_DEFINITION_PATTERN

_MAY_BE = {
    JOB_ID_PATTERN: "Use 1 to 64 letters, digits, hyphens and underscores.",
    NAME_PATTERN: "Use up to 64 letters, digits, dots, hyphens and underscores, a letter or a digit first.",
    ENVIRONMENT_NAME_PATTERN: "Use up to 128 letters, digits and underscores, no digit first.",
    PRINTABLE_PATTERN: "Leave out line breaks and control characters, U+FFFE and U+FFFF.",
    PROCESS_TEXT_PATTERN: "Leave out NUL, U+FFFE and U+FFFF.",
    TASK_DEFINITION_PATTERN: "Use a family, or family:revision, and no ARN; it may begin with {prefix}.",
    CONTAINER_NAME_PATTERN: "Use up to 255 letters, digits, hyphens and underscores.",
}


_MAPPINGS = frozenset({"environment", "labels", "parameters"})
_LIKE_THIS = {
    "command": 'Give a list: ["echo", "hello"].',
    "environment": 'Give an object of texts: {"MODE": "fast"}.',
    "labels": 'Give an object of texts: {"album": "summer"}.',
    "parameters": 'Give an object: {"width": 240}.',
    "progress": "Write true or false, without quotes.",
    "stages": 'Give a list: [{"image": "image_1", "command": ["echo", "hello"]}].',
    "timeout_seconds": "Give whole seconds without quotes: 3600.",
}
_BY_KIND = {
    "bool_type": "Write true or false, without quotes.",
    "float_type": "Give a number without quotes: 0.5.",
    "int_type": "Give a whole number without quotes: 240.",
    "string_type": 'Give a text in quotes: "hello".',
    "model_type": 'Give an object: {"image": "image_1"}.',
    "dataclass_type": 'Give an object: {"image": "image_1"}.',
    "string_too_short": 'Give a text that is not empty: "hello".',
    "greater_than_equal": "Give a larger number.",
    "less_than_equal": "Give a smaller number.",
}
# A value of such a kind is wrong whatever the field: its example would mislead.
_NOT_OF_THE_FIELD = frozenset({"string_too_short", "greater_than_equal", "less_than_equal"})


def what_to_write(kind: str, location: tuple[int | str, ...]) -> str:
    """What a field of this place is like, where pydantic's error of this kind says that the value is not."""
    named_by_the_producer = len(location) > 1 and location[-2] in _MAPPINGS
    example = _LIKE_THIS.get(str(location[-1])) if location and not named_by_the_producer else None
    if example and kind not in _NOT_OF_THE_FIELD:
        return example
    return _BY_KIND.get(kind, "Give a value of the type that the JSON Schema names.")


def may_be(pattern: str) -> str:
    """What a text of this pattern may hold."""
    return _MAY_BE.get(pattern, "Use only the characters that it may hold.")
