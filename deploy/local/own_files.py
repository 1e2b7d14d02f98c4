"""The files of a local run's owner, and the processes that follow what its catalogue says."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.local.catalog_file import CatalogFile, ReadCatalog
from deploy.local.ecs.images import IMAGES, ImageCatalogueError, load_images
from deploy.local.folder import open_to_write
from deploy.local.local_run import ConsoleEndedError, LocalRun
from deploy.local.stand_ins import StandIns
from schemas.catalog import Catalog
from schemas.errors import JobferryError

CATALOG = "JOBFERRY_CATALOG"
WORKER_ENDED = "The worker ended by itself: its log is above."
_SETTINGS_SECONDS = 30  # A process that cannot work with its settings says so when it starts.


class ProcessesEndedError(JobferryError):
    """The worker, or the HTTP API beside it, does not come up."""


@dataclass(frozen=True)
class OwnFiles:
    """The catalogue, with the task definitions that stand in for those of its images, and the images."""

    catalog: CatalogFile | None
    stand_ins: StandIns
    images: Path | None

    @classmethod
    def of(cls, run: LocalRun, images: Path | None, read: ReadCatalog) -> OwnFiles:
        """Those of a run; a catalogue in S3 is read by the worker alone."""
        where = run.environment[CATALOG]
        prefix = run.stack.outputs["TaskFamilyPrefix"]
        catalog = None if where.startswith("s3://") else CatalogFile(_from_here(Path(where)), read, prefix)
        return cls(catalog, StandIns.on(run.session, run.stack), images)

    def begin(self) -> list[str]:
        """Read the catalogue for the first time; a sentence for each image that no process stands for.

        Raises:
            JobferryError: it cannot be used.
        """
        return [] if self.catalog is None else self._take(self.catalog.read())

    def look(self) -> list[str] | None:
        """Read it again if it has changed; None if it has not.

        Raises:
            JobferryError: it has changed, and cannot be used.
        """
        changed = None if self.catalog is None else self.catalog.read_if_changed()
        return None if changed is None else self._take(changed)

    def _take(self, catalog: Catalog) -> list[str]:
        named = self.stand_ins.register(catalog)
        images = load_images(IMAGES)
        try:
            images = images.with_own(load_images(self.images)) if self.images else images
        except ImageCatalogueError:
            return []  # The emulator tells of the slip.
        where = f"in {self.images}" if self.images else "in a file of yours, and give it as --images FILE"
        return [
            f"no process stands for {name}: say which one does, under images {where}"
            for name in named
            if images.find(name) is None
        ]


class Processes:
    """The worker and the HTTP API, which make room for others whenever the catalogue has changed."""

    def __init__(self, run: LocalRun, log: int, api_port: int, catalog: CatalogFile | None, copy: Path) -> None:
        self._run = run
        self._log = log
        self._api_port = api_port
        self._catalog = catalog
        self._copy = copy
        self._held = ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None
        self.api = ""

    def __enter__(self) -> Self:
        with ExitStack() as begun:
            settings = self._settings()
            worker = begun.enter_context(self._run.worker(log=self._log, settings=settings))
            try:
                console = self._run.console(self._api_port, settings=settings, log=self._log)
                self.api = begun.enter_context(console)
            except ConsoleEndedError:
                raise ProcessesEndedError(_why_no_api(worker)) from None
            self._worker = worker
            self._held = begun.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def begin_anew(self) -> None:
        """End them as a deployment does, and start others: the record knows what is owed to running jobs."""
        self._held.close()
        self._api_port = int(self.api.rpartition(":")[2])
        self.__enter__()

    @property
    def worker_has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self._worker is not None and self._worker.poll() is not None

    def _settings(self) -> dict[str, str]:
        """They get a copy: the file itself may hold a slip by the time that they read it."""
        if self._catalog is None:
            return {}
        with open_to_write(self._copy) as file:
            file.write(self._catalog.text.encode())
        return {CATALOG: str(self._copy.absolute())}


def _why_no_api(worker: subprocess.Popen[bytes]) -> str:
    """Both read the same settings: a slip in one ends the worker as well, and only the worker knows all of them."""
    with suppress(subprocess.TimeoutExpired):
        worker.wait(_SETTINGS_SECONDS)
    return WORKER_ENDED if worker.poll() is not None else "The HTTP API did not come up: why, is above."


def _from_here(path: Path) -> Path:
    """As one would type it, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
