"""Containers as local processes: one process group, one scratch directory, one environment each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ecs import process_reaper
from deploy.local.ecs.docker import Docker, DockerRefusedError, ToCreate
from deploy.local.ecs.memory_watch import MemoryWatch
from schemas.errors import JobferryError

# The shell announces its own process group to the reaper before it becomes the command, so there is no moment at which
# an emulator's death would leave a process that nobody knows of.
ANNOUNCE_THEN_BECOME = 'echo "+$$" >&0 && exec "$@" </dev/null'


class ContainerStartError(JobferryError):
    """The container's command is not there to be executed."""


@dataclass(frozen=True)
class InDocker:
    """A container that Docker runs; the process here is only its client."""

    docker: Docker
    made: ToCreate

    def create(self) -> tuple[str, ...]:
        """Have it made, and answer with the command that runs it.

        Raises:
            ContainerStartError: Docker does not make it.
        """
        try:
            return self.docker.create(self.made)
        except DockerRefusedError as refusal:
            raise ContainerStartError(str(refusal)) from None

    def kill(self) -> None:
        """End it at once."""
        self.docker.kill(self.made.name)

    def remove(self) -> bool:
        """Take it away once it has ended; whether it was killed for want of memory."""
        return self.docker.remove(self.made.name)


@dataclass(frozen=True)
class ContainerSpec:
    """All that is needed to start a container. `memory_limit` is in bytes, `stop_timeout` in seconds.

    Without a `directory` it works in one of its own that goes with it.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    stop_timeout: float = 30.0
    memory_limit: int | None = None
    directory: Path | None = None
    in_docker: InDocker | None = None


class Reaper:
    """The emulator's end of the pipe to the process reaper."""

    def __init__(self, scratch: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(process_reaper.__file__).resolve()), str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        assert self._process.stdin is not None
        self.pipe = self._process.stdin

    def forget(self, group: int) -> None:
        """Sign a process group off: nothing of it is left."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.pipe.fileno(), f"-{group}\n".encode())

    def close(self) -> None:
        """Let the reaper finish; it kills what was not signed off."""
        self.pipe.close()
        self._process.wait()


class Container:
    """A started container. `exit_code` is known once `exited` is set."""

    def __init__(self, spec: ContainerSpec, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.spec = spec
        self.exited = threading.Event()
        self.exit_code: int | None = None
        self.out_of_memory = False
        self._directory = directory
        self._process = process

    @property
    def group(self) -> int:
        """The process group, which is the first process's id."""
        return self._process.pid

    def terminate(self) -> None:
        """Ask every process of the container to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the container."""
        if self.spec.in_docker is not None:
            self.spec.in_docker.kill()
        self._signal(signal.SIGKILL)

    def remove(self) -> None:
        """Drop the container's files; it must have exited."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def supervise(
        self, reaper: Reaper, settle_output: Callable[[], None], on_exit: Callable[[Container], None]
    ) -> None:
        """Wait for the end, take the offspring along, then tell `on_exit`. Runs on a thread of its own."""
        watch = self._watch_memory()
        status = self._process.wait()
        self._kill_group()
        reaper.forget(self.group)
        settle_output()
        self.out_of_memory = watch is not None and watch.finish()
        if self.spec.in_docker is not None:
            self.out_of_memory = self.spec.in_docker.remove()
        self.exit_code = exit_code_of(status)
        self.exited.set()
        on_exit(self)

    def _watch_memory(self) -> MemoryWatch | None:
        if self.spec.memory_limit is None or self.spec.in_docker is not None:
            return None
        return MemoryWatch(self.group, self.spec.memory_limit, self.kill)

    def _signal(self, number: signal.Signals) -> None:
        if not self.exited.is_set() and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)


def exit_code_of(status: int) -> int:
    """A process's status as Docker reports it: 128 + n after signal n."""
    return status if status >= 0 else 128 - status


def start_container(spec: ContainerSpec, scratch: Path, reaper: Reaper, output: int) -> Container:
    """Start a container whose stdout and stderr go to the file descriptor `output`.

    Raises:
        ContainerStartError: its command does not exist.
    """
    argv = spec.argv if spec.in_docker is None else spec.in_docker.create()
    require_executable(spec, argv)
    directory = Path(tempfile.mkdtemp(prefix=f"container-{spec.name}-", dir=scratch))
    process = subprocess.Popen(
        ["/bin/sh", "-c", ANNOUNCE_THEN_BECOME, "sh", *argv],
        stdin=reaper.pipe,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=spec.directory or directory,
        env={"HOME": str(directory), "TMPDIR": str(directory), **spec.environment},
        start_new_session=True,
    )
    return Container(spec, directory, process)


def require_executable(spec: ContainerSpec, argv: Sequence[str]) -> None:
    """Refuse a command that cannot be executed, in the words of the container runtime.

    Raises:
        ContainerStartError: there is no command, or none such on the container's PATH.
    """
    if not argv:
        raise ContainerStartError("no command specified")
    program = argv[0]
    found = str(spec.directory / program) if spec.directory and "/" in program else program
    if shutil.which(found, path=spec.environment.get("PATH")) is None:
        raise ContainerStartError(
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
            f'process: exec: "{program}": executable file not found in $PATH: unknown'
        )
