"""`make deploy` and `make destroy`: the stack on AWS, through change sets that can be looked at first.

    python -m deploy.on_aws deploy  --stack jobferry [--bucket NAME] [--dry-run] [--tag name=value] [Name=value ...]
    python -m deploy.on_aws destroy --stack jobferry [--dry-run] [--force]

Parameters and tags that are not given stay as they are, as with `aws cloudformation deploy`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deploy.artifacts import upload
from deploy.ecs_role import ensure_ecs_role
from deploy.package import build_zips
from deploy.planner_dependencies import API_LOCK, install
from deploy.stacks import DeployError, NamedStack, parameters_of
from deploy.work_under_way import WorkUnderWay
from service.aws.session import session_of
from service.settings import SettingsError

ROOT = Path(__file__).resolve().parents[1]
DEPENDENCIES, API_DEPENDENCIES = ROOT / "build" / "lambda", ROOT / "build" / "api"
# What the template keeps when the stack goes: logs and records are worth more than the stack that made them.
RETAINED = ("LogBucket", "JobsTable")


def deploy(
    stack: NamedStack,
    *,
    bucket: str | None,
    parameters: Mapping[str, str],
    dependencies: Path | None,
    dry_run: bool,
    tags: Mapping[str, str] | None = None,
    api_dependencies: Path | None = None,
) -> None:
    """Make or change the stack, or only show the change set."""
    template_url = upload(stack.session, bucket, ROOT, build_zips(ROOT, dependencies, api_dependencies))
    changes = stack.propose(template_url, parameters, tags)
    print("\n".join(changes.lines) or f"The stack {stack.name} is up to date.")
    if dry_run or not changes.lines:
        stack.withdraw(changes)
        return
    print(ensure_ecs_role(stack.session, settles_seconds=3 * stack.every_seconds))
    stack.execute(changes)
    print("\n".join(f"{name} = {value}" for name, value in sorted(stack.outputs().items())))


def destroy(stack: NamedStack, *, dry_run: bool, force: bool = False) -> None:
    """Delete the stack, or only say what would go and what would stay.

    Raises:
        DeployError: jobs are running and `force` is not given, or machines of another stack are in the cluster.
    """
    resources = stack.resources()
    work = WorkUnderWay.of(stack.session, resources, stack.every_seconds)
    for name in sorted(resources.keys() - set(RETAINED)):
        print(f"Delete  {name} {resources[name]}")
    for name in sorted(resources.keys() & set(RETAINED)):
        print(f"Keep    {name} {resources[name]}")
    for line in work.lines():
        print(line)
    if not dry_run:
        work.end(stack.name, force=force, tell=print)
        stack.delete()
        print(f"The stack {stack.name} is gone. What it kept goes on costing money until you delete it.")


def main() -> int:
    """Run one command; 1 with a sentence where AWS refuses."""
    options = _parse()
    try:
        stack = NamedStack(session_of(os.environ), options.stack)
        if options.command == "destroy":
            destroy(stack, dry_run=options.dry_run, force=options.force)
            return 0
        parameters, tags = parameters_of(options.parameters), parameters_of(options.tag)
        install(ROOT, DEPENDENCIES)
        install(ROOT, API_DEPENDENCIES, lock=API_LOCK)
        deploy(
            stack,
            bucket=options.bucket,
            parameters=parameters,
            dependencies=DEPENDENCIES,
            dry_run=options.dry_run,
            tags=tags,
            api_dependencies=API_DEPENDENCIES,
        )
    except (DeployError, SettingsError, ClientError, BotoCoreError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.on_aws", description="Deploy Jobferry on AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("deploy", "make or change the stack"), ("destroy", "delete it")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--stack", default="jobferry", help="its name (default: %(default)s)")
        command.add_argument("--dry-run", action="store_true", help="show what would be done")
        if name == "destroy":
            command.add_argument("--force", action="store_true", help="stop what is running, and wait for its end")
        if name == "deploy":
            command.add_argument("--bucket", help="where artifacts go (default: one of your account, made if need be)")
            command.add_argument(
                "--tag",
                action="append",
                default=[],
                metavar="name=value",
                help="of everything in the stack; repeatable",
            )
            command.add_argument("parameters", nargs="*", metavar="Parameter=value", help="of the template")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
