"""The files beside the page: read once, and named by what they hold, so that a browser keeps each for good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One file, and the address that its content has below the page's own."""

    name: str
    body: bytes
    kind: str

    @property
    def path(self) -> str:
        """Another one for another content."""
        return f"static/{hashlib.sha256(self.body).hexdigest()[:16]}/{self.name}"


def assets() -> dict[str, Asset]:
    """All of them by their names."""
    found = {}
    for file in files("service.console").joinpath("static").iterdir():
        kind = next((kind for end, kind in _KINDS.items() if file.name.endswith(end)), None)
        if kind is not None:
            found[file.name] = Asset(file.name, file.read_bytes(), kind)
    return found
