"""What differs between what was decided then and what is decided now, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from pydantic import JsonValue

from schemas.casefile import Difference


def differences(where: str, then: JsonValue, now: JsonValue) -> Iterator[Difference]:
    """Every field that is not the same, by its path; a text of several lines is looked at line by line."""
    match then, now:
        case dict(), dict():
            for name in (*then, *(name for name in now if name not in then)):
                yield from differences(f"{where}.{name}", then.get(name), now.get(name))
        case list(), list():
            for number, (before, after) in enumerate(zip_longest(then, now)):
                yield from differences(f"{where}.{number}", before, after)
            if None in max(then, now, key=len)[min(len(then), len(now)) :]:  # More than nothing.
                yield Difference(where=f"{where}, how many", then=len(then), now=len(now))
        case str(), str() if "\n" in then and then != now:
            yield from _lines(where, then.split("\n"), now.split("\n"))
        case _ if not _same(then, now):
            yield Difference(where=where, then=then, now=now)


def _lines(where: str, then: list[str], now: list[str]) -> Iterator[Difference]:
    for number, (before, after) in enumerate(zip_longest(then, now), start=1):
        if before != after:
            yield Difference(where=f"{where}, line {number}", then=before, now=after)


def _same(then: JsonValue, now: JsonValue) -> bool:
    """`true` is not 1, though Python takes them for equal; 60.0 is 60 in JSON."""
    return then == now and isinstance(then, bool) == isinstance(now, bool)
