"""Which local command stands for which container image."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import JobferryError


class ImageCatalogueError(JobferryError):
    """The image catalogue is not a mapping of image names to entry points."""


@dataclass(frozen=True)
class Image:
    """What runs when a container of this image starts."""

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    memory_limit: bool = False


@dataclass(frozen=True)
class Images:
    """The images that can be pulled on this machine."""

    by_name: Mapping[str, Image]

    def find(self, reference: str) -> Image | None:
        """The image a task definition means, or None when no registry has it."""
        return next((self.by_name[name] for name in names_of(reference) if name in self.by_name), None)


def names_of(reference: str) -> Iterator[str]:
    """Every catalogue name that answers for an image reference, the most exact first."""
    yield reference
    tagged = reference.partition("@")[0]
    head, slash, tail = tagged.rpartition("/")
    untagged = head + slash + tail.partition(":")[0]
    for name in (tagged, untagged):
        yield name
        yield without_registry(name)


def without_registry(name: str) -> str:
    """Drop the registry's host, which Docker tells by its dot, its port or the name localhost."""
    host, _, rest = name.partition("/")
    is_host = bool(rest) and ("." in host or ":" in host or host == "localhost")
    return rest if is_host else name


def load_images(path: Path) -> Images:
    """Read an image catalogue.

    Raises:
        ImageCatalogueError: the file does not hold one.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImageCatalogueError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImageCatalogueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    entries = document.get("images") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ImageCatalogueError(f"{path} has no mapping named images")
    return Images({str(name): _image(path, name, entry or {}) for name, entry in entries.items()})


def _image(path: Path, name: str, entry: Any) -> Image:
    if not isinstance(entry, dict):
        raise ImageCatalogueError(f'{path}: {name} is to be a mapping, like {{entry_point: ["python3", "app.py"]}}')
    unknown = set(entry) - {"entry_point", "command", "memory_limit"}
    if unknown:
        raise ImageCatalogueError(f"{path}: {name} has unknown fields {sorted(map(str, unknown))}")
    return Image(
        entry_point=_arguments(path, name, entry, "entry_point"),
        command=_arguments(path, name, entry, "command"),
        memory_limit=bool(entry.get("memory_limit", False)),
    )


def _arguments(path: Path, name: str, entry: Mapping[str, Any], field: str) -> tuple[str, ...]:
    words = entry.get(field, ())
    if not isinstance(words, list | tuple):
        raise ImageCatalogueError(f'{path}: {name}.{field} is to be a list, like ["echo", "hello"]')
    return tuple(str(word).replace("{python}", sys.executable) for word in words)
