"""What the local run writes where it was started: the settings for other clients, and the worker's log."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from schemas.errors import JobferryError

FOLDER = Path(".jobferry")


class FolderError(JobferryError):
    """The folder of the local run cannot be written to."""


@contextmanager
def open_to_write(path: Path, *, keep: bool = False) -> Iterator[IO[bytes]]:
    """A file below the folder, made if need be; emptied unless `keep`.

    Raises:
        FolderError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab" if keep else "wb")
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror}): start this in a folder that you may write to."
        raise FolderError(why) from None
    with file:
        yield file


@contextmanager
def settings_file(folder: Path, settings: Mapping[str, str], port: int) -> Iterator[Path]:
    """The settings as plain KEY=VALUE lines, for any AWS client to join; the file goes with the run.

    `local.env` is the first run's in a folder, and each further one has its port in its file's name.
    """
    with _first_free(folder, port) as (path, file):
        file.truncate(0)
        file.write("".join(f"{name}={value}\n" for name, value in sorted(settings.items())).encode())
        file.flush()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _first_free(folder: Path, port: int) -> Iterator[tuple[Path, IO[bytes]]]:
    """The first file that no other run holds. The lock goes with its process, so one that was killed holds none."""
    for path in (folder / "local.env", folder / f"local-{port}.env"):
        with open_to_write(path, keep=True) as file:
            if _locked(file):
                yield path, file
                return
    raise FolderError(f"{path} belongs to another run.")


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
