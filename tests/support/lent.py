"""One app for many tests: it takes a tenth of a second to make, and a test changes only what stands behind it."""

from __future__ import annotations

from typing import Any


class Lent:
    """Stands where a part of an app stands, and does what its owner of the moment does."""

    def __init__(self) -> None:
        self._owner: Any = None

    def to(self, owner: object) -> None:
        """From now on it is this one."""
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owner, name)
