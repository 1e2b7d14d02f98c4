"""Policies as IAM weighs them, and what each call asks of them [Service Authorization Reference]."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

# Callers that have no role.
SERVICES = frozenset({"events.amazonaws.com"})
# The calls whose permission has another name.
PERMISSIONS = {
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:UploadPart": "s3:PutObject",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}

# "No permissions are required to perform this operation" [STS API, GetCallerIdentity].
FREE = frozenset({"sts:GetCallerIdentity"})


@dataclass(frozen=True)
class Call:
    """One thing that somebody asked of one resource; `by` is a role's name, or a service."""

    by: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


def calls_in(path: Path, account: str, roles: Mapping[str, str]) -> frozenset[Call]:
    """What an emulator's call log says of services, and of roles, which it knows by their names on AWS.

    Args:
        path: the call log.
        account: `<partition>:<region>:<account id>`.
        roles: the roles' names in the template, by their names on AWS.
    """
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    named = (
        {**line, "by": roles.get(line["by"], line["by"])} for line in lines if line["by"] in roles.keys() | SERVICES
    )
    return frozenset(call for line in named for call in _calls_of(line, account))


def _calls_of(line: Json, account: str) -> Iterator[Call]:
    called = str(line["action"])
    action = PERMISSIONS.get(called, called)
    if "resource" in line:
        yield Call(line["by"], action, line["resource"], line["context"])
        return
    if action in FREE:
        return
    partition, region, number = account.split(":")
    find = RESOURCES[action.split(":")[0]]
    context = _context(action, line["request"], f"arn:{partition}:ecs:{region}:{number}:cluster/")
    for resource in find(line["request"], line["path"], action):
        yield Call(line["by"], action, resource.format(partition=partition, region=region, account=number), context)


def _context(action: str, request: Json, clusters: str) -> dict[str, str]:
    match action:
        case "ecs:DescribeTasks" | "ecs:StopTask":
            return {"ecs:cluster": clusters + request["cluster"].rpartition("/")[2]}
        case "s3:ListBucket":
            return {"s3:prefix": request.get("prefix", "")}
    return {}


def _queue(request: Json, _path: str, _action: str) -> list[str]:
    return ["arn:{partition}:sqs:{region}:{account}:" + str(request["QueueUrl"]).rpartition("/")[2]]


def _table(request: Json, _path: str, _action: str) -> list[str]:
    index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
    return ["arn:{partition}:dynamodb:{region}:{account}:table/" + request["TableName"] + index]


def _object(_request: Json, path: str, _action: str) -> list[str]:
    return ["arn:{partition}:s3:::" + path.lstrip("/").replace("{", "{{").replace("}", "}}")]


def _topic(request: Json, _path: str, _action: str) -> list[str]:
    return [request["TopicArn"]]


def _tasks(request: Json, _path: str, action: str) -> list[str]:
    if action == "ecs:DescribeTaskDefinition":
        return ["*"]
    named = request.get("tasks") or [request["task"]]
    return [
        "arn:{partition}:ecs:{region}:{account}:task/"
        + f"{request['cluster'].rpartition('/')[2]}/{each.rpartition('/')[2]}"
        for each in named
    ]


def _execution(request: Json, _path: str, _action: str) -> list[str]:
    # A token is of the one state machine that there is, and names it to nobody but Step Functions.
    return [
        request.get("executionArn")
        or request.get("stateMachineArn")
        or "arn:{partition}:states:{region}:{account}:stateMachine:jobferry"
    ]


def _log(request: Json, _path: str, _action: str) -> list[str]:
    # Who looks through streams is asked for the group alone, whose ARN ends like this [CloudWatch Logs, IAM].
    stream = f"{request['logGroupName']}:log-stream:{request.get('logStreamName', '')}"
    return ["arn:{partition}:logs:{region}:{account}:log-group:" + stream]


RESOURCES: Mapping[str, Callable[[Json, str, str], list[str]]] = {
    "dynamodb": _table,
    "ecs": _tasks,
    "logs": _log,
    "s3": _object,
    "sns": _topic,
    "sqs": _queue,
    "states": _execution,
}


@dataclass(frozen=True)
class Permission:
    """One action on one pattern of resources, by one statement; `role` is the role's name in the template."""

    role: str
    sid: str
    action: str
    resource: str
    conditions: str = "{}"

    def covers(self, call: Call) -> bool:
        """Whether it allows this call."""
        conditions = json.loads(self.conditions)
        return (
            self.action == call.action
            and fnmatchcase(call.resource, self.resource)
            and all(_holds(operator, asked, call.context) for operator, asked in conditions.items())
        )


def permissions(role: str, document: Json) -> Iterator[Permission]:
    """Everything that a policy document allows."""
    for item in document["Statement"]:
        if item["Effect"] == "Allow":
            for action in listed(item["Action"]):
                for resource in listed(item["Resource"]):
                    yield Permission(role, item["Sid"], action, resource, json.dumps(item.get("Condition", {})))


def listed(value: Any) -> list[Any]:
    """A policy says a single thing without a list."""
    return value if isinstance(value, list) else [value]


# Only these operators are in use; another one is to be thought of first.
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
}


def _holds(operator: str, asked: Json, context: Mapping[str, str]) -> bool:
    matches = _OPERATORS[operator]
    return all(
        key in context and any(matches(context[key], value) for value in listed(values))
        for key, values in asked.items()
    )
