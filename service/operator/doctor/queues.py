"""The queues: requests in, events in, and what was set aside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from schemas.arn import account_of, name_of
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem
from service.operator.doctor.policies import listed
from service.operator.doctor.rules import rules_into

REPLAY = "`jobferry dlq list` says why each one failed; then `jobferry dlq replay` or `jobferry dlq drop`."


def request_queue(deployment: Deployment) -> Iterator[Problem]:
    """It sets aside what fails again and again, keeps it long enough, and is encrypted."""
    yield from _queue(deployment, deployment.request_queue_url)


def event_queue(deployment: Deployment) -> Iterator[Problem]:
    """The same, and EventBridge may send to it on behalf of each rule that does."""
    url = deployment.event_queue_url
    yield from _queue(deployment, url)
    policy = json.loads(attributes_of(deployment, url).get("Policy", "{}"))
    for rule in rules_into(deployment):
        if not _lets_in(policy, rule["Arn"]):
            yield Problem(
                f"its policy does not let the rule {rule['Name']} send",
                f"Allow events.amazonaws.com sqs:SendMessage where aws:SourceArn is {rule['Arn']}, or deploy anew.",
            )


def control_queue(deployment: Deployment) -> Iterator[Problem]:
    """The same as of the request queue."""
    yield from _queue(deployment, deployment.control_queue_url)


def control_dead_letters(deployment: Deployment) -> Iterator[Problem]:
    """No control message lies in the dead-letter queue."""
    yield from _dead_letters(deployment, deployment.control_queue_url)


def request_dead_letters(deployment: Deployment) -> Iterator[Problem]:
    """No request lies in the dead-letter queue."""
    yield from _dead_letters(deployment, deployment.request_queue_url)


def event_dead_letters(deployment: Deployment) -> Iterator[Problem]:
    """No event lies in the dead-letter queue."""
    yield from _dead_letters(deployment, deployment.event_queue_url)


def undelivered_events(deployment: Deployment) -> Iterator[Problem]:
    """EventBridge has delivered everything."""
    targets = (target for rule in rules_into(deployment) for target in rule["Targets"])
    for arn in sorted({target["DeadLetterConfig"]["Arn"] for target in targets if "DeadLetterConfig" in target}):
        if count := _depth(deployment, _url_of(deployment, arn)):
            yield Problem(
                f"{count} lie in {name_of(arn)}",
                "See events-undelivered in deploy/RUNBOOK.md; the sweeper asks after the jobs meanwhile.",
            )


def attributes_of(deployment: Deployment, url: str) -> Mapping[str, str]:
    """The attributes of a queue."""
    answer = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return dict(answer["Attributes"])


def _queue(deployment: Deployment, url: str) -> Iterator[Problem]:
    attributes = attributes_of(deployment, url)
    if "KmsMasterKeyId" not in attributes and attributes.get("SqsManagedSseEnabled") != "true":
        yield Problem("it is not encrypted", "Set SqsManagedSseEnabled to true.")
    if "RedrivePolicy" not in attributes:
        yield Problem("it has no dead-letter queue", "Set its RedrivePolicy, or deploy anew.")
        return
    target = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
    kept = attributes_of(deployment, _url_of(deployment, target))["MessageRetentionPeriod"]
    # A moved message keeps its age [SQS dead-letter queues].
    if int(kept) <= int(attributes["MessageRetentionPeriod"]):
        yield Problem(
            f"its dead-letter queue keeps messages for {kept} seconds, no longer than itself",
            "Set MessageRetentionPeriod of the dead-letter queue to 1209600.",
        )


def _dead_letters(deployment: Deployment, source: str) -> Iterator[Problem]:
    policy = attributes_of(deployment, source).get("RedrivePolicy")
    if policy is None:
        return
    target = json.loads(policy)["deadLetterTargetArn"]
    if count := _depth(deployment, _url_of(deployment, target)):
        yield Problem(f"{count} lie in {target.rpartition(':')[2]}", REPLAY)


def _depth(deployment: Deployment, url: str) -> int:
    attributes = attributes_of(deployment, url)
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def _url_of(deployment: Deployment, arn: str) -> str:
    sqs = deployment.client("sqs")
    return str(sqs.get_queue_url(QueueName=name_of(arn), QueueOwnerAWSAccountId=account_of(arn))["QueueUrl"])


def _lets_in(policy: Mapping[str, Any], rule_arn: str) -> bool:
    return any(_allows(statement, rule_arn) for statement in policy.get("Statement", ()))


def _allows(statement: Mapping[str, Any], rule_arn: str) -> bool:
    principal = statement.get("Principal")
    services = listed(principal["Service"]) if isinstance(principal, dict) and "Service" in principal else []
    conditions = statement.get("Condition", {}).values()
    sources = [arn for item in conditions for arn in listed(item.get("aws:SourceArn", []))]
    return (
        statement["Effect"] == "Allow"
        and "events.amazonaws.com" in services
        and any(fnmatchcase("sqs:SendMessage", action) for action in listed(statement["Action"]))
        and (not sources or any(fnmatchcase(rule_arn, source) for source in sources))
    )
