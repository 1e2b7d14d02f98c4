"""Images and containers in a store of their own: none of the machine's is touched, and what is made here stays here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.dockerfile import ROOT

# As the worker's task definition has them: no byte written but to /tmp, and no privilege left.
CONFINED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host")
# Podman would raise these limits, which not every root may, and have systemd run the health check; here a test runs it.
_AS_HERE = ("--ulimit=nofile=1024:4096", "--ulimit=nproc=4096:4096", "--health-interval=disable")
_LONGEST = 900


@dataclass(frozen=True)
class Store:
    """Where podman and buildah keep what they make."""

    folder: Path

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman on this store. Raises CalledProcessError where it fails, unless `check` is false."""
        return self._run("podman", "--runtime=runc", "--log-level=fatal", *arguments, check=check)

    def has(self, image: str, label: tuple[str, str]) -> bool:
        """Whether there is such an image, with this label."""
        found = self.podman("image", "inspect", image, check=False)
        return found.returncode == 0 and _labels(found.stdout).get(label[0]) == label[1]

    def build(self, dockerfile: Path, tag: str, access: Sequence[str]) -> str:
        """Build a Dockerfile of the project as it is, and never with a base from elsewhere."""
        how = (
            "--format=docker",
            "--isolation=chroot",
            "--pull-never",
            "--layers",
            "--force-rm",
            "--network=host",
            *access,
        )
        self._run("buildah", "build", *how, f"--file={dockerfile}", f"--tag={tag}", str(ROOT))
        return tag

    def tidy(self) -> None:
        """Remove what a check that was broken off left behind, and the images that a later build replaced."""
        self.podman("rm", "--all", "--force", "--time=0")
        self._run("buildah", "rm", "--all")
        self.podman("image", "prune", "--force")

    def run(self, image: str, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        return self.podman("run", "--rm", *CONFINED, *_AS_HERE, *options, image, *command, check=False)

    @contextmanager
    def container(self, image: str, settings: Mapping[str, str], options: Sequence[str] = ()) -> Iterator[Container]:
        """A container that runs by itself, with these variables, until it ends or the context does."""
        name = f"jobferry-{uuid4().hex[:8]}"
        environment = [f"--env={name}={value}" for name, value in settings.items()]
        how = (*CONFINED, *_AS_HERE, *options, *environment)
        self.podman("run", "--detach", f"--name={name}", *how, image)
        try:
            yield Container(self, name)
        finally:
            self.podman("rm", "--force", "--time=0", name)

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        places = (f"--root={self.folder / 'images'}", f"--runroot={self.folder / 'run'}")
        command = [program, *places, *arguments]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST, stdin=subprocess.DEVNULL, check=False
        )
        if check and ended.returncode:
            raise CommandFailedError(command, ended)
        return ended


class CommandFailedError(RuntimeError):
    """A program of the check failed."""

    def __init__(self, command: Sequence[str], ended: subprocess.CompletedProcess[str]) -> None:
        said = ended.stdout[-3000:] + ended.stderr[-3000:]
        super().__init__(f"{' '.join(command)} ended with {ended.returncode}:\n{said}")


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    store: Store
    name: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, as a health check does."""
        return self.store.podman("exec", self.name, *command, check=False)

    def check_health(self) -> subprocess.CompletedProcess[str]:
        """Run the health check that its image names."""
        return self.store.podman("healthcheck", "run", self.name, check=False)

    def terminate(self) -> int:
        """Send SIGTERM to its first process, as ECS does without an init process; the exit code that follows."""
        self.store.podman("kill", "--signal=TERM", self.name)
        return int(self.store.podman("wait", self.name).stdout)

    @property
    def log(self) -> str:
        """What it has said so far."""
        said = self.store.podman("logs", self.name)
        return said.stdout + said.stderr


def _labels(inspected: str) -> dict[str, str]:
    images: list[dict[str, Any]] = json.loads(inspected)
    return images[0]["Labels"] or {}
