"""Texts that are too long to be looked through at once: of those the beginning is shown, and how much was left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.casefile import NotKnown
from service.core.redaction import LONGEST_EXCERPT, Redaction

# The name that a text stands under is looked at with it.
LONGEST_TEXT = LONGEST_EXCERPT - 256
# So that it is not too long again when secrets in it are replaced by longer words.
_SHOWN_CHARACTERS = LONGEST_EXCERPT * 3 // 4
_LEFT_OUT = re.compile(r"\[\.\.\. [\d,]+ characters left out\]")
_HALF_A_WORD = re.compile(r"[\w.+/=%~-]{1,4096}\Z")


def shortened(text: str) -> str:
    """The text, if no secret in it is overlooked for its length; else its beginning, and how much is left out.

    A word that does not fit is left out whole, since half a secret is known by no pattern.
    """
    if len(text) <= LONGEST_TEXT:
        return text
    kept = _HALF_A_WORD.sub("", text[:_SHOWN_CHARACTERS])
    return f"{kept} [... {len(text) - len(kept):,} characters left out]"


def shown_log(lines: Sequence[str], redaction: Redaction) -> str:
    """A log as it may be seen by others: some lines at a time, since no more is looked at at once."""
    shown: list[str] = []
    chunk: list[str] = []
    size = 0
    for line in map(shortened, lines):
        if chunk and size + len(line) > _SHOWN_CHARACTERS:
            shown.extend(redaction.lines(chunk))
            chunk, size = [], 0
        chunk.append(line)
        size += len(line) + 1
    shown.extend(redaction.lines(chunk))
    return "\n".join(shown) + "\n"


def left_out_of(name: str, text: str) -> tuple[NotKnown, ...]:
    """What a member has not, since it was too long."""
    if _LEFT_OUT.search(text) is None:
        return ()
    why = f"of a text of more than {LONGEST_TEXT:,} characters the beginning is shown, and how many follow"
    return (NotKnown(what=f"the ends of long texts in {name}", why=why),)
