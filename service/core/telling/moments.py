"""Moments as contracts write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def iso(seconds: float) -> str: ...


@overload
def iso(seconds: float | None) -> str | None: ...


def iso(seconds: float | None) -> str | None:
    """Epoch seconds as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_from(start: float | None, end: float | None) -> float | None:
    """How long something took, to the millisecond; never less than nothing, since two clocks may disagree."""
    return round(max(0.0, end - start), 3) if start is not None and end is not None else None
