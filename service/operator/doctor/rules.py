"""The EventBridge rules: there, enabled, letting the right events through, and sending them to the event queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.arn import account_of, region_of
from schemas.plan import group_of
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem

Rule = Mapping[str, Any]
Event = Mapping[str, Any]

EXECUTION_CHANGE, TASK_CHANGE = "Step Functions Execution Status Change", "ECS Task State Change"
EXECUTION_STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
# That a task runs is told of where the stack's TaskStartEvents says so; nothing depends on it.
TASK_STATUSES = ("STOPPED",)
DEPLOY = "`make deploy` puts it right."


def execution_rule(deployment: Deployment) -> Iterator[Problem]:
    """Every end of an execution, and that it was redriven, reaches the event queue."""
    arn = deployment.state_machine_arn
    details = {status: {"stateMachineArn": arn, "status": status, "redriveCount": 1} for status in EXECUTION_STATUSES}
    yield from _rule(deployment, arn, "aws.states", EXECUTION_CHANGE, details)


def task_rule(deployment: Deployment) -> Iterator[Problem]:
    """Jobferry's tasks reach the event queue when they stop."""
    cluster = deployment.cluster_arn
    details = {
        status: {"clusterArn": cluster, "lastStatus": status, "group": group_of("thumbs-42")}
        for status in TASK_STATUSES
    }
    yield from _rule(deployment, cluster, "aws.ecs", TASK_CHANGE, details)


def rules_into(deployment: Deployment) -> list[Rule]:
    """The rules that send to the event queue, each with its Targets there."""
    events, queue = deployment.client("events"), _event_queue_arn(deployment)
    names = events.list_rule_names_by_target(TargetArn=queue)["RuleNames"]
    return [{**events.describe_rule(Name=name), "Targets": _targets(events, name, queue)} for name in names]


def _rule(
    deployment: Deployment, subject: str, source: str, detail_type: str, details: Mapping[str, Event]
) -> Iterator[Problem]:
    """The problems of the rule of this source that speaks of this subject."""
    rules = [rule for rule in rules_into(deployment) if _speaks_of(rule, source, subject)]
    if not rules:
        yield _missing(deployment, source, subject)
    for rule in rules:
        yield from _problems(rule)
        events = {name: _event(deployment, source, detail_type, detail) for name, detail in details.items()}
        missed = [name for name, event in events.items() if not _lets_through(deployment, rule, event)]
        if missed:
            yield Problem(f"the rule {rule['Name']} leaves out {', '.join(missed)}", f"Widen its pattern: {DEPLOY}")


def _missing(deployment: Deployment, source: str, subject: str) -> Problem:
    """There is no such rule, or it sends elsewhere."""
    pages = deployment.client("events").get_paginator("list_rules").paginate()
    astray = [rule["Name"] for page in pages for rule in page["Rules"] if _speaks_of(rule, source, subject)]
    if astray:
        return Problem(f"the rule {astray[0]} has no target that is the event queue", f"Add the target: {DEPLOY}")
    return Problem(f"no rule of the default event bus passes on {source} events of {subject}", DEPLOY)


def _problems(rule: Rule) -> Iterator[Problem]:
    name = rule["Name"]
    if rule["State"] != "ENABLED":
        yield Problem(f"the rule {name} is {rule['State']}", f"aws events enable-rule --name {name}")
    for target in rule["Targets"]:
        if target.keys() & {"Input", "InputPath", "InputTransformer"}:
            yield Problem(f"the rule {name} rewrites its events", "Remove the input transformation of its target.")
        if "DeadLetterConfig" not in target:
            yield Problem(f"what the rule {name} cannot deliver is dropped", f"Give its target a DLQ: {DEPLOY}")


def _speaks_of(rule: Rule, source: str, subject: str) -> bool:
    pattern = rule.get("EventPattern", "{}")
    return source in json.loads(pattern).get("source", []) and subject in pattern


def _lets_through(deployment: Deployment, rule: Rule, event: Event) -> bool:
    answer = deployment.client("events").test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))
    return bool(answer["Result"])


def _event(deployment: Deployment, source: str, detail_type: str, detail: Event) -> Event:
    """An event with every field that TestEventPattern demands [botocore]."""
    return {
        "id": "00000000-0000-0000-0000-000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": region_of(deployment.state_machine_arn),
        "account": account_of(deployment.state_machine_arn),
        "resources": [],
        "source": source,
        "detail-type": detail_type,
        "detail": detail,
    }


def _targets(events: Any, rule: str, queue: str) -> list[Mapping[str, Any]]:
    return [target for target in events.list_targets_by_rule(Rule=rule)["Targets"] if target["Arn"] == queue]


def _event_queue_arn(deployment: Deployment) -> str:
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.event_queue_url, AttributeNames=["QueueArn"]
    )
    return str(answer["Attributes"]["QueueArn"])
