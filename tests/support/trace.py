"""What happened, for people: virtual time, who, what, how it went. Kept only where it was asked for."""

from __future__ import annotations

from collections.abc import Callable


class Trace:
    """A readable history. Off, it costs a look at a flag."""

    def __init__(self, clock: Callable[[], float], *, on: bool) -> None:
        self.on = on
        self.lines: list[str] = []
        self._clock = clock

    def say(self, actor: str, what: str, *details: object) -> None:
        """One line of the history."""
        if self.on:
            text = " ".join(map(str, details))
            self.lines.append(f"{self._clock():12.3f}  {actor:<12} {what:<30} {text}".rstrip())
