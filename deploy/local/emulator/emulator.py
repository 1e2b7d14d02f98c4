"""The process that is AWS on this machine: ministack on 127.0.0.1, its gaps filled.

    python -m deploy.local.emulator.emulator --port 4566

It prints its endpoint on one line once it accepts requests, opens no other port, writes nothing outside a scratch
directory that goes when it goes (and outside --keep), and takes every process it started with it, however it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from hypercorn.asyncio import serve
from hypercorn.config import Config

from deploy.local.ecs.container_output import OutputFeed, Watch, nobody_watches
from deploy.local.ecs.containers import Reaper
from deploy.local.ecs.docker import Docker
from deploy.local.ecs.images import IMAGES, ImageCatalogueError, ImagesOfJobs, SettledImages, WatchedImages, load_images
from deploy.local.emulator import environment
from deploy.local.fills.quotas import QuotaError, Quotas, quotas_of
from schemas.errors import JobferryError

HOST = "127.0.0.1"
LOOK_SECONDS = 0.5  # between two looks at a file that may have changed
LAST_REQUESTS = 0.5  # seconds that open requests get at the end; a long poll would take 20


class PortTakenError(JobferryError):
    """Another process listens on the port."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGTERM, SIGINT, or the end of standard input where that was asked for."""
    options = parse(arguments)
    output = os.fdopen(options.output_fd, "w", encoding="utf-8") if options.output_fd else None
    feed = OutputFeed(output) if output else None
    try:
        images = images_of(options.images, options.own_images, feed)
        quotas = quotas_of(options.quota)
        listener = listen(options.port)
    except (ImageCatalogueError, PortTakenError, QuotaError) as error:
        print(error, file=sys.stderr)
        return 1
    scratch = Path(tempfile.mkdtemp(prefix="jobferry-local-"))
    port = listener.getsockname()[1]
    docker = Docker.of(os.environ, scratch)
    surroundings = environment.isolated(
        os.environ, port=port, scratch=scratch, log_level=options.log_level, keep=options.keep
    )
    environment.enter(surroundings)
    reaper = Reaper(scratch)
    calls = options.calls.open("w", encoding="utf-8") if options.calls else None
    try:
        run(
            listener,
            images,
            scratch,
            reaper,
            docker,
            until_stdin_closes=options.until_stdin_closes,
            calls=calls,
            watch=feed or nobody_watches,
            quotas=quotas,
        )
    finally:
        reaper.close()
        if calls:
            calls.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def images_of(ours: Path, own: Path | None, feed: OutputFeed | None) -> ImagesOfJobs:
    """The images that there are; where somebody brings a file of his own, it is watched from a thread.

    Raises:
        ImageCatalogueError: a file holds none.
    """
    images = load_images(ours)
    if own is None:
        return SettledImages(images)
    watched = WatchedImages(images, own, feed.tell if feed else tell_aside)
    threading.Thread(target=look_at, args=(watched,), daemon=True, name="images").start()
    return watched


def look_at(images: WatchedImages) -> None:
    """Look at a file every now and then, so that a slip in it is told before a job meets it."""
    while True:
        time.sleep(LOOK_SECONDS)
        images.look()


def tell_aside(sentence: str) -> None:
    """Say something where nobody reads what containers print."""
    print(sentence, file=sys.stderr)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.emulator.emulator", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--images", type=Path, default=IMAGES, help="image catalogue (default: %(default)s)")
    parser.add_argument(
        "--own-images", type=Path, help="images beside those and before them; read anew when they change"
    )
    parser.add_argument("--keep", type=Path, help="keep the state in this folder over restarts")
    parser.add_argument("--log-level", default="WARNING", help="the emulator's own log level (default: %(default)s)")
    parser.add_argument("--calls", type=Path, help="write down who called what, a line of JSON a call")
    parser.add_argument("--output-fd", type=int, help="an open file: write what containers print, as lines of JSON")
    parser.add_argument("--quota", action="append", default=[], help="a quota of the account, like run-task=20,100")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)


def listen(port: int) -> socket.socket:
    """Take the port before anything else is done.

    Raises:
        PortTakenError: somebody else has it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        message = f"Port {port} of {HOST} cannot be used ({error.strerror}): choose another with --port."
        raise PortTakenError(message) from error
    return listener


def run(
    listener: socket.socket,
    images: ImagesOfJobs,
    scratch: Path,
    reaper: Reaper,
    docker: Docker,
    *,
    until_stdin_closes: bool,
    calls: IO[str] | None,
    watch: Watch,
    quotas: Quotas,
) -> None:
    """Serve until told to end, then end everything that was started."""
    gc.disable()  # What is loaded now stays to the end.
    # ministack takes the SDK where it is, though nothing here asks a daemon by it: a fifth of a start.
    sys.modules.setdefault("docker", None)  # type: ignore[arg-type]  # as Python has it [reference, the module cache]
    # Not at the top: importing ministack reads the environment that main has only just set.
    from ministack.app import app
    from ministack.core import hypercorn_compat, lambda_runtime

    from deploy.local.emulator import gaps
    from deploy.local.fills.call_log import CallLog

    hypercorn_compat.install()
    raise_descriptor_limit()
    port = listener.getsockname()[1]
    log = CallLog(calls) if calls else None
    close = gaps.install(
        images, port=port, scratch=scratch, reaper=reaper, docker=docker, calls=log, watch=watch, quotas=quotas
    )
    gc.freeze()
    gc.enable()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = LAST_REQUESTS
    config.loglevel = os.environ["LOG_LEVEL"]
    try:
        asyncio.run(serve_until_told(app, config, port, until_stdin_closes=until_stdin_closes))
    finally:
        # What is cut off now has not failed, though the emulator takes it for that.
        logging.disable()
        close()
        lambda_runtime.reset()


async def serve_until_told(app: object, config: Config, port: int, *, until_stdin_closes: bool) -> None:
    """Serve `app` until a signal or, where asked for, the end of standard input."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if until_stdin_closes:
        threading.Thread(target=await_end_of_input, args=(loop, stopping), daemon=True, name="stdin").start()
    print(f"http://{HOST}:{port}", flush=True)
    await serve(app, config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]


def await_end_of_input(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Read standard input to its end, which comes when whoever started us is gone."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stopping.set)


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets us: every running container takes two or three."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


if __name__ == "__main__":
    sys.exit(main())
