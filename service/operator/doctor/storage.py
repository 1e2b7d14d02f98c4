"""Where things end: the topic, the bucket, the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from service.aws.open_jobs import OPEN_JOBS_INDEX
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem

# What a notification carries as message attributes, for filter policies.
ATTRIBUTES = {"status", "job_type", "tenant", "failure_class", "traceparent"}
PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
INDEX_KEYS = {"open_shard": "HASH", "due_at": "RANGE"}
DEPLOY = "`make deploy` puts it right."


def topic(deployment: Deployment) -> Iterator[Problem]:
    """Somebody subscribes, and to something that comes."""
    sns, arn = deployment.client("sns"), deployment.topic_arn
    sns.get_topic_attributes(TopicArn=arn)
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    found = [item for page in pages for item in page["Subscriptions"]]
    # Until it is confirmed, a subscription has a word in the place of its ARN.
    confirmed = [item for item in found if item["SubscriptionArn"].startswith("arn:")]
    if not confirmed:
        waiting = ", one waits for its confirmation" if found else ""
        yield Problem(f"nobody is told of anything{waiting}", f"aws sns subscribe --topic-arn {arn} --protocol ...")
    for item in confirmed:
        yield from _filter(sns, item["SubscriptionArn"], item["Endpoint"])


def _filter(sns: Any, arn: str, endpoint: str) -> Iterator[Problem]:
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    if attributes.get("FilterPolicyScope") == "MessageBody":
        return
    named = {name for name in json.loads(attributes.get("FilterPolicy") or "{}") if not name.startswith("$")}
    if unknown := sorted(named - ATTRIBUTES):
        yield Problem(
            f"the filter policy of {endpoint} asks for {', '.join(unknown)}, which no notification has",
            f"Filter by {', '.join(sorted(ATTRIBUTES))}.",
        )


def bucket(deployment: Deployment) -> Iterator[Problem]:
    """Encrypted, and shut to the public."""
    s3, name = deployment.client("s3"), deployment.log_bucket
    s3.head_bucket(Bucket=name)
    if not _or_none(s3.get_bucket_encryption, Bucket=name):
        yield Problem(f"{name} has no default encryption", DEPLOY)
    answer = _or_none(s3.get_public_access_block, Bucket=name) or {}
    blocked = answer.get("PublicAccessBlockConfiguration", {})
    if unblocked := [each for each in PUBLIC_ACCESS if not blocked.get(each)]:
        yield Problem(f"{name} may be made public: {', '.join(unblocked)} not set", DEPLOY)


def _or_none(ask: Any, **arguments: str) -> Mapping[str, Any] | None:
    """What is configured; S3 calls it an error that nothing is."""
    try:
        return dict(ask(**arguments))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith("NoSuch") or code.endswith("NotFoundError"):
            return None
        raise


def table(deployment: Deployment) -> Iterator[Problem]:
    """Active, with the sweeper's index, records that end, and a way back in time."""
    dynamodb, name = deployment.client("dynamodb"), deployment.jobs_table
    description = dynamodb.describe_table(TableName=name)["Table"]
    if description["TableStatus"] != "ACTIVE":
        yield Problem(f"{name} is {description['TableStatus']}", "Wait until DynamoDB is done with it.")
    yield from _index(description)
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if ttl["TimeToLiveStatus"] not in ("ENABLED", "ENABLING") or ttl.get("AttributeName") != "expires_at":
        yield Problem(
            "records are kept for ever: no time to live on expires_at",
            f"aws dynamodb update-time-to-live --table-name {name} "
            "--time-to-live-specification Enabled=true,AttributeName=expires_at",
        )


def _index(description: Mapping[str, Any]) -> Iterator[Problem]:
    indexes = {item["IndexName"]: item for item in description.get("GlobalSecondaryIndexes", ())}
    index = indexes.get(OPEN_JOBS_INDEX)
    if index is None:
        yield Problem(f"it has no index {OPEN_JOBS_INDEX}, so the sweeper finds no open job", DEPLOY)
    elif {key["AttributeName"]: key["KeyType"] for key in index["KeySchema"]} != INDEX_KEYS:
        yield Problem(f"the keys of its index {OPEN_JOBS_INDEX} are not {', '.join(INDEX_KEYS)}", DEPLOY)
    elif index.get("IndexStatus", "ACTIVE") != "ACTIVE":
        yield Problem(f"its index {OPEN_JOBS_INDEX} is {index['IndexStatus']}", "Wait until it is built.")
