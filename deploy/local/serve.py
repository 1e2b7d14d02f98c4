"""`jobferry local`: the whole system in one terminal, for your own clients, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from deploy.local.catalog_file import ReadCatalog
from deploy.local.emulator.process import EmulatorEndedError
from deploy.local.fills.quotas import AWS_DEFAULTS, NO_QUOTAS, Quotas, quotas_of
from deploy.local.folder import FOLDER, open_to_write, settings_file
from deploy.local.job_life import JobLife
from deploy.local.kept import KeptState
from deploy.local.local_run import LocalRun, local_run
from deploy.local.own_files import CATALOG, WORKER_ENDED, OwnFiles, Processes, ProcessesEndedError
from schemas.errors import JobferryError

PREFIX = "JOBFERRY_"
API_PORT = 4580  # As of `jobferry console`.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line.

    Attributes:
        port: where the AWS answers.
        quotas: "default" for those of a new account; else none but those of `quota`, each like `run-task=20,100`.
        quota: see `quotas`.
        api_port: where the HTTP API answers; None for its usual port, or a free one where that is taken.
        catalog: a file in the place of the shell's JOBFERRY_CATALOG.
        images: which process stands for which image, beside ours.
        keep: a folder for the state, over restarts.
    """

    port: int
    quotas: str | None = None
    quota: Sequence[str] = ()
    api_port: int | None = None
    catalog: Path | None = None
    images: Path | None = None
    keep: Path | None = None


def serve(*, read_catalog: ReadCatalog, **asked_for: Any) -> int:
    """Run until told to stop, or until the worker or the AWS ends by itself, which is an error.

    Args:
        read_catalog: the worker's own reader, so that a slip is found before it meets one.
        asked_for: what `Wanted` holds.
    """
    wanted = Wanted(**asked_for)
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    try:
        return _serve(wanted, read_catalog, told)
    except EmulatorEndedError:
        return 1  # It has said why itself.
    except JobferryError as error:
        print(error, file=sys.stderr)
        return 1


def _serve(wanted: Wanted, read_catalog: ReadCatalog, told: threading.Event) -> int:
    quotas = quotas_of(wanted.quota, AWS_DEFAULTS if wanted.quotas == "default" else NO_QUOTAS)
    life = JobLife(Console(highlight=False))
    with ExitStack() as stack:
        output = stack.enter_context(_read_aside(life.containers))
        run = stack.enter_context(_run(wanted, quotas, output))
        env_file = stack.enter_context(settings_file(FOLDER, run.environment, run.aws.port))
        log_file = env_file.with_name(env_file.stem.replace("local", "worker", 1) + ".log")
        log = stack.enter_context(open_to_write(log_file))
        seen = stack.enter_context(_read_aside(lambda lines: life.worker(_kept(lines, log.write))))
        own = OwnFiles.of(run, wanted.images, read_catalog)
        missing = own.begin()
        copy = env_file.with_name(env_file.stem.replace("local", "catalog", 1) + ".yaml")
        api_port = _port_of_api(wanted.port) if wanted.api_port is None else wanted.api_port
        try:
            processes = stack.enter_context(Processes(run, seen, api_port, own.catalog, copy))
            if not told.is_set():
                print(_where(run, wanted, processes.api, env_file, log_file, quotas), flush=True)
                life.tell_all("images", missing)
            ended = _await(told, processes, run, own, life)
        except ProcessesEndedError as error:
            ended = str(error)
    print(ended or "Stopped.", flush=True)
    return 1 if ended else 0


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


@contextmanager
def _run(wanted: Wanted, quotas: Quotas, output: int) -> Iterator[LocalRun]:
    """The run, where the last one left its state if that is to be kept."""
    kept = KeptState(wanted.keep.absolute()) if wanted.keep else None
    settings = own_settings(os.environ, wanted.catalog)
    with local_run(
        kept.port(wanted.port) if kept else wanted.port,
        settings=settings,
        output=output,
        quotas=quotas,
        own_images=wanted.images,
        keep=kept.folder if kept else None,
    ) as run:
        if kept:
            kept.claim(run.aws.port)
        yield run


def own_settings(environment: Mapping[str, str], given: Path | None = None) -> dict[str, str]:
    """The settings that this shell gives to the worker; a catalogue's file is found from here."""
    own = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    own |= {} if given is None else {CATALOG: str(given)}
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


def _await(told: threading.Event, processes: Processes, run: LocalRun, own: OwnFiles, life: JobLife) -> str:
    """Wait for the end; a sentence where nobody asked for it."""
    while not told.wait(_LOOK_SECONDS):
        if (status := run.aws.poll()) is not None:
            return f"The AWS on this machine is gone (it ended with status {status}), and all that was in it."
        if processes.worker_has_ended:
            return WORKER_ENDED
        _look_at_catalog(processes, own, life)
    return ""


def _look_at_catalog(processes: Processes, own: OwnFiles, life: JobLife) -> None:
    """Where the catalogue has changed, who has read it takes over; where it has a slip, the old one stays."""
    try:
        missing = own.look()
    except JobferryError as slip:
        first, *more = str(slip).splitlines()
        why = " ".join([first, "; ".join(map(str.strip, more))]).rstrip()
        life.tell_all("catalogue", [f"{why}; what it said before stays in force"])
        return
    if missing is not None:
        processes.begin_anew()
        path = own.catalog.path if own.catalog else ""
        life.tell_all("catalogue", [f"{path} is read anew; for requests from now on", *missing])


def _where(run: LocalRun, wanted: Wanted, api: str, env_file: Path, log_file: Path, quotas: Quotas) -> str:
    outputs = run.stack.outputs
    return f"""\
Jobferry runs at {run.endpoint_url}, until Ctrl-C.

  page           {api}/
  HTTP API       {api}/tenants/default/jobs
  requests       {outputs["RequestQueueUrl"]}
  notifications  {outputs["TopicArn"]}
  logs           s3://{outputs["LogBucketName"]}/jobs/
  records        DynamoDB table {outputs["JobsTableName"]}
  executions     {outputs["StateMachineArn"]}
  catalogue      {run.environment[CATALOG]}
  images         {wanted.images.absolute() if wanted.images else "ours alone; --images FILE brings your own"}
  state          {wanted.keep.absolute() if wanted.keep else "goes with this run; --keep DIR keeps it"}
  quotas         {" ".join(quotas.pairs()) or "none; --quotas default keeps AWS's"}
  settings       {env_file}
  worker's log   {log_file}

In another terminal, with the AWS CLI:

  set -a; . {env_file}; set +a
  aws sqs send-message --queue-url "$JOBFERRY_REQUEST_QUEUE_URL" \\
    --message-body '{{"stages": [{{"image": "image_1", "command": ["echo", "hello", "world"]}}], "user": "ifgeek"}}'

What becomes of jobs is shown here.
"""
