"""Which local command stands for which container image."""

from __future__ import annotations

import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from schemas.errors import JobferryError

IMAGES = Path(__file__).with_name("images.yaml")  # Ours.
FIELDS = ("command", "directory", "docker", "entry_point", "environment", "image", "memory_limit")
# Of jobs that run in one afternoon at home; the one that is forgotten gets what the file says by then.
_JOBS_REMEMBERED = 1000


class ImageCatalogueError(JobferryError):
    """The image catalogue is not a mapping of image names to entry points."""


@dataclass(frozen=True)
class Image:
    """What runs when a container of this image starts.

    `own` is whether somebody wrote it who is not us: its program finds none of our modules unless it brings them.
    `docker` is the image that Docker runs in its place, on this machine.
    """

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    memory_limit: bool = False
    directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    docker: str | None = None
    own: bool = False


@dataclass(frozen=True)
class Images:
    """The images that can be pulled on this machine."""

    by_name: Mapping[str, Image]

    def find(self, reference: str) -> Image | None:
        """The image a task definition means, or None when no registry has it."""
        return next((self.by_name[name] for name in names_of(reference) if name in self.by_name), None)

    def with_own(self, own: Images) -> Images:
        """These, and those of somebody who may have another for a name of ours."""
        return Images({**self.by_name, **own.by_name})


class ImagesOfJobs(Protocol):
    """Where a container's image is looked up; a job keeps the images that it began with."""

    def of_job(self, job: str) -> Images:
        """The images for a container of this job."""


@dataclass(frozen=True)
class SettledImages:
    """Images that do not change while the emulator runs."""

    images: Images

    def of_job(self, _job: str) -> Images:
        """The images for a container of any job."""
        return self.images


class WatchedImages:
    """Ours, with those of a file that its owner may change at any time.

    A job keeps what it began with; one that begins after a change gets what the file says now. While the file holds a
    slip, what was read before stays, and `tell` gets one sentence.

    Raises:
        ImageCatalogueError: the file holds no images at the start.
    """

    def __init__(self, ours: Images, path: Path, tell: Callable[[str], None]) -> None:
        self._ours = ours
        self._path = path
        self._tell = tell
        self._seen = state_of(path)
        self._images = ours.with_own(load_images(path, own=True))
        self._begun: OrderedDict[str, Images] = OrderedDict()
        self._lock = threading.Lock()

    def of_job(self, job: str) -> Images:
        """The images for a container of this job."""
        with self._lock:
            self._look()
            found = self._begun.setdefault(job, self._images)
            self._begun.move_to_end(job)
            if len(self._begun) > _JOBS_REMEMBERED:
                self._begun.popitem(last=False)
            return found

    def look(self) -> None:
        """Read the file again if it has changed."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        now = state_of(self._path)
        if now == self._seen:
            return
        self._seen = now
        try:
            own = load_images(self._path, own=True)
        except ImageCatalogueError as slip:
            self._tell(f"{slip}; what it said before stays in force")
            return
        self._images = self._ours.with_own(own)
        self._tell(f"{self._path} is read anew: {', '.join(own.by_name)}; for jobs that begin from now on")


def state_of(path: Path) -> tuple[int, int, int] | None:
    """What of a file changes when it is written or replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


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


def load_images(path: Path, *, own: bool = False) -> Images:
    """Read an image catalogue; `own` where it is not one of ours.

    Raises:
        ImageCatalogueError: the file does not hold one.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImageCatalogueError(f"{path} cannot be read: {error.strerror}") from None
    # A date that is none is a ValueError of YAML's own making, and a nest without end a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ImageCatalogueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    entries = document.get("images") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ImageCatalogueError(f"{path} has no mapping named images")
    return Images({str(name): _Entry(path, str(name), entry or {}).image(own=own) for name, entry in entries.items()})


@dataclass(frozen=True)
class _Entry:
    """What an image catalogue says of one image, to be checked field by field."""

    path: Path
    name: str
    given: Any

    def image(self, *, own: bool) -> Image:
        if not isinstance(self.given, dict):
            raise self._slip('a mapping, like {entry_point: ["python3", "app.py"]}', field="")
        if unknown := sorted(set(map(str, self.given)) - set(FIELDS)):
            why = f"{self.path}: {self.name} has unknown fields {unknown}; there are {', '.join(FIELDS)}"
            raise ImageCatalogueError(why)
        return Image(
            entry_point=self._arguments("entry_point"),
            command=self._arguments("command"),
            memory_limit=self._switch("memory_limit"),
            directory=self._directory(),
            environment=self._environment(),
            docker=self._docker(),
            own=own,
        )

    def _arguments(self, field: str) -> tuple[str, ...]:
        words = self.given.get(field, ())
        if not isinstance(words, list | tuple):
            raise self._slip('a list, like ["echo", "hello"]', field)
        return tuple(str(word).replace("{python}", sys.executable) for word in words)

    def _switch(self, field: str) -> bool:
        value = self.given.get(field, False)
        if not isinstance(value, bool):
            raise self._slip("true or false", field)
        return value

    def _directory(self) -> Path | None:
        value = self.given.get("directory")
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._slip("a folder's path", "directory")
        folder = (self.path.absolute().parent / value).resolve()
        if not folder.is_dir():
            raise ImageCatalogueError(f"{self.path}: {self.name}.directory is {folder}, and there is no such folder")
        return folder

    def _environment(self) -> dict[str, str]:
        values = self.given.get("environment") or {}
        if not isinstance(values, dict):
            raise self._slip("a mapping, like {MODE: fast}", "environment")
        for name, value in values.items():
            if isinstance(value, dict | list | None):
                raise self._slip("a text or a number", f"environment.{name}")
        return {str(name): _text(value) for name, value in values.items()}

    def _docker(self) -> str | None:
        reference = self.given.get("image", self.name)
        if not isinstance(reference, str):
            raise self._slip("the image that Docker is to run", "image")
        if self._switch("docker"):
            if shutil.which("docker") is None:
                why = (
                    f"{self.path}: {self.name} is to run in Docker, and there is no docker in PATH: install it, or name"
                )
                raise ImageCatalogueError(f"{why} the process that stands for {self.name} as entry_point")
            if "directory" in self.given:
                raise ImageCatalogueError(
                    f"{self.path}: {self.name}.directory is of this machine, and Docker runs {reference} in its own: "
                    "leave out directory, or docker"
                )
            return reference
        if "image" in self.given:
            raise ImageCatalogueError(
                f"{self.path}: {self.name}.image is for Docker: add docker: true, or leave it out"
            )
        return None

    def _slip(self, what: str, field: str) -> ImageCatalogueError:
        where = f"{self.name}.{field}" if field else self.name
        return ImageCatalogueError(f"{self.path}: {where} is to be {what}")


def _text(value: object) -> str:
    """A value of YAML as it was written: true is no True."""
    return str(value).lower() if isinstance(value, bool) else str(value)
