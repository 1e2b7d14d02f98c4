"""The `jobferry` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from service.operator import dlq as dead_letters_cli
from service.operator.doctor import command as doctor_cli
from service.settings import SettingsError

# What the local run is made of beside the worker: a part that the image leaves out, and the packages of its extra.
_LOCAL_RUN = ("deploy.local", "ministack", "hypercorn", "PIL", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status says whether it went well."""
    options = _parse(arguments)
    # Each command is imported when it is asked for: the worker in its container has no local run and no need of one.
    match options.command:
        case "worker":
            from workers.__main__ import main as worker

            return worker()
        case "health":
            from workers.health import ask

            return ask(options.port)
        case "local" | "demo":
            return _on_this_machine(options)
        case _:
            return _on_a_deployment(options)


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
        from deploy.local.serve import serve

        return serve(options.port)
    from deploy.local.demo.demo import demo

    return demo(as_json=options.json)


def _on_a_deployment(options: argparse.Namespace) -> int:
    """Run a command that looks at a deployment, by the same variables as the worker's; 2 if they name none."""
    try:
        match options.command:
            case "doctor":
                return doctor_cli.examine_all(options)
            case "catalog":
                return doctor_cli.examine_catalog(options)
            case _:
                return dead_letters_cli.run(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="jobferry", description="An event-driven job queue on AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="run the worker; its settings are the JOBFERRY_* variables")
    health = commands.add_parser("health", help="ask the worker on this machine whether it is ready")
    port = os.environ.get("JOBFERRY_HEALTH_PORT", "8080")
    health.add_argument("--port", type=int, default=port, help="its JOBFERRY_HEALTH_PORT (default: %(default)s)")
    local = commands.add_parser("local", help="run the whole system on this machine until Ctrl-C")
    local.add_argument("--port", type=int, default=4566, help="port on 127.0.0.1; 0 takes a free one (default: 4566)")
    demo = commands.add_parser("demo", help="run real jobs end to end on this machine, and check what comes of them")
    demo.add_argument("--json", action="store_true", help="print the notifications as JSON lines on standard output")
    doctor_cli.add_doctor_arguments(
        commands.add_parser("doctor", help="say what of a deployment is wrong, and the remedy")
    )
    doctor_cli.add_catalog_arguments(commands.add_parser("catalog", help="compare the catalogue with the account"))
    dead_letters_cli.add_arguments(commands.add_parser("dlq", help="look into the dead-letter queues"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
