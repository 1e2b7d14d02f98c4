"""The bench's fake AWS answers truly: conditions, sizes, leases and rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from service.core.record.facts import ExecutionChanged, TaskChanged
from service.core.record.hearing import hear
from tests.bench.bill import transitions
from tests.bench.fake.http import Connection, Request, Response
from tests.bench.fake.lives import Life, Log, Plot
from tests.bench.fake.logs import found_events, log_events
from tests.bench.fake.queue import Queue
from tests.bench.fake.refusal import Refusal
from tests.bench.fake.rules import matches, patterns
from tests.bench.fake.table import Table, size_of
from tests.support.deployment import properties
from tests.support.names import STATE_MACHINE_ARN

KEY = {"record_key": {"S": "job"}, "part": {"S": "head"}}
OVER_FIVE: dict[str, Any] = {
    "Key": KEY,
    "UpdateExpression": "SET #r = :new",
    "ConditionExpression": "attribute_not_exists(#r) OR #r.#rank < :rank",
    "ExpressionAttributeNames": {"#r": "r#task", "#rank": "rank"},
    "ExpressionAttributeValues": {":new": {"M": {"rank": {"N": "5"}}}, ":rank": {"N": "5"}},
    "ReturnValues": "ALL_NEW",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}


def table(**attributes: Any) -> Table:
    """The template's table, with one item of these attributes if there are any."""
    made = Table.of_template(properties("JobsTable"))
    if attributes:
        made.put({"Item": {**KEY, **attributes}})
        made.units.clear()
    return made


def ranked(rank: int) -> dict[str, Any]:
    """A register of a rank."""
    return {"r#task": {"M": {"rank": {"N": str(rank)}}}}


@pytest.mark.parametrize(("held", "wins"), [({}, True), (ranked(4), True), (ranked(5), False), (ranked(6), False)])
def test_a_register_is_written_where_its_rank_is_higher(held: dict[str, Any], wins: bool) -> None:
    """A lower one is refused, with the item that is there."""
    jobs = table(**held)
    if wins:
        assert jobs.update(OVER_FIVE) == {"Attributes": {**KEY, **ranked(5)}}
        assert jobs.get({"Key": KEY}) == {"Item": {**KEY, **ranked(5)}}
    else:
        with pytest.raises(Refusal) as refused:
            jobs.update(OVER_FIVE)
        assert (refused.value.code, refused.value.more) == (
            "ConditionalCheckFailedException",
            {"Item": {**KEY, **held}},
        )
        assert jobs.get({"Key": KEY}) == {"Item": {**KEY, **held}}


def test_a_write_is_billed_by_the_larger_of_both_items() -> None:
    """Also where an update makes it smaller, and where its condition does not hold."""
    jobs = table(big={"S": "x" * 3000}, **ranked(9))
    with pytest.raises(Refusal):
        jobs.update(OVER_FIVE)
    assert jobs.units == {"write": 3}
    jobs.update({"Key": KEY, "UpdateExpression": "REMOVE big"})
    assert jobs.units == {"write": 6}


def test_an_index_key_that_moves_is_billed_twice_and_one_that_stays_not_at_all() -> None:
    """It is deleted in one place and written in another [DynamoDB guide, GSI write throughput]."""
    jobs = table(open_shard={"S": "1"}, due_at={"N": "100"})
    jobs.update({"Key": KEY, "UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}})
    assert jobs.units["index write"] == 0
    jobs.update({"Key": KEY, "UpdateExpression": "SET due_at = :x", "ExpressionAttributeValues": {":x": {"N": "200"}}})
    assert jobs.units["index write"] == 2
    jobs.update({"Key": KEY, "UpdateExpression": "REMOVE open_shard"})
    assert jobs.units["index write"] == 3


def test_the_index_is_asked_by_shard_and_time() -> None:
    """Only what is open and due, the most silent first."""
    jobs = table()
    for name, shard, due in (("late", "1", "90"), ("now", "1", "50"), ("not yet", "1", "200"), ("elsewhere", "2", "1")):
        jobs.put({"Item": {**KEY, "record_key": {"S": name}, "open_shard": {"S": shard}, "due_at": {"N": due}}})
    jobs.put({"Item": {**KEY, "record_key": {"S": "closed"}, "due_at": {"N": "1"}}})
    asked = {
        "IndexName": "open_jobs",
        "KeyConditionExpression": "open_shard = :shard AND due_at < :at",
        "ExpressionAttributeValues": {":shard": {"S": "1"}, ":at": {"N": "100"}},
        "Limit": 5,
    }
    assert [item["record_key"]["S"] for item in jobs.query(asked)["Items"]] == ["now", "late"]


def test_an_index_holds_what_the_template_says_and_is_billed_when_that_changes() -> None:
    """A list shows a job's status; other news of the job is no write of the list."""
    jobs = table(list_tenant={"S": "web"}, list_at={"S": "2026"}, list_status={"S": "RUNNING"})
    jobs.update({"Key": KEY, "UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}})
    assert jobs.units["index write"] == 0
    done = {":x": {"S": "FAILED"}}
    jobs.update({"Key": KEY, "UpdateExpression": "SET list_status = :x", "ExpressionAttributeValues": done})
    [listed] = jobs.query(
        {
            "IndexName": "job_list",
            "KeyConditionExpression": "list_tenant = :tenant",
            "ExpressionAttributeValues": {":tenant": {"S": "web"}},
        }
    )["Items"]
    assert listed["list_status"] == {"S": "FAILED"} and "x" not in listed
    # In place: the keys stay.
    assert jobs.units["index write"] == 1


def test_the_items_of_a_partition_are_read_together_and_in_their_order() -> None:
    """And no other's."""
    jobs = table()
    for key, part in (("job", "request"), ("job", "head"), ("other", "head")):
        jobs.put({"Item": {"record_key": {"S": key}, "part": {"S": part}}})
    asked = {"KeyConditionExpression": "record_key = :key", "ExpressionAttributeValues": {":key": {"S": "job"}}}
    assert [item["part"]["S"] for item in jobs.query(asked)["Items"]] == ["head", "request"]


def test_sizes_are_counted_by_dynamodbs_rules() -> None:
    """Names and values in bytes; a map is three bytes more, and one for each of its members."""
    assert size_of({"name": {"S": "ä"}}) == 6
    assert size_of({"m": {"M": {"a": {"S": "bc"}}}}) == 1 + 3 + 1 + 3


async def test_a_message_comes_back_when_its_lease_is_over_and_not_once_it_is_deleted() -> None:
    """As SQS has it."""
    queue = Queue("requests")
    queue.send("one")
    [message] = (await queue.receive({"VisibilityTimeout": 0.02}))["Messages"]
    [again] = (await queue.receive({"VisibilityTimeout": 0.02, "WaitTimeSeconds": 5}))["Messages"]
    assert (again["Body"], again["Attributes"]["ApproximateReceiveCount"]) == ("one", "2")
    queue.delete({"Entries": [{"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}]})
    assert await queue.receive({"WaitTimeSeconds": 0.1}) == {}
    assert (queue.deleted, queue.depth) == (1, 0)


async def test_a_poll_is_answered_as_soon_as_something_comes() -> None:
    """Ten at the most."""
    queue = Queue("requests")
    poll = queue.receive({"WaitTimeSeconds": 20, "MaxNumberOfMessages": 10})
    assert not poll.done()
    queue.send("one")
    assert [message["Body"] for message in (await poll)["Messages"]] == ["one"]


async def test_a_life_is_told_in_events_that_the_worker_understands() -> None:
    """Every task of every stage, and an end with all attempts: nothing has to be asked for."""
    events: list[dict[str, Any]] = []
    logs: dict[str, Log] = {}
    await Life("job", 2, events.append, logs).go(Plot(task_seconds=0))
    through = [event for event in events if any(matches(pattern, event) for pattern in patterns())]
    heard = [hear(event, STATE_MACHINE_ARN) for event in through]
    tasks = [fact for fact in heard if isinstance(fact, TaskChanged)]
    assert [(fact.stage, fact.last_status, fact.redrive) for fact in tasks] == [
        (1, "RUNNING", 0),
        (1, "STOPPED", 0),
        (2, "RUNNING", 0),
        (2, "STOPPED", 0),
    ]
    [end] = [fact for fact in heard if isinstance(fact, ExecutionChanged)]
    assert (end.status, end.detailed) == ("SUCCEEDED", True)
    assert [attempt.task_arn for attempt in end.attempts] == [tasks[0].arn, tasks[2].arn]
    assert len(logs) == 2


def test_a_log_ends_where_its_token_repeats() -> None:
    """Whether it is a few lines or pages of a megabyte."""
    logs = {"short": Log(Plot(lines=10), 1.0), "long": Log(Plot(pages=2), 1.0)}

    def read(stream: str) -> list[int]:
        token, pages = "f/0", list[int]()
        while True:
            page = json.loads(log_events(logs, {"logStreamName": stream, "nextToken": token}))
            if page["nextForwardToken"] == token:
                return pages
            token = page["nextForwardToken"]
            pages.append(len(page["events"]))

    assert read("short") == [10]
    assert read("long") == [5000, 5000]
    with pytest.raises(Refusal):
        log_events(logs, {"logStreamName": "none"})


def test_logs_are_found_together_short_ones_first() -> None:
    """What is long has a page for each megabyte; no token is the end, and one that is missing fails them all."""
    logs = {"short": Log(Plot(lines=10), 1.0), "other": Log(Plot(lines=5), 1.0), "long": Log(Plot(pages=2), 1.0)}

    def found(*streams: str) -> list[tuple[int, set[str]]]:
        token, pages = dict[str, str](), list[tuple[int, set[str]]]()
        while True:
            page = found_events(logs, {"logStreamNames": streams, **token})
            pages.append((len({event["eventId"] for event in page["events"]}), streams_of(page)))
            if "nextToken" not in page:
                return pages
            token = {"nextToken": page["nextToken"]}

    def streams_of(page: Any) -> set[str]:
        return {event["logStreamName"] for event in page["events"]}

    assert found("short", "other") == [(15, {"short", "other"})]
    assert found("long") == [(5000, {"long"})] * 2
    assert found("long", "short") == [(10, {"short"}), (5000, {"long"}), (5000, {"long"})]
    with pytest.raises(Refusal):
        found("short", "none")


class _Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_requests_are_read_however_they_are_cut(step: int) -> None:
    """With a length, in chunks, and one that waits for a word before it sends its body."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(b"{}")

    sent = (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
        b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        b"GET /x HTTP/1.1\r\n\r\n"
    )
    wire, connection = _Wire(), Connection(answer)
    connection.connection_made(wire)
    for at in range(0, len(sent), step):
        connection.data_received(sent[at : at + step])
    assert [(item.method, item.path, item.body) for item in asked] == [
        ("POST", "/", b"hello"),
        ("PUT", "/b/k", b"abcde"),
        ("GET", "/x", b""),
    ]
    assert wire.written.count(b"200 OK") == 3
    assert wire.written.count(b"100 Continue") == 1


def test_the_transitions_are_those_of_the_way_through_the_state_machine() -> None:
    """Plan, choose and run a stage each; plan, choose and succeed at the end."""
    assert [transitions(stages) for stages in (1, 2, 20)] == [6, 9, 63]
