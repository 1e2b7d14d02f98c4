"""A mutation: one small change of one file, and how it is shown."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Mutation:
    """Bytes `start` to `end` of the file are replaced; `first` to `last` are the lines of the statement they are in."""

    path: str
    line: int
    start: int
    end: int
    new: str
    kind: str
    first: int
    last: int
    at_import: bool
    """Whether the statement runs when its module is imported, and not when a function is called."""

    def applied(self, source: bytes) -> bytes:
        """The file with this change."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def is_python(self, source: bytes) -> bool:
        """Whether the file can still be compiled with this change."""
        try:
            compile(self.applied(source), self.path, "exec")
        except SyntaxError:
            return False
        return True

    def diff(self, source: bytes) -> str:
        """The change as a person reads it."""
        before, after = (text.decode().splitlines() for text in (source, self.applied(source)))
        lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
        return "\n".join(lines)

    def changed_code(self, source: bytes) -> str:
        """The changed lines alone, before and after, which is how an equivalent mutation is named."""
        changed = [text for text in self.diff(source).splitlines() if text[0] in "+-"]
        return "\n".join(f"{text[0]} {text[1:].strip()}" for text in changed)

    @property
    def where(self) -> str:
        """The place, as an editor takes it."""
        return f"{self.path}:{self.line}"
