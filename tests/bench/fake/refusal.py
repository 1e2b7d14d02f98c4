"""What AWS refuses, as its JSON services say it."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An error answer: its code, and what else its body holds."""

    def __init__(self, code: str, message: str = "", **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.more = more
