"""One mistake, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

_Patch = tuple[object, str, object]


@dataclass(frozen=True)
class Mutant:
    """One mistake: what is replaced, where and by what, and the promises that it can break.

    Several replacements are one mistake where one guard stands behind the other.
    """

    name: str
    promises: frozenset[int]
    replaced: tuple[_Patch, ...]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The mistake is made for as long as the context lasts."""
        with ExitStack() as made:
            for where in self.replaced:
                made.enter_context(patch.object(*where))
            yield


def mutant(name: str, promises: tuple[int, ...], *replaced: _Patch) -> Mutant:
    """A mistake, by its name and the promises that it can break."""
    return Mutant(name, frozenset(promises), replaced)
