"""Where it is measured: the fake AWS, a worker and the plain loop, each a process of its own, watched from outside."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.certificate import write_certificate
from tests.support.names import BUCKET, REGION, STATE_MACHINE_ARN, TOPIC_ARN

_ROOT = Path(__file__).parents[2]
_CGROUP = Path("/sys/fs/cgroup")
_PERIOD_MICROSECONDS = 100_000
# A process's own CPU clock, to the nanosecond [Linux, clock_getcpuclockid(3)].
_PROCESS_CLOCK = 2


class TookTooLongError(Exception):
    """What was waited for did not happen in time."""


@dataclass(frozen=True)
class Process:
    """A process that is measured."""

    popen: subprocess.Popen[bytes]
    told: Path

    def written(self) -> int:
        """Bytes of its log so far."""
        return self.told.stat().st_size

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        return time.clock_gettime((~self.popen.pid << 3) | _PROCESS_CLOCK)

    def mebibytes(self, what: str = "VmRSS") -> float:
        """Its memory now; the most that it ever had with VmHWM."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith(f"{what}:")]
        return int(line.split()[1]) / 1024

    @contextmanager
    def instructions(self, told: list[int]) -> Iterator[None]:
        """Append the instructions that it executes meanwhile; nothing where `perf` cannot count them."""
        command = ["perf", "stat", "-x", ",", "-e", "instructions:u", "-p", str(self.popen.pid)]
        try:
            counting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            yield
            return
        yield
        counting.send_signal(signal.SIGINT)
        count = counting.communicate()[1].partition(",")[0]
        if count.isdecimal():
            told.append(int(count))


@dataclass(frozen=True)
class Fake:
    """The fake AWS: where it is served, and what it can be told and asked."""

    url: str
    control_port: int

    def tell(self, verb: str, **told: Any) -> Any:
        """Tell or ask it something."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port)
        try:
            connection.request("POST", f"/{verb}", json.dumps(told))
            return json.load(connection.getresponse())
        finally:
            connection.close()

    def wait_for(self, what: Callable[[Mapping[str, Any]], bool], within_seconds: float) -> Mapping[str, Any]:
        """Its state, as soon as that is so."""
        until = time.monotonic() + within_seconds
        while time.monotonic() < until:
            state: Mapping[str, Any] = self.tell("state")
            if what(state):
                return state
            time.sleep(0.02)
        raise TookTooLongError(self.tell("state"))


@dataclass(frozen=True)
class Place:
    """The fake and the environment of whoever works with it."""

    fake: Fake
    environment: Mapping[str, str]
    folder: Path

    @contextmanager
    def worker(self, vcpu: float | None = None) -> Iterator[Process]:
        """A real worker, once it has asked for its first message; of `vcpu`, where only so much of a core is its."""
        with self._process("workers", vcpu=vcpu) as worker:
            self.fake.tell("expect")
            self.fake.wait_for(lambda state: state["first_poll_at"] is not None, 60)
            time.sleep(0.5)  # Until its other loops have begun.
            yield worker

    def plain_loop(self) -> AbstractContextManager[Process]:
        """The plain loop."""
        return self._process("tests.bench.plain", f"{self.fake.url}/123456789012/plain", STATE_MACHINE_ARN)

    @contextmanager
    def _process(self, module: str, *arguments: str, vcpu: float | None = None) -> Iterator[Process]:
        with ExitStack() as stack:
            join = stack.enter_context(quota(vcpu)) if vcpu else []
            told = self.folder / f"{module}.log"
            errors = stack.enter_context(told.open("ab"))
            popen = subprocess.Popen(
                [*join, sys.executable, "-m", module, *arguments],
                env=self.environment,
                cwd=_ROOT,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            try:
                yield Process(popen, told)
            finally:
                popen.kill()
                popen.wait()


@contextmanager
def quota(vcpu: float) -> Iterator[list[str]]:
    """A cgroup of so much of a core; answers with how a command begins that is to run in it.

    Raises OSError where no cgroup can be made.
    """
    first = (_CGROUP / "cgroup.controllers").exists()
    group = (_CGROUP if first else _CGROUP / "cpu") / f"jobferry-bench-{os.getpid()}"
    group.mkdir()
    try:
        micros = int(vcpu * _PERIOD_MICROSECONDS)
        if first:
            (group / "cpu.max").write_text(f"{micros} {_PERIOD_MICROSECONDS}", encoding="ascii")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS), encoding="ascii")
            (group / "cpu.cfs_quota_us").write_text(str(micros), encoding="ascii")
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Once the last process of it is gone, which may take the kernel a moment."""
    for _ in range(100):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """The fake AWS, served, for as long as the context lasts. Its state is fresh."""
    certificate, key = write_certificate(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JOBFERRY_"))}
    command = [sys.executable, "-m", "tests.bench.fake", str(certificate), str(key)]
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            port, control_port = map(int, served.stdout.readline().split())
            fake = Fake(f"https://127.0.0.1:{port}", control_port)
            yield Place(fake, {**environment, **_told(fake.url, certificate)}, folder)
        finally:
            served.kill()


def _told(url: str, certificate: Path) -> Mapping[str, str]:
    """What a worker in production is told, but for where AWS is, and for the paces that an account sets.

    Starts and reads of logs are as fast as they can be: they would be the limit otherwise.
    """
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_CA_BUNDLE": str(certificate),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "JOBFERRY_REQUEST_QUEUE_URL": f"{url}/123456789012/requests",
        "JOBFERRY_EVENT_QUEUE_URL": f"{url}/123456789012/events",
        "JOBFERRY_CONTROL_QUEUE_URL": f"{url}/123456789012/control",
        "JOBFERRY_STATE_MACHINE_ARN": STATE_MACHINE_ARN,
        "JOBFERRY_TOPIC_ARN": TOPIC_ARN,
        "JOBFERRY_LOG_BUCKET": BUCKET,
        "JOBFERRY_JOBS_TABLE": "jobs",
        "JOBFERRY_CATALOG": str(_ROOT / "deploy" / "catalog.yaml"),
        "JOBFERRY_METRICS": "emf",
        "JOBFERRY_START_EXECUTION_BUCKET": "100000",
        "JOBFERRY_START_EXECUTION_REFILL": "100000",
        "JOBFERRY_GET_LOG_EVENTS_PER_SECOND": "1000",
    }
