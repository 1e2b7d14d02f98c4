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


def may_be(pattern: str) -> str:
    """What a text of this pattern may hold."""
    return _MAY_BE.get(pattern, "Use only the characters that it may hold.")
