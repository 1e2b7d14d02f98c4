"""Waiting for a condition, never for a time; who gives up says what there was to see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

# Only what fails waits for so long: a machine that is busy with other things fails no test.
WITHIN_SECONDS = 300.0
_LOOK_SECONDS = 0.1
_LOOK_SECONDS_IN_MEMORY = 0.01
_LAST_LINES = 20
_TAIL_BYTES = 16_384

T = TypeVar("T")


def wait_for(
    look: Callable[[], T | None],
    what: str = "it",
    *,
    within: float = WITHIN_SECONDS,
    seen: Callable[[], str] | None = None,
) -> T:
    """What `look` finds, once it finds something; fails when it does not within the deadline, with what is `seen`."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(_given_up(what, within, seen() if seen else f"the last look found {found!r}"))
        time.sleep(_LOOK_SECONDS)
    return found


def unchanged(value: Callable[[], object], seconds: float) -> Callable[[], bool]:
    """A look that finds whether a value has been the same for so long, by all looks since."""
    seen, since = value(), time.monotonic()

    def look() -> bool:
        nonlocal seen, since
        if (now := value()) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= seconds

    return look


async def eventually(holds: Callable[[], object], what: str = "it", *, within: float = WITHIN_SECONDS) -> None:
    """Return once the condition holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(_given_up(what, within, f"the last look found {found!r}"))
        await asyncio.sleep(_LOOK_SECONDS_IN_MEMORY)


def last_lines(log: Path, lines: int = _LAST_LINES) -> str:
    """The end of a log that somebody may still write."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL_BYTES, 0))
        text = file.read().decode(errors="replace").splitlines()
    return "\n".join(text[-lines:]) or "(nothing)"


def _given_up(what: str, within: float, seen: str) -> str:
    return f"{what} did not come true within {within:g} s; {seen}"
