"""`jobferry local`: the whole system in one terminal, for your own clients, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console

from deploy.local.emulator.process import EmulatorEndedError
from deploy.local.fills.quotas import AWS_DEFAULTS, NO_QUOTAS, Quotas, quotas_of
from deploy.local.folder import FOLDER, open_to_write, settings_file
from deploy.local.job_life import JobLife
from deploy.local.local_run import ConsoleEndedError, LocalRun, local_run
from schemas.errors import JobferryError

PREFIX, CATALOG = "JOBFERRY_", "JOBFERRY_CATALOG"
API_PORT = 4580  # As of `jobferry console`.
_LOOK_SECONDS = 0.5
_SETTINGS_SECONDS = 30  # A process that cannot work with its settings says so when it starts.
_WORKER_ENDED = "The worker ended by itself: its log is above."


def serve(port: int, quotas: str | None = None, quota: Sequence[str] = (), api_port: int | None = None) -> int:
    """Run until told to stop, or until the worker or the AWS ends by itself, which is an error.

    Args:
        port: where the AWS answers.
        quotas: "default" for those of a new account; else none but those of `quota`, each like `run-task=20,100`.
        quota: see `quotas`.
        api_port: where the HTTP API answers; None for its usual port, or a free one where that is taken.
    """
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    try:
        base = AWS_DEFAULTS if quotas == "default" else NO_QUOTAS
        return _serve(port, api_port, told, quotas_of(quota, base))
    except EmulatorEndedError:
        return 1  # It has said why itself.
    except JobferryError as error:
        print(error, file=sys.stderr)
        return 1


def _serve(port: int, api_port: int | None, told: threading.Event, quotas: Quotas) -> int:
    life = JobLife(Console(highlight=False))
    with ExitStack() as stack:
        output = stack.enter_context(_read_aside(life.containers))
        own = own_settings(os.environ)
        run = stack.enter_context(local_run(port, settings=own, output=output, quotas=quotas))
        env_file = stack.enter_context(settings_file(FOLDER, run.environment, run.aws.port))
        log_file = env_file.with_name(env_file.stem.replace("local", "worker", 1) + ".log")
        log = stack.enter_context(open_to_write(log_file))
        seen = stack.enter_context(_read_aside(lambda lines: life.worker(_kept(lines, log.write))))
        worker = stack.enter_context(run.worker(log=seen))
        try:
            api = stack.enter_context(run.console(_port_of_api(port) if api_port is None else api_port, log=seen))
        except ConsoleEndedError:
            ended = _why_no_api(worker)
        else:
            if not told.is_set():
                print(_where(run, api, env_file, log_file, quotas), flush=True)
            ended = _await(told, worker, run)
    print(ended or "Stopped.", flush=True)
    return 1 if ended else 0


def _why_no_api(worker: subprocess.Popen[bytes]) -> str:
    """Both read the same settings: a slip in one ends the worker as well, and only the worker knows all of them."""
    with suppress(subprocess.TimeoutExpired):
        worker.wait(_SETTINGS_SECONDS)
    return _WORKER_ENDED if worker.poll() is not None else "The HTTP API did not come up: why, is above."


def _port_of_api(port: int) -> int:
    """Its usual one; 0, which takes a free one, where another has that, or where any port will do for the AWS too."""
    if port == 0:
        return 0
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", API_PORT))
        except OSError:
            return 0
    return API_PORT


def own_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that this shell gives to the worker; a catalogue's file is found from here."""
    own = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    catalog = own.get(CATALOG, "")
    if catalog and not catalog.startswith("s3://"):
        own[CATALOG] = str(Path(catalog).resolve())
    return own


@contextmanager
def _read_aside(show: Callable[[Iterable[bytes]], None]) -> Iterator[int]:
    """A pipe to write to; what comes is shown from a thread, to its end."""
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as lines:
        thread = threading.Thread(target=show, args=(lines,), daemon=True, name="show")
        thread.start()
        try:
            yield sink
        finally:
            os.close(sink)
            thread.join()


def _kept(lines: Iterable[bytes], keep: Callable[[bytes], object]) -> Iterator[bytes]:
    for line in lines:
        keep(line)
        yield line


def _await(told: threading.Event, worker: subprocess.Popen[bytes], run: LocalRun) -> str:
    """Wait for the end; a sentence where nobody asked for it."""
    while not told.wait(_LOOK_SECONDS):
        if (status := run.aws.poll()) is not None:
            return f"The AWS on this machine is gone (it ended with status {status}), and all that was in it."
        if worker.poll() is not None:
            return _WORKER_ENDED
    return ""


def _where(run: LocalRun, api: str, env_file: Path, log_file: Path, quotas: Quotas) -> str:
    outputs = run.stack.outputs
    return f"""\
Jobferry runs at {run.endpoint_url}, until Ctrl-C.

  HTTP API       {api}/tenants/default/jobs
  requests       {outputs["RequestQueueUrl"]}
  notifications  {outputs["TopicArn"]}
  logs           s3://{outputs["LogBucketName"]}/jobs/
  records        DynamoDB table {outputs["JobsTableName"]}
  executions     {outputs["StateMachineArn"]}
  catalogue      {run.environment[CATALOG]}
  quotas         {" ".join(quotas.pairs()) or "none; --quotas default keeps AWS's"}
  settings       {env_file}
  worker's log   {log_file}

In another terminal, with the AWS CLI:

  set -a; . {env_file}; set +a
  aws sqs send-message --queue-url "$JOBFERRY_REQUEST_QUEUE_URL" \\
    --message-body '{{"stages": [{{"image": "image_1", "command": ["echo", "hello", "world"]}}], "user": "ifgeek"}}'

What becomes of jobs is shown here.
"""
