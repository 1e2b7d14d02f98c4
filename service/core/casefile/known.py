"""The values that are masked in a case's structured parts, to be found again in its texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.core.redaction import REDACTED

# What is shorter is a word like any other, and would be hidden all over the letter.
SHORTEST = 8
# Anything but a single word: names, ids, ARNs and keys have none of these, and are decided by.
_SENTENCE = re.compile(r"[\s\"'{=]")
_CUT_BY = "….'\" "


def is_sentence(text: str) -> bool:
    """Whether a text says something, rather than naming it."""
    return _SENTENCE.search(text) is not None


@dataclass
class Seen:
    """What was come upon in the structured parts: the values that are masked, and the names that are shown."""

    values: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def known(self) -> Known:
        """The values that are to be hidden in texts. One that stands open elsewhere, as in an ARN, is no secret."""
        shown = "\n".join(self.names)
        return Known.of(value for value in self.values if _is_telling(value) and value not in shown)


def _is_telling(value: str) -> bool:
    """Whether it is long enough, and not hidden already."""
    return len(value) >= SHORTEST and bool(value.replace(REDACTED, "").strip("*"))


@dataclass(frozen=True)
class Known:
    """Values that no text may tell, by how they begin, the longest first."""

    by_beginning: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Iterable[str]) -> Known:
        """These, and as they are written within JSON or by Python."""
        written = {form for value in values for form in _forms(value)}
        found: dict[str, list[str]] = {}
        for form in sorted(written, key=len, reverse=True):
            found.setdefault(form[:SHORTEST], []).append(form)
        return cls(found)

    def hidden_in(self, text: str) -> str:
        """The text with as many stars in the place of each."""
        if not self.by_beginning:
            return text
        shown: list[str] = []
        at = copied = 0
        end = len(text.rstrip(_CUT_BY))
        while at + SHORTEST <= len(text):
            length = self._length_at(text, at, end)
            if length:
                shown += (text[copied:at], "*" * length)
                copied = at + length
            at += length or 1
        return "".join(shown) + text[copied:]

    def _length_at(self, text: str, at: int, end: int) -> int:
        """How much of a value begins here: all of it, or what is there where the text was cut."""
        for form in self.by_beginning.get(text[at : at + SHORTEST], ()):
            if text.startswith(form, at):
                return len(form)
            if at + len(form) > end and form.startswith(text[at:end]):
                return end - at
        return 0


def _forms(value: str) -> set[str]:
    once = {value, _inner(value), _inner(value, ascii_only=False), repr(value)[1:-1]}
    return once | {_inner(form) for form in once} | {_inner(_inner(value))}


def _inner(text: str, *, ascii_only: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]
