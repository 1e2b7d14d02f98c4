"""The packages that a lock names, as they are installed here: what pip would bring, without pip and an index."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def locked(lock: Path) -> Iterator[Distribution]:
    """Those that a lock brings on this Python."""
    lines = [line.removesuffix("\\").strip() for line in lock.read_text().splitlines() if "==" in line]
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate():
            yield distribution(requirement.name)


def link(package: Distribution, folder: Path) -> None:
    """Put its modules, and what is known of it, into a folder by links; programs are left out."""
    for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        (folder / name).symlink_to(Path(str(package.locate_file(name))))


def wanted(package: Distribution) -> Iterator[str]:
    """The names of the packages that it needs on this Python."""
    for requirement in map(Requirement, package.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
