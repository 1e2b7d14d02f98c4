"""A record's registers, as they are kept: each is read when it is looked at, and what was just written is not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from service.core.record.facts import Fact

_KNOWN = frozenset(
    {
        "request",
        "rejection",
        "execution",
        "task",
        "waiting",
        "receipt",
        "claim",
        "announced",
        "ended_before",
        "progress",
        "cancel",
        "cancelled",
        "redrive",
        "redriven",
        "redrive_refused",
        "rerun",
        "bulk",
        "bulk_progress",
        "bulk_stop",
    }
)


class Registers(Mapping[str, Fact]):
    """Facts by the names of their registers, some of them still to be read.

    Registers that only a newer worker knows are not seen here. They stay where they are kept, and the newer worker, or
    the next one, finds them there.
    """

    __slots__ = ("_held", "_read")

    def __init__(self, held: Mapping[str, str | Fact], read: Callable[[str, str], Fact]) -> None:
        self._held = {name: item for name, item in held.items() if name.partition("#")[0] in _KNOWN}
        self._read = read

    def __getitem__(self, name: str) -> Fact:
        held = self._held[name]
        if isinstance(held, str):
            held = self._held[name] = self._read(name, held)
        return held

    def get(self, name: str, default: Any = None) -> Any:
        """Most of what is asked for is not there, and Mapping's own would raise and catch an error each time."""
        return self[name] if name in self._held else default

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __or__(self, news: Mapping[str, Fact]) -> Registers:
        """The same with these facts in the place of others."""
        return Registers({**self._held, **news}, self._read)
