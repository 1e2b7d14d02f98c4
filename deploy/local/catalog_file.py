"""The catalogue of a local run, which its owner may change at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deploy.local.ecs.images import state_of
from schemas.catalog import Catalog
from schemas.errors import JobferryError

# The worker's own reader: a text, where it comes from, and what families begin with.
ReadCatalog = Callable[[str, str, str], Catalog]


class CatalogUnreadableError(JobferryError):
    """The catalogue's file cannot be read."""


class CatalogFile:
    """Reads a catalogue as the worker does, once and whenever its file has changed.

    `text` is what was read last and can be used: the worker is given this, since the file may hold a slip by then.
    """

    def __init__(self, path: Path, read: ReadCatalog, family_prefix: str) -> None:
        self.path = path
        self.text = ""
        self._parse = read
        self._family_prefix = family_prefix
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> Catalog:
        """What it says now.

        Raises:
            JobferryError: it cannot be used; the message says where and why.
        """
        self._seen = state_of(self.path)
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise CatalogUnreadableError(f"The catalogue {self.path} cannot be read: {why}") from None
        catalog = self._parse(text, str(self.path), self._family_prefix)
        self.text = text
        return catalog

    def read_if_changed(self) -> Catalog | None:
        """What it says now, where it has changed since it was read; what is wrong with it is told once.

        Raises:
            JobferryError: it has changed, and cannot be used.
        """
        return None if state_of(self.path) == self._seen else self.read()
