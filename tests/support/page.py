"""A page of documentation, as somebody follows it: its blocks in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words behind it, and its text."""

    language: str
    words: tuple[str, ...]
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    for language, words, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Block(language, tuple(words.split()), text)
