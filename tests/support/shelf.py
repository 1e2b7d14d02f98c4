"""A deployment that only readers ask: any number of jobs, each made when it is read, and what else they look at.

It answers as the clients of AWS that a tracker has, counts what it is asked, and can be out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from service.aws.job_list import listing_changes
from service.aws.record_items import HEAD, REQUEST, item_key, registers_of
from service.core.record.facts import Fact, Requested
from service.core.record.keys import RecordKey
from service.tracking.wiring import Place
from tests.support.aws.expressions import Given, holds
from tests.support.builders import MACHINE
from tests.support.connecting import refusal

BUCKET, TABLE = "shelf", "shelf"
Facts = tuple[Fact, ...]


@dataclass
class Shelf:
    """`many` numbered jobs as `made` has them, the highest the youngest; `more`, and `unlisted`, by their ids."""

    many: int = 0
    made: Callable[[int], Facts] = lambda _: ()
    more: dict[str, Facts] = field(default_factory=dict)
    unlisted: dict[str, Facts] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    out_of_reach: bool = False

    @property
    def place(self) -> Place:
        """What a tracker is wired for."""
        url = "https://sqs.eu-central-1.amazonaws.com/123456789012/"
        return Place(f"{url}requests", f"{url}control", MACHINE, BUCKET, TABLE)

    async def open(self, _service: str) -> Any:
        """A client of any service."""
        return self

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.out_of_reach:
            raise refusal("ServiceUnavailable", call)

    async def query(self, **call: Any) -> Any:
        """Query: the list, or the parts of a record."""
        self._asked("Query")
        values = call["ExpressionAttributeValues"]
        if "IndexName" not in call:
            return {"Items": self._parts(values[":key"]["S"])}
        if ":tenant" not in values:
            return {"Items": []}
        limit, found, seen = call["Limit"], [], 0
        place: dict[str, Any] | None = None
        for entry in self._listed():
            if not values[":first"]["S"] <= entry["list_at"]["S"] <= values[":last"]["S"]:
                continue
            seen, place = seen + 1, entry
            given = Given(entry, call["ExpressionAttributeNames"], values)
            condition = call.get("FilterExpression")
            if entry["list_tenant"] == values[":tenant"] and (condition is None or holds(condition, given)):
                found.append(entry)
            if seen == limit:
                return {"Items": found, "LastEvaluatedKey": place}
        return {"Items": found}

    async def batch_get_item(self, RequestItems: Any) -> Any:
        """BatchGetItem."""
        self._asked("BatchGetItem")
        keys = {item["record_key"]["S"] for item in RequestItems[TABLE]["Keys"]}
        return {"Responses": {TABLE: [part for name in keys for part in self._parts(name)]}}

    async def get_object(self, *, Key: str, Range: str = "", **_: Any) -> Any:
        """GetObject, of a range where one is asked for."""
        self._asked("GetObject")
        if Key not in self.objects:
            raise refusal("NoSuchKey", "GetObject", 404)
        first, _dash, last = Range.removeprefix("bytes=").partition("-")
        body = memoryview(self.objects[Key])[int(first or 0) : int(last) + 1 if last else None]
        return {"Body": _Body(body), "ContentLength": len(body)}

    async def put_object(self, *, Key: str, Body: bytes, **_: Any) -> Any:
        """PutObject."""
        self._asked("PutObject")
        self.objects[Key] = Body
        return {"ETag": "e"}

    async def get_execution_history(self, *, executionArn: str, **_: Any) -> Any:
        """GetExecutionHistory, in one page."""
        self._asked("GetExecutionHistory")
        return {"events": self.histories.get(executionArn.rpartition(":")[2], [])}

    async def describe_task_definition(self, **_: Any) -> Any:
        """DescribeTaskDefinition, of one that logs to CloudWatch."""
        self._asked("DescribeTaskDefinition")
        options = {"awslogs-group": "/jobs", "awslogs-stream-prefix": "job", "awslogs-region": "eu-central-1"}
        container = {"name": "main", "logConfiguration": {"logDriver": "awslogs", "options": options}}
        return {"taskDefinition": {"containerDefinitions": [container]}}

    async def filter_log_events(self, *, startTime: int, **_: Any) -> Any:
        """FilterLogEvents: each line a second after the one before."""
        self._asked("FilterLogEvents")
        events = [
            {"eventId": str(number), "timestamp": number * 1000, "message": line}
            for number, line in enumerate(self.lines, 1_700_000_000)
        ]
        return {"events": [event for event in events if int(str(event["timestamp"])) >= startTime]}

    async def send_message(self, *, MessageBody: str, **_: Any) -> Any:
        """SendMessage."""
        self._asked("SendMessage")
        self.sent.append(MessageBody)
        return {"MessageId": "5fea7756"}

    async def get_caller_identity(self) -> Any:
        """GetCallerIdentity."""
        return {"Arn": "arn:aws:iam::123456789012:user/ann"}

    def _facts(self, job_id: str) -> Facts:
        known = self.more.get(job_id) or self.unlisted.get(job_id)
        if known is not None:
            return known
        number = job_id.rpartition("-")[2]
        return self.made(int(number)) if number.isdecimal() and int(number) < self.many else ()

    def _parts(self, key: str) -> list[dict[str, Any]]:
        facts = self._facts(RecordKey.read(key).id)
        if not facts:
            return []
        born = {"expires_at": {"N": "9999999999"}}
        asked = [fact for fact in facts if isinstance(fact, Requested)]
        beside = [fact for fact in facts if not isinstance(fact, Requested)]
        key_of = facts[0].record_key
        return [
            {**item_key(key_of, HEAD), **born, **registers_of(*beside)},
            {**item_key(key_of, REQUEST), **born, **registers_of(*asked)},
        ]

    def _listed(self) -> Iterable[dict[str, Any]]:
        """The youngest first."""
        yield from (_summary(facts) for facts in self.more.values())
        yield from (_summary(self.made(number)) for number in reversed(range(self.many)))


def _summary(facts: Facts) -> dict[str, Any]:
    """The entry of the list that a record of these facts has."""
    item: dict[str, Any] = {}
    for fact in facts:
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        for change in listing_changes(fact, names, values, closes=True):
            name, _, value = change.partition(" = ")
            item[names[name]] = values[value]
    return item


class _Body:
    """What an object holds, read piece by piece."""

    def __init__(self, body: memoryview) -> None:
        self._left = body

    async def __aenter__(self) -> _Body:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left = self._left[:0]

    async def read(self, size: int | None = None) -> bytes:
        """The next piece."""
        piece, self._left = self._left[:size], self._left[size or len(self._left) :]
        return bytes(piece)
