"""What can be typed after `jobferry`: its verbs and their options, known without what the verbs do."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from workers.probe import DEFAULT_PORT, PORT_VARIABLE

LOCAL_DESCRIPTION = """\
Run AWS, the stack and a worker on this machine until Ctrl-C, and show what becomes of jobs.

--catalog and --images are read anew when they change: the catalogue for the requests that
come then, the images for the jobs that begin then; running jobs keep what they began with.
While a file holds a slip, what it said before stays in force."""
LOCAL_EPILOG = """\
What --keep DIR keeps, written when the run ends by Ctrl-C or SIGTERM: queues with their
messages, the table of jobs, buckets, logs, subscriptions, ended executions with their history,
and the port. What it does not: a container that runs at the end is stopped, and its execution
fails with States.ServiceRestart; both are told after the restart, and a redrive goes on at
that stage. A run that is killed keeps what the run before it had, and the buckets as they are.

examples:
  jobferry local
  jobferry local --catalog catalog.yaml --images images.yaml --keep .jobferry/state"""


PLAN_DESCRIPTION = """\
Say which stages of a request would run, on what and with which retries, how long that may take
at most and what it may cost at most; or every reason why it would be rejected. The worker's own
admission and the planner decide it, and nobody is asked."""
PLAN_EPILOG = """\
exit codes: 0 it would run, 2 there is nothing to plan from, 3 it would be rejected

examples:
  jobferry plan -f request.json --catalog catalog.yaml
  echo '{"stages": [{"image": "image_1", "command": ["echo", "hello"]}]}' | jobferry plan
  jobferry plan -f request.json --prices '{"FARGATE": {"vcpu_hour": 0.05, "gb_hour": 0.005}}'"""


def command_line() -> argparse.ArgumentParser:
    """What reads the verb, `command`, and its options; without a verb it is None."""
    parser = argparse.ArgumentParser(prog="jobferry", description="An event-driven job queue on AWS.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("worker", help="run the worker; its settings are the JOBFERRY_* variables")
    health = commands.add_parser("health", help="ask the worker on this machine whether it is ready")
    port = os.environ.get(PORT_VARIABLE, DEFAULT_PORT)
    health.add_argument("--port", type=port_number, default=port, help=f"its {PORT_VARIABLE} (default: %(default)s)")
    _add_local_options(commands.add_parser("local", help="run the whole system on this machine until Ctrl-C"))
    demo = commands.add_parser("demo", help="run real jobs end to end on this machine, and check what comes of them")
    demo.add_argument("--json", action="store_true", help="print the notifications as JSON lines on standard output")
    _add_doctor_options(commands.add_parser("doctor", help="say what of a deployment is wrong, and the remedy"))
    _add_catalog_actions(commands.add_parser("catalog", help="begin an image; compare all with the account"))
    _add_console_options(commands.add_parser("console", help="serve the HTTP API here, with your own AWS credentials"))
    _add_plan_options(commands.add_parser("plan", help="say what a request would become, without asking anybody"))
    _add_dead_letter_actions(commands.add_parser("dlq", help="look into the dead-letter queues"))
    return parser


def port_number(text: str) -> int:
    """A port as one types it. Raises ArgumentTypeError for what is none."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return int(text)


def _add_local_options(local: argparse.ArgumentParser) -> None:
    local.description, local.epilog = LOCAL_DESCRIPTION, LOCAL_EPILOG
    local.formatter_class = argparse.RawDescriptionHelpFormatter
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
    local.add_argument(
        "--catalog",
        type=Path,
        metavar="FILE",
        help="the catalogue (default: JOBFERRY_CATALOG, or the one of the examples)",
    )
    local.add_argument(
        "--images", type=Path, metavar="FILE", help="which process stands for which image of the catalogue"
    )
    local.add_argument("--keep", type=Path, metavar="DIR", help="keep the state in this folder over restarts")


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


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = PLAN_DESCRIPTION, PLAN_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "-f", "--file", default="-", metavar="FILE", help="the request as JSON; - reads standard input (default: -)"
    )
    parser.add_argument(
        "--catalog", metavar="FILE", help="the catalogue (default: JOBFERRY_CATALOG, or the examples' own)"
    )
    parser.add_argument("--prices", metavar="JSON", help="as the setting JOBFERRY_PRICES, which is the default")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


def _add_catalog_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    _add_doctor_options(actions.add_parser("check", help="compare each image with its task definition"))
    new = actions.add_parser(
        "new",
        help="write what an image begins with: program, task definition, entries",
        description="Write a program, a task definition for AWS, the catalogue's entry and the local stand-in of an "
        "image of your own. What is there already is never written over.",
    )
    new.add_argument("name", help="of the image, as requests will say it")
    catalog, images = Path("catalog.yaml"), Path("images.yaml")
    new.add_argument("--catalog", type=Path, default=catalog, metavar="FILE", help="default: %(default)s")
    new.add_argument("--images", type=Path, default=images, metavar="FILE", help="default: %(default)s")


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
