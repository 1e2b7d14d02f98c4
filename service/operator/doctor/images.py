"""The catalogue's images against the account: what each promises, and what its task definition says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from schemas.catalog import Image
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import FORBIDDEN, Check, Problem
from service.operator.doctor.policies import Statement, allowed, role_statements

Json = Mapping[str, Any]
GUIDE = "See deploy/IMAGES.md."


@dataclass(frozen=True)
class Catalogued:
    """An image of the catalogue."""

    name: str
    image: Image


def image_checks(deployment: Deployment) -> list[Check]:
    """One check for each image of the catalogue."""
    holds = "its task definition is as the catalogue says, and the state machine may run it"
    return [
        Check(f"image {name}", holds, partial(_look, Catalogued(name, image)))
        for name, image in deployment.catalog.images.items()
    ]


def _look(catalogued: Catalogued, deployment: Deployment) -> Iterator[Problem]:
    named = catalogued.image.task_definition
    definition = _task_definition(deployment, named)
    # Of a family whose revisions are all withdrawn, nothing is there to be named.
    if definition is None or (definition["status"] != "ACTIVE" and ":" not in named):
        yield Problem(f"there is no task definition {named}", f"Register it. {GUIDE}")
        return
    if definition["status"] != "ACTIVE":
        yield Problem(
            f"the task definition {named} is {definition['status']}, so nothing can run it",
            f"Name {definition['family']} alone, or an active revision; UpdateReplacePolicy: Retain keeps old ones.",
        )
        return
    yield from _ownership(deployment, named, definition)
    yield from _container(deployment, catalogued.image, definition)
    yield from _launch(catalogued.image, definition)
    yield from _roles(catalogued.image, definition)
    yield from _privileges(deployment, definition)


def _task_definition(deployment: Deployment, named: str) -> Json | None:
    """The revision that a run would take; ECS has no error of its own for one that is missing."""
    ecs = deployment.client("ecs")
    try:
        found: Json = ecs.describe_task_definition(taskDefinition=named)["taskDefinition"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ClientException":
            raise
        return None
    return found


def _ownership(deployment: Deployment, named: str, definition: Json) -> Iterator[Problem]:
    """By its family alone the latest revision runs, whoever registered it: of a family of the stack, the stack."""
    own = _registered_by_the_stack(deployment).get(named)
    if own is not None and own != definition["taskDefinitionArn"]:
        yield Problem(
            f"{named} runs revision {definition['revision']}, which the stack did not register: its own is "
            f"{own.rpartition(':')[2]}",
            "Another stack registers the same family: give each a TaskFamilyPrefix of its own, or none.",
        )


def _registered_by_the_stack(deployment: Deployment) -> Mapping[str, str]:
    try:
        return deployment.own_task_definitions
    except ClientError as error:
        if error.response["Error"]["Code"] in FORBIDDEN:
            return {}
        raise


def _container(deployment: Deployment, image: Image, definition: Json) -> Iterator[Problem]:
    containers = {item["name"]: item for item in definition["containerDefinitions"]}
    if image.container not in containers:
        yield Problem(
            f"{definition['family']} has no container {image.container}, only {', '.join(containers)}",
            "Name one of them as `container` in the catalogue.",
        )
        return
    yield from _log(deployment, containers[image.container])


def _log(deployment: Deployment, container: Json) -> Iterator[Problem]:
    """Its log can be found, and is complete."""
    log = container.get("logConfiguration") or {}
    options = log.get("options") or {}
    if log.get("logDriver") != "awslogs":
        yield Problem(f"its log driver is {log.get('logDriver')}, so no log is archived", f"Use awslogs. {GUIDE}")
        return
    if not options.get("awslogs-stream-prefix"):
        yield Problem("its log stream cannot be named", "Set awslogs-stream-prefix.")
    if options.get("mode") != "blocking":
        yield Problem("lines of its log may be lost: the mode is not blocking", "Set the log option mode: blocking.")
    if options.get("awslogs-create-group") != "true" and not _has_group(deployment, options["awslogs-group"]):
        yield Problem(f"its log group {options['awslogs-group']} does not exist", "Create it, with a retention.")


def _has_group(deployment: Deployment, name: str) -> bool:
    answer = deployment.client("logs").describe_log_groups(logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for group in answer["logGroups"])


def _launch(image: Image, definition: Json) -> Iterator[Problem]:
    """It can be run as the state machine runs it."""
    kind = "FARGATE" if image.on_fargate else "EC2"
    # ECS says which kinds the definition is fit for, whatever was asked of it.
    if kind not in definition.get("compatibilities", [kind]):
        yield Problem(f"{definition['family']} cannot run on {kind}", f"Add {kind} to requiresCompatibilities.")
    if definition.get("networkMode") != "awsvpc":
        yield Problem(f"its network mode is {definition.get('networkMode')}", "Set networkMode: awsvpc.")


def _roles(image: Image, definition: Json) -> Iterator[Problem]:
    """It has the roles without which it cannot start, or cannot say that it has ended."""
    if image.integration == "callback" and not definition.get("taskRoleArn"):
        yield Problem("a callback image reports back, and it has no task role", f"Give it one. {GUIDE}")
    if definition.get("executionRoleArn"):
        return
    # On an EC2 machine its agent's role does what Fargate has the execution role for, but it reads no secrets
    # [ECS guide, task execution role].
    if image.on_fargate:
        why = "Fargate needs an execution role to write the log and to pull a private image, and it has none"
        yield Problem(why, f"Give it executionRoleArn: the stack's output TaskExecutionRoleArn. {GUIDE}")
    elif any(container.get("secrets") for container in definition["containerDefinitions"]):
        yield Problem("it takes secrets, and it has no execution role to read them", f"Give it one. {GUIDE}")


def _privileges(deployment: Deployment, definition: Json) -> Iterator[Problem]:
    """The state machine may run it and pass its roles; said only where its policies can be read."""
    statements = _statements(deployment)
    if statements is None:
        return
    family = definition["taskDefinitionArn"]
    if not allowed(statements, "ecs:RunTask", family):
        yield Problem(
            f"the state machine may not run {definition['family']}",
            "Begin its family with the stack's TaskFamilyPrefix and a hyphen, which the catalogue writes {prefix}-.",
        )
    roles = (definition.get("executionRoleArn"), definition.get("taskRoleArn"))
    for role in filter(None, roles):
        if not allowed(statements, "iam:PassRole", role):
            yield Problem(
                f"the state machine may not pass {role.rpartition('/')[2]}", f"Add {role} to JobTaskRoleArns."
            )


def _statements(deployment: Deployment) -> list[Statement] | None:
    try:
        return list(role_statements(deployment, deployment.state_machine["roleArn"]))
    except ClientError as error:
        if error.response["Error"]["Code"] in FORBIDDEN:
            return None
        raise
