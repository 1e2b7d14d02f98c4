"""The emulator as a child process, for whoever wants AWS on this machine for a while."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.fills.quotas import NO_QUOTAS, Quotas
from schemas.errors import JobferryError

PROJECT = Path(__file__).resolve().parents[3]
SAVES_WITHIN = 60.0  # seconds
HEALTH = "/_ministack/health"
# Version 1 of the AWS CLI takes no endpoint for SQS from the environment in any region that it has an old host name
# for, us-east-1 among them [awscli/customizations/overridesslcommonname.py]; in this one it does.
REGION = "eu-central-2"


class EmulatorFailedError(JobferryError):
    """The emulator did not come up."""


class EmulatorEndedError(EmulatorFailedError):
    """The emulator ended before it came up; why, it has written to standard error itself."""


class EmulatorProcess:
    """Starts the emulator, waits until it answers, and ends it again.

        with EmulatorProcess() as aws:
            boto3.client("sqs", endpoint_url=aws.endpoint_url)

    It dies with this process, however this one dies: its standard input is a pipe that the kernel closes then.

    Args:
        port: the port on 127.0.0.1; 0 takes a free one.
        images: the image catalogue; the emulator's own when left out.
        own_images: another beside it, and before it, which is read anew when it changes.
        keep: a folder for the state, over restarts; the state goes with the emulator when left out.
        log_level: what of its own log it writes to standard error.
        calls: where it writes down who called what; nowhere when left out.
        quotas: of the account; none when left out.
        output: an open file descriptor for what containers print, a line of JSON a line; nowhere when left out.
        ready_within: seconds it may take to come up.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        images: Path | None = None,
        own_images: Path | None = None,
        keep: Path | None = None,
        log_level: str = "WARNING",
        calls: Path | None = None,
        output: int | None = None,
        quotas: Quotas = NO_QUOTAS,
        ready_within: float = 120.0,
    ) -> None:
        self.port = port
        self._images = images
        self._own_images = own_images
        self._keep = keep
        self._log_level = log_level
        self._calls = calls
        self._output = output
        self._quotas = quotas
        self._ready_within = ready_within
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point an AWS SDK, the AWS CLI or a worker at it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    @property
    def pid(self) -> int:
        """The process id of a started emulator."""
        return self._started.pid

    def poll(self) -> int | None:
        """Its exit status, once it has ended by itself."""
        return self._started.poll()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            EmulatorFailedError: it ended early, or did not answer in time.
        """
        deadline = time.monotonic() + self._ready_within
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_child_environment(),
            pass_fds=() if self._output is None else (self._output,),
            # Ctrl-C reaches the terminal's whole group; the emulator is to end after those who use it.
            start_new_session=True,
        )
        with ExitStack() as stopped_unless_it_starts:
            stopped_unless_it_starts.callback(self.stop)
            self.port = self._announced_port(deadline)
            self._await_health(deadline)
            stopped_unless_it_starts.pop_all()

    def stop(self, grace: float = 5.0) -> None:
        """End it: SIGTERM, and SIGKILL after `grace` seconds; what is to keep its state gets longer to write it."""
        process, self._process = self._process, None
        if process is None:
            return
        grace = max(grace, SAVES_WITHIN) if self._keep else grace
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmulatorFailedError("The emulator is not running.")
        return self._process

    def _command(self) -> list[str]:
        command = [
            sys.executable,
            "-m",
            "deploy.local.emulator.emulator",
            "--port",
            str(self.port),
        ]
        command += ["--until-stdin-closes", "--log-level", self._log_level]
        command += ["--calls", str(self._calls)] if self._calls else []
        command += [f"--quota={pair}" for pair in self._quotas.pairs()]
        command += [] if self._output is None else ["--output-fd", str(self._output)]
        command += ["--own-images", str(self._own_images)] if self._own_images else []
        command += ["--keep", str(self._keep)] if self._keep else []
        return command + (["--images", str(self._images)] if self._images else [])

    def _announced_port(self, deadline: float) -> int:
        output = self._started.stdout
        assert output is not None
        poll = select.poll()
        poll.register(output, select.POLLIN)
        if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
            raise EmulatorFailedError(f"The emulator did not come up within {self._ready_within:g} s.")
        line = output.readline().decode().strip()
        if not line:
            raise EmulatorEndedError(f"The emulator ended with status {self._started.wait()} before it came up.")
        return int(line.rpartition(":")[2])

    def _await_health(self, deadline: float) -> None:
        while not self._is_healthy():
            if self._started.poll() is not None:
                raise EmulatorFailedError(
                    f"The emulator ended with status {self._started.returncode} before it answered."
                )
            if time.monotonic() > deadline:
                raise EmulatorFailedError(f"The emulator did not answer within {self._ready_within:g} s.")
            time.sleep(0.02)

    def _is_healthy(self) -> bool:
        # No proxy of the caller's environment stands between us and our own child.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.endpoint_url + HEALTH, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _child_environment() -> dict[str, str]:
    search = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search}
