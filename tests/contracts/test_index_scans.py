"""A scan of an index goes on behind a place that no item has, so that its partitions can be told one by one."""

from __future__ import annotations

from typing import Any

from tests.support.cloud import Cloud

_KEYS = [("place", "HASH"), ("part", "RANGE")]
_OF_INDEX = [("whose", "HASH"), ("at", "RANGE")]


def _schema(keys: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys]


def test_a_scan_of_an_index_skips_what_is_left_of_a_partition(cloud: Cloud) -> None:
    """[AWS Database Blog, Generate a distinct set of partition keys for an Amazon DynamoDB table efficiently]."""
    client: Any = cloud.client("dynamodb")
    names = [name for name, _ in (*_KEYS, *_OF_INDEX)]
    client.create_table(
        TableName="skipped",
        KeySchema=_schema(_KEYS),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {"IndexName": "lists", "KeySchema": _schema(_OF_INDEX), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
    )
    for number in range(12):
        values = {"place": f"job-{number}", "part": "head", "whose": "abc"[number % 3], "at": f"{number:02}"}
        client.put_item(TableName="skipped", Item={name: {"S": value} for name, value in values.items()})
    client.put_item(TableName="skipped", Item={"place": {"S": "listed nowhere"}, "part": {"S": "head"}})
    found: list[str] = []
    begin: dict[str, Any] = {}
    while True:
        page = client.scan(TableName="skipped", IndexName="lists", Limit=1, **begin)
        if not page["Items"]:
            break
        found.append(page["Items"][0]["whose"]["S"])
        behind = {"whose": found[-1], "at": "~", "place": "~", "part": "head"}
        begin = {"ExclusiveStartKey": {name: {"S": value} for name, value in behind.items()}}
    assert sorted(found) == ["a", "b", "c"]
