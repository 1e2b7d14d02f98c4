"""Where things end: the table, the topic and the bucket."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.operator.doctor import storage
from tests.support import whole_deployment as given
from tests.support.examining import PUT_RIGHT, Changed, Look, Said, assert_said, refusal
from tests.support.names import BUCKET, TOPIC_ARN


def ttl(status: str, **more: str) -> Changed:
    """The table's time to live."""
    return {"dynamodb.DescribeTimeToLive": {"TimeToLiveDescription": {"TimeToLiveStatus": status, **more}}}


def described_table(**fields: Any) -> Changed:
    """The table with other fields."""
    return {"dynamodb.DescribeTable": {"Table": {**given.TABLE_DESCRIPTION, **fields}}}


def index(**fields: Any) -> Changed:
    """The table's index with other fields; another index beside it is no matter."""
    [whole] = given.TABLE_DESCRIPTION["GlobalSecondaryIndexes"]
    kept = {key: value for key, value in {**whole, **fields}.items() if value is not None}
    return described_table(GlobalSecondaryIndexes=[{"IndexName": "other", "KeySchema": whole["KeySchema"]}, kept])


def filtered(policy: str, **more: str) -> Changed:
    """A subscription with this filter policy."""
    return {"sns.GetSubscriptionAttributes": given.subscription(FilterPolicy=policy, **more)}


NOBODY_SUBSCRIBES = f"aws sns subscribe --topic-arn {TOPIC_ARN}"
PENDING = {**given.SUBSCRIPTION, "SubscriptionArn": "PendingConfirmation"}
FOR_EVER = [("records are kept for ever", f"update-time-to-live --table-name {given.TABLE}")]
ALL_BLOCKED = dict.fromkeys(storage.PUBLIC_ACCESS, True)
STORAGE: dict[str, tuple[Look, Changed, Said]] = {
    "nobody subscribes": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions()},
        [("nobody is told of anything", NOBODY_SUBSCRIBES)],
    ),
    "somebody may subscribe": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions(PENDING)},
        [("nobody is told of anything, one waits for its confirmation", NOBODY_SUBSCRIBES)],
    ),
    "one of two subscribes": (
        storage.topic,
        {"sns.ListSubscriptionsByTopic": given.subscriptions(PENDING, given.SUBSCRIPTION)},
        [],
    ),
    "a filter for what never comes": (
        storage.topic,
        filtered('{"jobtype": ["x"], "status": ["FAILED"], "colour": ["red"]}'),
        [
            (
                "the filter policy of team@example.com asks for colour, jobtype,",
                "Filter by failure_class, job_type, status, tenant, traceparent.",
            )
        ],
    ),
    "a filter for all that comes": (
        storage.topic,
        filtered('{"status": [], "job_type": [], "tenant": [], "failure_class": [], "traceparent": []}'),
        [],
    ),
    "a filter of two branches": (storage.topic, filtered('{"$or": [{"status": []}, {"tenant": []}]}'), []),
    "a filter by the message": (storage.topic, filtered('{"text": []}', FilterPolicyScope="MessageBody"), []),
    "a filter by attributes": (
        storage.topic,
        filtered('{"text": []}', FilterPolicyScope="MessageAttributes"),
        [("asks for text,", "Filter by")],
    ),
    "an empty filter": (storage.topic, filtered(""), []),
    "no encryption": (
        storage.bucket,
        {"s3.GetBucketEncryption": refusal("ServerSideEncryptionConfigurationNotFoundError")},
        [(f"{BUCKET} has no default encryption", PUT_RIGHT)],
    ),
    "nothing blocked": (
        storage.bucket,
        {"s3.GetPublicAccessBlock": refusal("NoSuchPublicAccessBlockConfiguration")},
        [(f"{BUCKET} may be made public: {', '.join(storage.PUBLIC_ACCESS)} not set", PUT_RIGHT)],
    ),
    **{
        f"{name} not blocked": (
            storage.bucket,
            {"s3.GetPublicAccessBlock": {"PublicAccessBlockConfiguration": {**ALL_BLOCKED, name: False}}},
            [(f"{BUCKET} may be made public: {name} not set", PUT_RIGHT)],
        )
        for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    },
    "a table that changes": (
        storage.table,
        described_table(TableStatus="UPDATING"),
        [(f"{given.TABLE} is UPDATING", "Wait until DynamoDB is done")],
    ),
    "a time to live that begins": (storage.table, ttl("ENABLING", AttributeName="expires_at"), []),
    "no time to live": (storage.table, ttl("DISABLED"), FOR_EVER),
    "a time to live that ends": (storage.table, ttl("DISABLING", AttributeName="expires_at"), FOR_EVER),
    "a time to live on another attribute": (storage.table, ttl("ENABLED", AttributeName="ttl"), FOR_EVER),
    "no index": (
        storage.table,
        described_table(GlobalSecondaryIndexes=[]),
        [("no index open_jobs, so the sweeper finds no open job", PUT_RIGHT)],
    ),
    "nothing of indexes": (
        storage.table,
        {"dynamodb.DescribeTable": {"Table": {"TableStatus": "ACTIVE"}}},
        [("no index open_jobs", PUT_RIGHT)],
    ),
    "an index that is built": (
        storage.table,
        index(IndexStatus="CREATING"),
        [("its index open_jobs is CREATING", "Wait until it is built")],
    ),
    "an index without a status": (storage.table, index(IndexStatus=None), []),
    **{
        f"an index by {keys}": (
            storage.table,
            index(KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()]),
            [("the keys of its index open_jobs are not open_shard, due_at", PUT_RIGHT)],
        )
        for keys in (
            {"open_shard": "HASH"},
            {"due_at": "HASH", "open_shard": "RANGE"},
            {"open_shard": "HASH", "x": "RANGE"},
        )
    },
}


@pytest.mark.parametrize(("look", "changed", "said"), STORAGE.values(), ids=STORAGE)
def test_where_things_end_is_looked_at(look: Look, changed: Changed, said: Said) -> None:
    """The topic, the bucket, the table."""
    assert_said(look(given.deployment(changed)), said)


@pytest.mark.parametrize("operation", ["GetBucketEncryption", "GetPublicAccessBlock"])
def test_what_may_not_be_read_of_a_bucket_is_not_taken_for_missing(operation: str) -> None:
    """Nor any other error."""
    with pytest.raises(ClientError):
        list(storage.bucket(given.deployment({f"s3.{operation}": refusal("AccessDenied")})))


@pytest.mark.parametrize(
    ("look", "operation"), [(storage.topic, "sns.GetTopicAttributes"), (storage.bucket, "s3.HeadBucket")]
)
def test_a_topic_or_bucket_that_is_not_there_is_an_error(look: Look, operation: str) -> None:
    """It is asked for first: the other answers would say less."""
    with pytest.raises(ClientError):
        list(look(given.deployment({operation: refusal("404")})))
