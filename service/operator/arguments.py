"""What can be typed after `jobferry`: its verbs and their options, known without what the verbs do."""

from __future__ import annotations

import argparse
import os

from workers.probe import DEFAULT_PORT, PORT_VARIABLE


def command_line() -> argparse.ArgumentParser:
    """What reads the verb, `command`, and its options; without a verb it is None."""
    parser = argparse.ArgumentParser(prog="jobferry", description="An event-driven job queue on AWS.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("worker", help="run the worker; its settings are the JOBFERRY_* variables")
    health = commands.add_parser("health", help="ask the worker on this machine whether it is ready")
    port = os.environ.get(PORT_VARIABLE, DEFAULT_PORT)
    health.add_argument("--port", type=port_number, default=port, help=f"its {PORT_VARIABLE} (default: %(default)s)")
    local = commands.add_parser("local", help="run the whole system on this machine until Ctrl-C")
    local.add_argument(
        "--port", type=port_number, default=4566, help="port on 127.0.0.1; 0 takes a free one (default: 4566)"
    )
    local.add_argument(
        "--api-port",
        type=port_number,
        help="port of the HTTP API (default: 4580; a free one where that is taken, or with --port 0)",
    )
    local.add_argument("--quotas", choices=["default"], help="keep the quotas of a new AWS account (default: none)")
    local.add_argument(
        "--quota",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="keep this one: run-task=20,100 is 20 calls a second from a bucket of 100, vcpus=6 a number; also "
        "fargate-launch, start-execution, get-log-events, filter-log-events",
    )
    demo = commands.add_parser("demo", help="run real jobs end to end on this machine, and check what comes of them")
    demo.add_argument("--json", action="store_true", help="print the notifications as JSON lines on standard output")
    _add_doctor_options(commands.add_parser("doctor", help="say what of a deployment is wrong, and the remedy"))
    _add_catalog_actions(commands.add_parser("catalog", help="compare the catalogue with the account"))
    _add_console_options(commands.add_parser("console", help="serve the HTTP API here, with your own AWS credentials"))
    _add_dead_letter_actions(commands.add_parser("dlq", help="look into the dead-letter queues"))
    return parser


def port_number(text: str) -> int:
    """A port as one types it. Raises ArgumentTypeError for what is none."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return int(text)


def _add_doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack", help="a CloudFormation stack to look at, instead of what the JOBFERRY_* variables name"
    )
    parser.add_argument("--catalog", help="the catalogue, a file or an s3:// URI, instead of the deployment's own")


def _add_console_options(parser: argparse.ArgumentParser) -> None:
    _add_doctor_options(parser)
    parser.add_argument(
        "--port", type=port_number, default=4580, help="port to serve at; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine alone (default: %(default)s)")


def _add_catalog_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    _add_doctor_options(actions.add_parser("check", help="compare each image with its task definition"))


def _add_dead_letter_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    what = {
        "list": "every dead letter, with the reason why it failed",
        "show": "print one whole",
        "replay": "send back to its queue",
        "drop": "delete for good",
    }
    for name, does in what.items():
        action = actions.add_parser(name, help=does)
        action.add_argument("--stack", help="a CloudFormation stack, instead of what the JOBFERRY_* variables name")
        if name != "list":
            action.add_argument("message_id", nargs="?" if name == "replay" else None)
        if name == "replay":
            action.add_argument("--all", action="store_true", help="every dead letter of all queues")
        if name == "drop":
            action.add_argument("--yes", action="store_true", help="without being asked first")
