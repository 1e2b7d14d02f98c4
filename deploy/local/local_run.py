"""The whole system on this machine: the embedded AWS, the stack on it, and a worker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from deploy.local.emulator.process import EmulatorProcess
from deploy.local.fills.quotas import NO_QUOTAS, Quotas
from deploy.local.stack import PROJECT, Stack, deploy
from schemas.errors import JobferryError

CATALOG = PROJECT / "deploy" / "catalog.yaml"
# What on AWS takes its time is quick here, so waiting for it would only be waiting.
QUICK: Mapping[str, str] = {
    "JOBFERRY_POLL_SECONDS": "1",
    "JOBFERRY_DRAIN_SECONDS": "10",
    "JOBFERRY_LOG_QUIET_SECONDS": "0.5",
    "JOBFERRY_GET_LOG_EVENTS_PER_SECOND": "200",
    "JOBFERRY_TASK_GRACE_SECONDS": "5",
    "JOBFERRY_SILENCE_SECONDS": "20",
    "JOBFERRY_SWEEP_SECONDS": "2",
    "JOBFERRY_REDRIVES_SECONDS": "5",
}
_LAST_SECONDS = 15
_ADDRESS = re.compile(r"http://[\w.:]+")


class ConsoleEndedError(JobferryError):
    """The HTTP API did not come up."""


@dataclass(frozen=True)
class LocalRun:
    """A running system, and how to reach it."""

    endpoint_url: str
    stack: Stack
    environment: Mapping[str, str]
    session: boto3.Session
    aws: EmulatorProcess

    @contextmanager
    def worker(
        self, *, log: int | None = None, settings: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """One worker process beside it, for as long as the context lasts.

        `log` is a file descriptor for its log; `settings` are its own, where they are to differ from the run's.
        """
        worker = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.emulator.tethered", "workers"],
            env={**os.environ, **self.environment, "AWS_ACCESS_KEY_ID": self.stack.worker_role, **(settings or {})},
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stderr=log,
            # Ctrl-C reaches the terminal's whole group: the worker is to end in its turn, not at the same time.
            start_new_session=True,
        )
        try:
            yield worker
        finally:
            _end(worker)

    @contextmanager
    def console(self, port: int, *, settings: Mapping[str, str] | None = None, log: int | None = None) -> Iterator[str]:
        """The HTTP API beside it, for as long as the context lasts; its address.

        `settings` are its own, `log` is as of the worker.

        Raises ConsoleEndedError where it does not come up; it has said why itself.
        """
        verb = ["service.operator.cli", "console", "--port", str(port)]
        console = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.emulator.tethered", *verb],
            env={**os.environ, **self.environment, **(settings or {})},
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert console.stdout is not None
        try:
            found = _ADDRESS.search(console.stdout.readline().decode())
            if found is None:
                raise ConsoleEndedError
            yield found[0]
        finally:
            _end(console)
            console.stdout.close()


@contextmanager
def local_run(
    port: int = 0,
    *,
    parameters: Mapping[str, str] | None = None,
    calls: Path | None = None,
    settings: Mapping[str, str] | None = None,
    output: int | None = None,
    quotas: Quotas = NO_QUOTAS,
    own_images: Path | None = None,
    keep: Path | None = None,
) -> Iterator[LocalRun]:
    """The system without a worker, for as long as the context lasts.

    Args:
        port: where the embedded AWS answers; 0 takes a free port.
        parameters: of the template, where they are to differ from the local run's.
        calls: where to write down who called what.
        settings: of the worker's, where they are to differ from the local run's; what the stack made it names itself.
        quotas: of the account; the worker reads logs within them.
        output: an open file descriptor for what containers print.
        own_images: images of one's own, read anew when the file changes.
        keep: a folder for the state, over restarts.
    """
    with ExitStack() as stack:
        aws = stack.enter_context(
            EmulatorProcess(port, calls=calls, output=output, quotas=quotas, own_images=own_images, keep=keep)
        )
        environment = aws.environment
        # Clients of this process find the embedded AWS as everyone does, by the standard variables.
        stack.enter_context(_variables(environment))
        session = boto3.Session(region_name=environment["AWS_REGION"])
        deployed = deploy(session, parameters)
        yield LocalRun(
            endpoint_url=aws.endpoint_url,
            stack=deployed,
            environment={
                **environment,
                "JOBFERRY_CATALOG": str(CATALOG),
                **QUICK,
                **_paces(quotas),
                **(settings or {}),
                **deployed.settings(),
            },
            session=session,
            aws=aws,
        )


def _paces(quotas: Quotas) -> dict[str, str]:
    """What an operator of an account with such quotas sets."""
    rates = {"GET_LOG_EVENTS": quotas.get_log_events, "FILTER_LOG_EVENTS": quotas.filter_log_events}
    return {f"JOBFERRY_{name}_PER_SECOND": f"{rate.per_second:g}" for name, rate in rates.items() if rate}


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL where that is not heeded."""
    process.terminate()
    try:
        process.wait(_LAST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()
