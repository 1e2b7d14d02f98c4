"""Images that Docker runs on this machine, in the place of a process of our own.

Docker's own client is asked, which finds its daemon as it does for everybody, by DOCKER_HOST or its context.
Containers share this machine's network, for the AWS here answers on 127.0.0.1 alone. Each bears a label of the run, so
that what a crash leaves behind is found.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import JobferryError

# What the client finds its daemon and its configuration by [docker CLI reference, environment variables].
CLIENT_VARIABLES = (
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
)
LABEL = "jobferry-local"
LEFT_BEHIND = "docker.json"  # In the scratch directory: how the reaper finds what is left.
_ANSWERS_WITHIN = 60.0  # seconds; a pull takes as long as it takes


class DockerRefusedError(JobferryError):
    """Docker does not do what it is asked; the message is its own."""


@dataclass(frozen=True)
class ToCreate:
    """A container as Docker is to make it. `memory` is in bytes, `stop_timeout` in seconds."""

    name: str
    image: str
    entry_point: Sequence[str]
    command: Sequence[str]
    variables: Mapping[str, str]
    memory: int | None
    stop_timeout: float


@dataclass(frozen=True)
class Docker:
    """The client of Docker, with the surroundings that it finds its daemon by; None where it is not installed."""

    client: str | None
    environment: Mapping[str, str]
    scratch: Path

    @classmethod
    def of(cls, inherited: Mapping[str, str], scratch: Path) -> Docker:
        """The client that whoever started us would get."""
        environment = {name: inherited[name] for name in CLIENT_VARIABLES if name in inherited}
        return cls(shutil.which("docker", path=inherited.get("PATH")), environment, scratch)

    def pull(self, image: str) -> None:
        """Have an image here. Raises DockerRefusedError where there is none to be had, or no Docker."""
        if self.client is None:
            raise DockerRefusedError("Docker is not on this machine: there is no docker in PATH")
        self._ask("version", "--format", "{{.Server.Version}}")
        if self._run(["image", "inspect", image], _ANSWERS_WITHIN).returncode:
            self._ask("pull", "--quiet", image, within=None)

    def create(self, container: ToCreate) -> tuple[str, ...]:
        """Make a container and do not start it yet; answers with the command that runs it, in the foreground.

        Raises:
            DockerRefusedError: Docker does not make it.
        """
        self._leave_word()
        arguments = ["create", "--name", container.name, "--label", f"{LABEL}={self.scratch.name}", "--network", "host"]
        arguments += ["--stop-timeout", str(max(1, int(container.stop_timeout)))]
        arguments += ["--memory", str(container.memory)] if container.memory else []
        entry_point, *rest = container.entry_point or [""]
        arguments += ["--entrypoint", entry_point] if container.entry_point else []
        # The values go by the client's environment, not by its arguments, which everybody on the machine can read.
        passed = {name: value for name, value in container.variables.items() if name not in CLIENT_VARIABLES}
        for name, value in container.variables.items():
            arguments += ["--env", name if name in passed else f"{name}={value}"]
        self._ask(*arguments, container.image, *rest, *container.command, variables=passed)
        return (str(self.client), "start", "--attach", container.name)

    def kill(self, name: str) -> None:
        """End a container at once; one that has ended is left alone."""
        self._run(["kill", name], _ANSWERS_WITHIN)

    def remove(self, name: str) -> bool:
        """Take a container away that has ended; answers whether it was killed for want of memory."""
        told = self._run(["inspect", "--format", "{{.State.OOMKilled}}", name], _ANSWERS_WITHIN)
        self._run(["rm", "--force", name], _ANSWERS_WITHIN)
        return told.stdout.strip() == "true"

    def _leave_word(self) -> None:
        word = {"client": self.client, "environment": dict(self.environment), "label": f"{LABEL}={self.scratch.name}"}
        (self.scratch / LEFT_BEHIND).write_text(json.dumps(word), encoding="utf-8")

    def _ask(
        self, *arguments: str, variables: Mapping[str, str] | None = None, within: float | None = _ANSWERS_WITHIN
    ) -> None:
        ended = self._run(arguments, within, variables or {})
        if ended.returncode:
            raise DockerRefusedError(
                " ".join((ended.stderr or ended.stdout).split()) or f"docker {arguments[0]} failed"
            )

    def _run(
        self, arguments: Sequence[str], within: float | None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self.client), *arguments]
        try:
            return subprocess.run(
                command,
                env={**self.environment, **(variables or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=within,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", f"Docker did not answer within {within:g} s")
