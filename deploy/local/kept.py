"""A folder that keeps the state of a local run over restarts: whose it is, and at which port.

The addresses of queues hold the port, and so do records and settings of other clients: a kept state is one port's.
What is in the folder is the emulator's own, so it is one version's too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from deploy.local.fills.pinned import MINISTACK
from schemas.errors import JobferryError

_NOTE = "jobferry-local.json"


class KeptStateError(JobferryError):
    """The folder's state cannot be gone on with."""


@dataclass(frozen=True)
class KeptState:
    """A folder for the state; made when it is needed first."""

    folder: Path

    @property
    def is_new(self) -> bool:
        """Whether nothing was kept here yet."""
        return not (self.folder / _NOTE).exists()

    def port(self, wanted: int) -> int:
        """The port to run at: that of the last time, which may be asked for by 0.

        Raises:
            KeptStateError: the state is another port's, another version's, or nothing of ours.
        """
        if self.is_new:
            return wanted
        try:
            note = json.loads((self.folder / _NOTE).read_text(encoding="utf-8"))
            port, version = int(note["port"]), note["ministack"]
        except (OSError, ValueError, KeyError, TypeError):
            raise KeptStateError(f"{self.folder / _NOTE} cannot be read: keep the state in another folder.") from None
        if version != MINISTACK:
            why = f"{self.folder} holds the state of ministack {version}, and this is {MINISTACK}"
            raise KeptStateError(f"{why}: keep the state in another folder.")
        if wanted not in (0, port):
            raise KeptStateError(f"{self.folder} holds the state of port {port}: run it there, with --port {port}.")
        return port

    def claim(self, port: int) -> None:
        """Note whose it is.

        Raises:
            KeptStateError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _NOTE).write_text(json.dumps({"port": port, "ministack": MINISTACK}), encoding="utf-8")
        except OSError as error:
            raise KeptStateError(f"{self.folder} cannot be written ({error.strerror}).") from None
