"""In which order a worker goes through what all workers see: each begins with others, and they seldom meet."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeVar

_T = TypeVar("_T")


def own_order(me: str, things: Iterable[_T]) -> list[_T]:
    """The things in an order that is this piece of work's own."""
    return sorted(things, key=lambda thing: blake2b(f"{me}{thing}".encode()).digest())
