"""What IAM policies say, as far as it can be told without their conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from schemas.arn import name_of
from service.operator.doctor.deployment import Deployment

Statement = Mapping[str, Any]


def listed(value: Any) -> list[Any]:
    """A policy says a single thing without a list."""
    return value if isinstance(value, list) else [value]


def allowed(statements: Iterable[Statement], action: str, resource: str) -> bool:
    """Whether a statement allows this and none denies it. Conditions are not weighed."""
    effects = {item["Effect"] for item in statements if _speaks_of(item, action, resource)}
    return effects == {"Allow"}


def role_statements(deployment: Deployment, role_arn: str) -> Iterator[Statement]:
    """Every statement of a role, of its own policies and of those attached to it."""
    iam, role = deployment.client("iam"), name_of(role_arn)
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            yield from listed(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"])
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            yield from _attached(iam, policy["PolicyArn"])


def _attached(iam: Any, arn: str) -> list[Statement]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return listed(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]["Statement"])


def _speaks_of(statement: Statement, action: str, resource: str) -> bool:
    actions, resources = listed(statement.get("Action", [])), listed(statement.get("Resource", []))
    return any(fnmatchcase(action.lower(), each.lower()) for each in actions) and any(
        fnmatchcase(resource, each) for each in resources
    )
