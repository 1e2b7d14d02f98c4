"""Lines of a log as pieces of text, each with the names of its colours: an escape sequence never reaches the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from service.console.words import plain

_LONGEST_LINE = 4000
# Colours and weights [ECMA-48, SGR], other control sequences, and operating system commands, links among them.
_ESCAPE = re.compile(
    r"\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-_])"
)
_WEIGHTS = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}
_BRIGHT = 8


@dataclass(frozen=True)
class Piece:
    """A text, and the CSS classes of how it is written."""

    text: str
    classes: str = ""


@dataclass
class Pen:
    """How the next text is written; it is held over lines, as a terminal does."""

    colour: int | None = None
    ground: int | None = None
    weights: list[str] = field(default_factory=list)

    def take(self, codes: list[int]) -> None:
        """Follow one sequence."""
        left = iter(codes)
        for code in left:
            if code == 0:
                self.colour, self.ground, self.weights = None, None, []
            elif code in (38, 48):
                self._palette(code, next(left, 0), left)
            else:
                self._simple(code)

    def _palette(self, code: int, kind: int, left: object) -> None:
        """Of 256 colours the first sixteen are the terminal's own; others keep the page's."""
        numbers = list(zip(range(1 if kind == 5 else 3), left, strict=False))  # type: ignore[call-overload]
        number = numbers[0][1] if kind == 5 and numbers else None
        shown = number if number is not None and number < 16 else None
        if code == 38:
            self.colour = shown
        else:
            self.ground = shown

    def _simple(self, code: int) -> None:
        if code in _WEIGHTS:
            if _WEIGHTS[code] not in self.weights:
                self.weights.append(_WEIGHTS[code])
        elif code in _ENDS:
            self.weights = [weight for weight in self.weights if weight not in _ENDS[code]]
        elif 30 <= code <= 39:
            self.colour = code - 30 if code < 38 else None
        elif 40 <= code <= 49:
            self.ground = code - 40 if code < 48 else None
        elif 90 <= code <= 97:
            self.colour = code - 90 + _BRIGHT
        elif 100 <= code <= 107:
            self.ground = code - 100 + _BRIGHT

    @property
    def classes(self) -> str:
        """As CSS classes."""
        colour = [] if self.colour is None else [f"fg-{self.colour}"]
        ground = [] if self.ground is None else [f"bg-{self.ground}"]
        return " ".join((*colour, *ground, *self.weights))


def pieces(line: str, pen: Pen) -> tuple[Piece, ...]:
    """A line. What was overwritten by a carriage return is left out, as a terminal would."""
    shown = line.rstrip("\r").rpartition("\r")[2]
    cut = shown[:_LONGEST_LINE]
    found: list[Piece] = []
    end = 0
    for escape in _ESCAPE.finditer(cut):
        _add(found, cut[end : escape.start()], pen)
        if escape[1] is not None:
            pen.take([int(code) if code.isdecimal() and len(code) < 4 else 0 for code in re.split("[;:]", escape[1])])
        end = escape.end()
    _add(found, cut[end:], pen)
    if len(shown) > _LONGEST_LINE:
        found.append(Piece(f" \u2026 {len(shown) - _LONGEST_LINE:,} more characters in the raw log", "dim"))
    return tuple(found)


def _add(found: list[Piece], text: str, pen: Pen) -> None:
    if text:
        found.append(Piece(plain(text), pen.classes))
