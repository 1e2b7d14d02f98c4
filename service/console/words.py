"""How times, durations and texts of others are shown."""

from __future__ import annotations

import re
from datetime import datetime

# Characters that steer a terminal, or turn the order of what is read, show as themselves and do nothing.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_PICTURES, _PICTURE_OF_DELETE, _NO_PICTURE = 0x2400, "\u2421", "\ufffd"
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def plain(text: str) -> str:
    """A text in which each control character is a picture of itself; line breaks and tabs stay."""
    return _STEERING.sub(_pictured, text)


def _pictured(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    return _PICTURE_OF_DELETE if code == 0x7F else _NO_PICTURE


def duration(seconds: float | None) -> str:
    """Short, by its two largest units: `820 ms`, `4.2 s`, `3 m 12 s`, `2 d 4 h`."""
    if seconds is None:
        return "\u2013"
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, parts = int(seconds), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def seconds_of(moment: str | None) -> float | None:
    """A moment of a contract in epoch seconds."""
    return datetime.fromisoformat(moment).timestamp() if moment else None


def clock(moment: str | None) -> str:
    """A moment as `2026-11-24 19:40:12`, in UTC."""
    return moment[:19].replace("T", " ") if moment else "\u2013"
