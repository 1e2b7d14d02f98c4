"""The `jobferry` command."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from service.operator.arguments import command_line

INTERRUPTED, NOBODY_READS = 130, 141  # as of a command that SIGINT or SIGPIPE ended
# What the local run is made of beside the worker: a part that the image leaves out, and the packages of its extra.
_LOCAL_RUN = ("deploy.local", "ministack", "hypercorn", "PIL", "rich")
_CONSOLE = ("fastapi", "hypercorn", "jinja2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status says whether it went well."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # As behind `| head`: whoever read has seen enough. Python would try once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return status


def _run(arguments: Sequence[str] | None) -> int:
    parser = command_line()
    options = parser.parse_args(arguments)
    if options.version:
        from importlib.metadata import version

        print(f"jobferry {version('jobferry')}")
        return 0
    if options.command is None:
        parser.print_help()
        return 0
    # Each command is imported when it is asked for: a health check must be cheap, and the worker in its container has
    # no local run and no need of one.
    match options.command:
        case "worker":
            from workers.__main__ import main as worker

            return worker()
        case "health":
            from workers.probe import ask

            return ask(options.port)
        case "completion":
            from service.operator.completion import run as completion

            return completion(parser, options.shell)
        case "plan":
            from service.operator.plan import run as plan

            return plan(options)
        case "replay":
            from service.operator.replay import run as replay

            return replay(options)
        case "catalog" if options.action == "new":
            from service.operator.new_image.command import run as new_image

            return new_image(options)
        case "local" | "demo":
            return _on_this_machine(options)
        case "submit" | "jobs" | "show" | "why" | "logs" | "case" as verb:
            return _about_jobs(verb, options)
        case "bulk":
            return _about_jobs("many", options)
        case "cancel" | "redrive" | "rerun" if options.all is not None:
            return _about_jobs("many", options)
        case "cancel" | "redrive":
            return _about_jobs("steer", options)
        case "rerun":
            return _about_jobs("rerun", options)
        case _:
            return _on_a_deployment(options)


def _about_jobs(module: str, options: argparse.Namespace) -> int:
    """Run a verb that asks after jobs, sends or steers one; 1 where there is no such job, 2 where AWS is silent."""
    from schemas.errors import JobferryError, SettingsError

    try:
        with _loading():
            verb = import_module(f"service.operator.{module}")
        return int(verb.run(options))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except JobferryError as error:
        print(error, file=sys.stderr)
        return 1


def _on_this_machine(options: argparse.Namespace) -> int:
    """Run a command of the local run; 2 where that is not installed."""
    if missing := [part for part in _LOCAL_RUN if find_spec(part) is None]:
        print(
            f"jobferry {options.command} needs the local run, and {missing[0]} is not installed here: "
            "install Jobferry with its extra, jobferry[local].",
            file=sys.stderr,
        )
        return 2
    if options.command == "local":
        with _loading():
            from deploy.local.serve import serve
            from service.catalog_source import parse_catalog

        names = ("port", "quotas", "quota", "api_port", "catalog", "images", "keep")
        return serve(read_catalog=parse_catalog, **{name: getattr(options, name) for name in names})
    with _loading():
        from deploy.local.demo.demo import demo

    return demo(as_json=options.json)


def _on_a_deployment(options: argparse.Namespace) -> int:
    """Run a command that looks at a deployment, by the same variables as the worker's; 2 if they name none."""
    with _loading():
        from service.operator import dlq
        from service.operator.doctor import command as doctor
        from service.settings import SettingsError

    try:
        match options.command:
            case "doctor":
                return doctor.examine_all(options)
            case "catalog":
                return doctor.examine_catalog(options)
            case "console":
                return _console(options)
            case _:
                return dlq.run(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


def _console(options: argparse.Namespace) -> int:
    if missing := [part for part in _CONSOLE if find_spec(part) is None]:
        print(
            f"jobferry console needs {missing[0]}, and that is not installed here: install Jobferry with its "
            "dependencies.",
            file=sys.stderr,
        )
        return 2
    with _loading():
        from service.operator import console

    return console.run(options)


@contextmanager
def _loading() -> Iterator[None]:
    """No garbage is collected while modules are imported: next to nothing is, and it takes a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
