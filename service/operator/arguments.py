"""What can be typed after `jobferry`: its verbs and their options, known without what the verbs do."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from service.operator.handbook import sentence, with_handbook
from workers.probe import DEFAULT_PORT, PORT_VARIABLE

LISTED = ("OPEN", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED")
SHELLS = ("bash", "zsh", "fish")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MOST_DIGITS, _MOST_LISTED = 9, 200

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
that stage. A run that is killed keeps what the run before it had, and the buckets as they are."""


PLAN_DESCRIPTION = """\
Say which stages of a request would run, on what and with which retries, how long that may take
at most and what it may cost at most; or every reason why it would be rejected. The worker's own
admission and the planner decide it, and nobody is asked."""


REPLAY_DESCRIPTION = """\
Run admission, planning, diagnosis, policy and telling again on a case file, and show what is
decided otherwise now. What the file does not tell is said, and is no difference."""


def command_line(variables: Mapping[str, str] = os.environ) -> argparse.ArgumentParser:
    """What reads the verb, `command`, and its options; without a verb it is None."""
    parser = argparse.ArgumentParser(prog="jobferry", description="An event-driven job queue on AWS.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("worker", help="run the worker; its settings are the JOBFERRY_* variables")
    health = commands.add_parser("health", help="ask the worker on this machine whether it is ready")
    port = variables.get(PORT_VARIABLE, DEFAULT_PORT)
    health.add_argument("--port", type=port_number, default=port, help=f"its {PORT_VARIABLE} (default: %(default)s)")
    _add_local_options(commands.add_parser("local", help="run the whole system on this machine until Ctrl-C"))
    demo = commands.add_parser("demo", help="run real jobs end to end on this machine, and check what comes of them")
    demo.add_argument("--json", action="store_true", help="print the notifications as JSON lines on standard output")
    _add_examining_options(commands.add_parser("doctor", help="say what of a deployment is wrong, and the remedy"))
    _add_catalog_actions(commands.add_parser("catalog", help="begin an image; compare all with the account"))
    _add_console_options(
        commands.add_parser("console", help="serve the page and the HTTP API here, with your own AWS credentials")
    )
    _add_tracking_verbs(commands)
    _add_steering_verbs(commands)
    _add_case_verbs(commands)
    _add_plan_options(commands.add_parser("plan", help="say what a request would become, without asking anybody"))
    _add_dead_letter_actions(commands.add_parser("dlq", help="look into the dead-letter queues"))
    completion = commands.add_parser("completion", help="print what lets a shell complete verbs and options")
    completion.add_argument("shell", choices=SHELLS, help="which")
    return with_handbook(parser)


def port_number(text: str) -> int:
    """A port as one types it. Raises ArgumentTypeError for what is none."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return int(text)


def listed_at_once(text: str) -> int:
    """How many jobs a list shows. Raises ArgumentTypeError for what is none."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:_MOST_DIGITS]) <= _MOST_LISTED:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be: give a number from 1 to {_MOST_LISTED}")
    return int(text)


def _add_local_options(local: argparse.ArgumentParser) -> None:
    local.description, local.epilog = LOCAL_DESCRIPTION, LOCAL_EPILOG
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


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack", help="a CloudFormation stack to look at, instead of what the JOBFERRY_* variables name"
    )
    parser.add_argument(
        "--catalog", metavar="FILE", help="the catalogue, a file or an s3:// URI, instead of the deployment's own"
    )


def _add_examining_options(parser: argparse.ArgumentParser) -> None:
    _add_place_options(parser)
    parser.add_argument("--json", action="store_true", help="the findings as JSON, for programs")


def _add_console_options(parser: argparse.ArgumentParser) -> None:
    _add_place_options(parser)
    parser.add_argument(
        "--port", type=port_number, default=4580, help="port to serve at; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="this machine's own, unless JOBFERRY_CONSOLE_* say who signs people in (default: %(default)s)",
    )


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    parser.description = PLAN_DESCRIPTION
    parser.add_argument(
        "-f", "--file", default="-", metavar="FILE", help="the request as JSON; - reads standard input (default: -)"
    )
    parser.add_argument(
        "--catalog", metavar="FILE", help="the catalogue (default: JOBFERRY_CATALOG, or the examples' own)"
    )
    parser.add_argument("--prices", metavar="JSON", help="as the setting JOBFERRY_PRICES, which is the default")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


def _add_tracking_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    submit = _add_verb(commands, "submit", "send a request; with --wait or --follow its end is the command's status")
    submit.add_argument(
        "-f", "--file", default="-", metavar="FILE", help="the request, JSON; - is standard input (default)"
    )
    submit.add_argument("--tenant", help="on whose behalf, where the request does not say (default: default)")
    submit.add_argument("--catalog", metavar="FILE", help="the catalogue to judge by, instead of the deployment's own")
    submit.add_argument("--idempotency-key", metavar="KEY", help="a repeat with the same key is the same job")
    submit.add_argument("--validate-only", action="store_true", help="judge it, and send nothing")
    submit.add_argument("--wait", action="store_true", help="until it is over")
    submit.add_argument("--follow", action="store_true", help="until it is over, and print what happens and its logs")
    submit.add_argument("--timeout", type=seconds, help="wait for no longer, such as 90s or 2h; then the status is 4")
    jobs = _add_verb(commands, "jobs", "list jobs and rejected requests, the youngest first")
    whose = jobs.add_mutually_exclusive_group()
    whose.add_argument("--tenant", help="whose (default: default)")
    whose.add_argument("--all-tenants", action="store_true", help="every tenant's, with a column that says whose")
    jobs.add_argument("--status", type=str.upper, choices=LISTED, help="OPEN until the outcome was told")
    for name, what in (("type", "job type"), ("user", "user"), ("failure-class", "class of failure")):
        jobs.add_argument(f"--{name}", help=f"of this {what}")
    jobs.add_argument("--label", metavar="NAME[=VALUE]", help="with this label")
    jobs.add_argument("--id", metavar="TEXT", help="with this in the id")
    jobs.add_argument("--since", type=moment, help="requested since: 2h ago, 30m, 1d, or 2026-01-31T12:00Z")
    jobs.add_argument("--until", type=moment, help="requested before")
    jobs.add_argument("--limit", type=listed_at_once, metavar="N", default=50, help="at most (default: 50)")
    jobs.add_argument("--cursor", help="go on where a list with the same filters ended")
    for name, does in (
        ("show", "show a job as it is now, or why a request was rejected"),
        ("why", "say why a job is not running yet, not finished, or where its time went"),
        ("logs", "print a container's log, archived or while it is written"),
    ):
        verb = _add_verb(commands, name, does)
        verb.add_argument("job_id", help="its id; of a rejected request also its message's")
        verb.add_argument("--tenant", help="whose; left out, whoever's it is")
    verb.add_argument("-f", "--follow", action="store_true", help="until it is whole")
    for name in ("stage", "attempt", "redrive"):
        verb.add_argument(f"--{name}", type=int, help="left out, the last")
    verb.add_argument("--container", help="left out, the job's own")


def _add_steering_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, does in (
        ("cancel", "end a job, or keep one that is yet to come from being started"),
        ("redrive", "let a job that did not succeed go on from the state that it failed in"),
    ):
        verb = _add_verb(commands, name, does)
        verb.add_argument("job_id", nargs="?", help="its id")
        verb.add_argument("--tenant", help="whose; left out, whoever's it is")
        verb.add_argument("--reason", help="why: subscribers are told")
        _add_many(verb)
    rerun = _add_verb(commands, "rerun", "make a new job of a job's request, or of a rejected one, with changes")
    rerun.add_argument("job_id", nargs="?", help="its id; of a rejected request also its message's")
    rerun.add_argument("--tenant", help="whose; left out, whoever's it is")
    rerun.add_argument("--catalog", metavar="FILE", help="the catalogue to judge by, instead of the deployment's own")
    rerun.add_argument("--id", metavar="NEW", help="the new job's id (default: one of its own)")
    for name, unit in (("memory", "MB"), ("cpu", "UNITS")):
        what = f"give this stage, by its name or number, so much {name}; may be repeated"
        rerun.add_argument(f"--{name}", action="append", default=[], metavar=f"STAGE={unit}", help=what)
    rerun.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change this field of the request, such as parameters.size or stages.0.command; the value is JSON, or a "
        "text where it is none; null takes the field away; may be repeated",
    )
    rerun.add_argument("--reason", help="why: subscribers are told")
    rerun.add_argument("--idempotency-key", metavar="KEY", help="a repeat with the same key is the same job")
    rerun.add_argument("--wait", action="store_true", help="until it is over")
    rerun.add_argument("--follow", action="store_true", help="until it is over, and print what happens and its logs")
    rerun.add_argument("--timeout", type=seconds, help="wait for no longer, such as 90s or 2h; then the status is 4")
    _add_many(rerun)
    bulk = _add_verb(commands, "bulk", "say how far something has come that was asked for by --all, or stop it")
    bulk.add_argument("bulk_id", help="as the command with --all printed it")
    bulk.add_argument("--tenant", help="whose jobs (default: default)")
    bulk.add_argument("--stop", action="store_true", help="let it touch no more jobs")
    bulk.add_argument("--reason", help="why it is to stop")
    bulk.add_argument("--wait", action="store_true", help="until it is over; the status is 1 where some were refused")
    bulk.add_argument("--timeout", type=seconds, help="wait for no longer, such as 90s or 2h; then the status is 4")


def _add_many(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--all",
        nargs="+",
        metavar="FILTER",
        help="all jobs that match, without a cap: status:running type:thumbs user:ann label:team=web class:capacity "
        "since:2h until:1h tenant:web, or a part of the id; each is a word of the shell by itself, and given once; "
        "it is said how many match, and asked first",
    )
    verb.add_argument("--yes", action="store_true", help="with --all: without being asked first")


def _add_case_verbs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    case = _add_verb(commands, "case", "write all that is known of a job into one file, to be sent to others")
    case.add_argument("job_id", help="its id; of a rejected request also its message's")
    case.add_argument("--tenant", help="whose; left out, whoever's it is")
    case.add_argument("-o", "--output", metavar="FILE", help="default: case-ID.zip; - is standard output")
    case.add_argument("--logs", choices=["none", "tail", "whole"], default="tail", help="default: the last 100 lines")
    case.add_argument("--with-values", action="store_true", help="do not mask the values of environment variables")
    replay = commands.add_parser("replay", help="make every decision of a case file again, without asking anybody")
    replay.description = REPLAY_DESCRIPTION
    replay.add_argument("file", metavar="FILE", help="as `jobferry case` wrote it; - is standard input")
    replay.add_argument("--json", action="store_true", help="the contract itself, for programs")


def _add_verb(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str
) -> argparse.ArgumentParser:
    verb = commands.add_parser(name, help=does, description=sentence(does))
    verb.add_argument("--stack", help="a CloudFormation stack, instead of what the JOBFERRY_* variables name")
    verb.add_argument("--json", action="store_true", help="the contract itself, for programs")
    return verb


def seconds(text: str) -> float:
    """A span of time as one types it: 90, 90s, 30m, 2h, 1d. Raises ArgumentTypeError for what is none."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.isascii() or not number.isdecimal() or len(number) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: give one such as 90s, 30m, 2h or 1d")
    return float(number) * _UNITS[unit]


def moment(text: str) -> float:
    """A moment in epoch seconds: so long ago, or as ISO 8601 writes it, in UTC unless it says another zone."""
    if text[-1:] in _UNITS and text[:1].isdecimal() and "-" not in text:
        return time.time() - seconds(text)
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment: give one such as 2h, for so long ago, or 2026-01-31T12:00Z"
        ) from None


def _add_catalog_actions(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    _add_examining_options(actions.add_parser("check", help="compare each image with its task definition"))
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
        "list": "list every dead letter, with the reason why it failed",
        "show": "print a dead letter whole",
        "replay": "send a dead letter back to its queue, or all",
        "drop": "delete a dead letter for good",
    }
    for name, does in what.items():
        action = actions.add_parser(name, help=does)
        action.add_argument("--stack", help="a CloudFormation stack, instead of what the JOBFERRY_* variables name")
        action.add_argument("--json", action="store_true", help="as JSON, for programs")
        if name != "list":
            action.add_argument("message_id", nargs="?" if name == "replay" else None, help="as `dlq list` shows it")
        if name == "replay":
            action.add_argument("--all", action="store_true", help="every dead letter of all queues")
        if name == "drop":
            action.add_argument("--yes", action="store_true", help="without being asked first")
