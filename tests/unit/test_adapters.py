"""What each adapter asks of its service, whole, and what it makes of the answer: a client that notes and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from service.aws.container_logs import ContainerLogs, LogPage
from service.aws.errors import AwsError
from service.aws.executions import Executions, Started, TooManyRedrivesError
from service.aws.failures import Failure, Failures, failure_in
from service.aws.log_looks import FoundLine, FoundLines, LogLooks
from service.aws.pace import Pace
from service.aws.queue import Message, Queue
from service.aws.replays import FirstSent, Replays, first_sent_in, replay_item
from service.aws.tasks import LogConfiguration, Tasks
from service.aws.throttles import on_throttle
from service.aws.topic import Topic
from service.aws.turns import Turn, Turns
from service.core.log_lanes import LogEvent
from service.core.pace import Bucket
from tests.support.builders import JOB, MACHINE, NOW, TRACE_HEADER, TRACEPARENT, execution_arn, task_arn


def refusal(code: str) -> ClientError:
    """What a service says in place of an answer."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


@dataclass
class Service:
    """Answers one by one, the last again and again, and notes each call."""

    answers: list[Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        async def call(**asked: Any) -> Any:
            self.calls.append((operation, asked))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def service(*answers: Any) -> Any:
    """A service that answers so."""
    return Service(list(answers))


MOMENT = datetime.fromtimestamp(NOW, UTC)
ARN = execution_arn()


@dataclass
class Starts:
    """Gives turns, and notes to whom."""

    turns: list[str] = field(default_factory=list)

    async def turn(self, job_id: str) -> None:
        self.turns.append(job_id)


def executions(client: Any) -> Executions:
    """Of our state machine."""
    return Executions(client, MACHINE, cast("Any", Starts()))


@pytest.mark.parametrize(("trace", "more"), [(None, {}), (TRACE_HEADER, {"traceHeader": TRACE_HEADER})])
async def test_an_execution_is_started_in_its_turn(trace: str | None, more: dict[str, str]) -> None:
    """Under the job's name; one that there is already is no error."""
    sfn = service({"executionArn": ARN, "startDate": MOMENT}, refusal("ExecutionAlreadyExists"), refusal("Other"))
    them = executions(sfn)
    assert await them.start(JOB, "{}", trace) == Started(ARN, NOW)
    assert sfn.calls == [("start_execution", {"stateMachineArn": MACHINE, "name": JOB, "input": "{}", **more})]
    assert await them.start(JOB, "{}") is None
    with pytest.raises(AwsError, match="Other"):
        await them.start(JOB, "{}")
    assert cast("Any", them.starts).turns == [JOB] * 3


async def test_an_execution_is_stopped_with_a_cause_as_long_as_may_be() -> None:
    """One that is not there needs no stop."""
    sfn = service({}, refusal("ExecutionDoesNotExist"), refusal("Other"))
    them = executions(sfn)
    await them.stop(JOB, "E", "c" * 40_000)
    assert sfn.calls == [("stop_execution", {"executionArn": ARN, "error": "E", "cause": "c" * 32_768})]
    await them.stop(JOB, "E", "c")
    with pytest.raises(AwsError):
        await them.stop(JOB, "E", "c")


async def test_a_redrive_is_asked_for_once_for_each_outcome() -> None:
    """The token is the same for a repeat, and another for another job or outcome."""
    sfn = service({"redriveDate": MOMENT})
    them = executions(sfn)
    for job_id, count in ((JOB, 0), (JOB, 0), (JOB, 1), ("other", 0)):
        assert await them.redrive(job_id, count) == NOW
    tokens = [asked["clientToken"] for _, asked in sfn.calls]
    assert (tokens[0] == tokens[1], len(set(tokens)), {len(token) for token in tokens}) == (True, 3, {64})
    assert sfn.calls[0] == ("redrive_execution", {"executionArn": ARN, "clientToken": tokens[0]})


async def test_an_execution_is_described_or_unknown() -> None:
    """It may be too new, or forgotten."""
    described = {"executionArn": ARN, "stateMachineArn": MACHINE, "status": "RUNNING", "startDate": MOMENT, "name": JOB}
    sfn = service(described, refusal("ExecutionDoesNotExist"), refusal("Other"))
    them = executions(sfn)
    found = await them.describe(JOB)
    assert found is not None and (found.status, found.startDate) == ("RUNNING", NOW)
    assert sfn.calls == [("describe_execution", {"executionArn": ARN})]
    assert await them.describe(JOB) is None
    with pytest.raises(AwsError):
        await them.describe(JOB)


async def test_a_history_is_read_to_its_last_page() -> None:
    """Page by page."""
    sfn = service({"events": [{"id": 1}], "nextToken": "n"}, {"events": [{"id": 2}]})
    assert [event["id"] for event in await executions(sfn).history(JOB)] == [1, 2]
    first = {"executionArn": ARN, "maxResults": 1000}
    assert sfn.calls == [("get_execution_history", first), ("get_execution_history", {**first, "nextToken": "n"})]
    assert await executions(service(refusal("ExecutionDoesNotExist"))).history(JOB) == []
    with pytest.raises(AwsError):
        await executions(service(refusal("Other"))).history(JOB)


def listed(name: str, count: int = 1, **moments: float) -> dict[str, Any]:
    """An item of ListExecutions."""
    at = {f"{what}Date": datetime.fromtimestamp(NOW + after, UTC) for what, after in {"start": 0.0, **moments}.items()}
    return {"executionArn": execution_arn(name), "stateMachineArn": MACHINE, "name": name, "status": "RUNNING"} | {
        "redriveCount": count,
        **at,
    }


async def redriven(sfn: Any, since: float) -> list[str]:
    """The names of those that were."""
    return [detail.executionArn.rpartition(":")[2] async for detail in executions(sfn).redriven(since)]


async def test_redrives_are_listed_as_far_back_as_is_asked_for() -> None:
    """By the last thing that an execution did; what was not redriven is passed over."""
    items = [listed("a", stop=90), listed("b", redrive=50), listed("c", 0, start=60), listed("d", redrive=49)]
    sfn = service({"executions": items, "nextToken": "n"}, {"executions": [listed("e", redrive=40)], "nextToken": "m"})
    assert await redriven(sfn, NOW + 50) == ["a", "b"]
    asked = {"stateMachineArn": MACHINE, "maxResults": 1000, "redriveFilter": "REDRIVEN"}
    assert sfn.calls == [("list_executions", asked), ("list_executions", {**asked, "nextToken": "n"})]
    one = service({"executions": [listed("a")]})
    assert await redriven(one, NOW) == ["a"]
    assert len(one.calls) == 1


async def test_more_redrives_than_can_be_looked_through_are_said_to_be() -> None:
    """Twenty pages; those are told all the same."""
    sfn = service({"executions": [listed("a")], "nextToken": "n"})
    with pytest.raises(TooManyRedrivesError, match="20 pages of 1000 were not all"):
        await redriven(sfn, NOW)
    assert len(sfn.calls) == 20


async def test_a_filter_that_is_refused_is_left_out() -> None:
    """Of this look, to its end; any other refusal is one."""
    sfn = service(
        refusal("ValidationException"), {"executions": [listed("a")], "nextToken": "n"}, {"executions": [listed("b")]}
    )
    assert await redriven(sfn, NOW) == ["a", "b"]
    assert ["redriveFilter" in asked for _, asked in sfn.calls] == [True, False, False]
    for codes in (["ValidationException", "ValidationException"], ["ThrottlingException"]):
        with pytest.raises(AwsError, match=codes[-1]):
            await redriven(service(*map(refusal, codes)), NOW)


TASK = {"taskArn": task_arn(), "lastStatus": "STOPPING", "version": 3, "group": f"job:{JOB}"}


async def test_a_task_is_asked_after_and_stopped_in_its_own_cluster() -> None:
    """One that ECS has forgotten, or whose cluster is gone, is none."""
    ecs = service({"tasks": [TASK]}, {"tasks": []}, refusal("ClusterNotFoundException"), refusal("ServerException"))
    them = Tasks(ecs)
    found = await them.describe(task_arn())
    assert found is not None and (found.taskArn, found.lastStatus) == (task_arn(), "STOPPING")
    assert ecs.calls == [("describe_tasks", {"cluster": "jobs", "tasks": [task_arn()]})]
    assert [await them.describe(task_arn()) for _ in range(2)] == [None, None]
    with pytest.raises(AwsError):
        await them.describe(task_arn())
    unknown = [refusal(code) for code in ("InvalidParameterException", "ClusterNotFoundException")]
    ecs = service({"task": TASK}, {}, *unknown, refusal("ServerException"))
    them = Tasks(ecs)
    assert (await them.stop(task_arn(), "why")) == found
    assert ecs.calls == [("stop_task", {"cluster": "jobs", "task": task_arn(), "reason": "why"})]
    assert [await them.stop(task_arn(), "why") for _ in range(3)] == [None, None, None]
    with pytest.raises(AwsError):
        await them.stop(task_arn(), "why")


OPTIONS = {"awslogs-group": "g", "awslogs-stream-prefix": "p", "awslogs-region": "r", "mode": "blocking"}
CONTAINERS: dict[str, tuple[dict[str, Any], LogConfiguration]] = {
    "none": ({}, LogConfiguration()),
    "no options": ({"logConfiguration": {"logDriver": "json-file"}}, LogConfiguration(driver="json-file")),
    "all of them": (
        {"logConfiguration": {"logDriver": "awslogs", "options": {**OPTIONS, "max-buffer-size": "25m"}}},
        LogConfiguration(
            driver="awslogs", group="g", stream_prefix="p", region="r", mode="blocking", buffer="25m", sent_to=None
        ),
    ),
    "another place": (
        {"logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "https://s", "splunk-token": "x"}}},
        LogConfiguration(driver="splunk", sent_to="https://s"),
    ),
    "an output of a router": (
        {"logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "s3", "bucket": "b"}}},
        LogConfiguration(driver="awsfirelens", sent_to="s3, b"),
    ),
    "a plugin of Fluentd's": (
        {"logConfiguration": {"logDriver": "awsfirelens", "options": {"@type": "cloudwatch", "log_group_name": "g"}}},
        LogConfiguration(driver="awsfirelens", sent_to="cloudwatch, g"),
    ),
    "a router": ({"firelensConfiguration": {"type": "fluentbit"}}, LogConfiguration(is_router=True)),
}


@pytest.mark.parametrize(("container", "read"), CONTAINERS.values(), ids=CONTAINERS)
async def test_where_a_container_logs_to(container: dict[str, Any], read: LogConfiguration) -> None:
    """By its task definition, which is asked for once."""
    ecs = service({"taskDefinition": {"containerDefinitions": [{"name": "main", **container}]}})
    them = Tasks(ecs)
    for _ in range(2):
        assert await them.log_configurations("arn:d") == {"main": read}
    assert ecs.calls == [("describe_task_definition", {"taskDefinition": "arn:d"})]


async def test_a_definition_that_is_gone_is_none() -> None:
    """Any other trouble passes; nothing of it is kept."""
    them = Tasks(service(refusal("ClientException"), refusal("ServerException"), {"taskDefinition": {}}))
    assert await them.log_configurations("arn:d") is None
    with pytest.raises(AwsError):
        await them.log_configurations("arn:d")
    assert await them.log_configurations("arn:d") == {}


@pytest.mark.parametrize("fifo", [False, True])
async def test_a_message_is_published(fifo: bool) -> None:
    """To programs as JSON, to mailboxes as text; what has no value is no attribute."""
    sns, arn = service({"MessageId": "m"}), "arn:aws:sns:::t" + (".fifo" if fifo else "")
    await Topic(sns, arn).publish(
        notification_id="n",
        group="g",
        subject="s",
        body='{"a": "größe\x1b"}',
        text="t\x00",
        attributes={"status": "FAILED", "tenant": ""},
        trace_header=TRACE_HEADER if fifo else None,
    )
    [(operation, asked)] = sns.calls
    message = json.loads(asked.pop("Message"))
    assert (operation, message.keys()) == ("publish", {"default", "email"})
    assert "größe" in message["default"]
    assert "\x00" not in message["email"]
    more = {"MessageDeduplicationId": "n", "MessageGroupId": "g", "X-Amzn-Trace-Id": TRACE_HEADER} if fifo else {}
    assert asked == {
        "TopicArn": arn,
        "Subject": "s",
        "MessageStructure": "json",
        "MessageAttributes": {"status": {"DataType": "String", "StringValue": "FAILED"}},
        **more,
    }


TURN = {"record_key": {"S": "turn:redrives"}, "part": {"S": "head"}}


@pytest.mark.parametrize(("attributes", "last"), [({}, None), ({"done_at": {"N": "12.5"}}, 12.5)])
async def test_a_turn_is_taken_by_whoever_comes_first(attributes: dict[str, Any], last: float | None) -> None:
    """And it is told when the last whole one began."""
    dynamodb = service({"Attributes": attributes}, {})
    them = Turns(dynamodb, "jobs", lambda: NOW + 0.25)
    turn = await them.take("redrives", 300.0)
    assert turn == Turn("redrives", NOW + 0.25, last)
    await them.done(turn)
    assert dynamodb.calls == [
        (
            "update_item",
            {
                "TableName": "jobs",
                "Key": TURN,
                "UpdateExpression": "SET began_at = :now",
                "ConditionExpression": "attribute_not_exists(began_at) OR began_at < :due",
                "ExpressionAttributeValues": {":now": {"N": "1700000000.250"}, ":due": {"N": "1699999700.250"}},
                "ReturnValues": "ALL_OLD",
            },
        ),
        (
            "update_item",
            {
                "TableName": "jobs",
                "Key": TURN,
                "UpdateExpression": "SET done_at = :began",
                "ExpressionAttributeValues": {":began": {"N": "1700000000.250"}},
            },
        ),
    ]
    assert await Turns(service(refusal("ConditionalCheckFailedException")), "jobs", lambda: NOW).take("x", 1) is None
    with pytest.raises(AwsError):
        await Turns(service(refusal("Other")), "jobs", lambda: NOW).take("x", 1)


async def test_what_a_message_is_a_copy_of_is_written_down_for_a_month() -> None:
    """Longer than any copy can lie in a queue and the one behind it."""
    key = {"record_key": {"S": "replay:token"}, "part": {"S": "head"}}
    old = {**key, "original_id": {"S": "m-1"}, "expires_at": {"N": str(int(NOW) + 30 * 86_400)}}
    item = {**old, "sent_at": {"N": f"{NOW - 9:.3f}"}, "sender_id": {"S": "AIDA"}}
    first = FirstSent("m-1", NOW - 9, "AIDA")
    assert replay_item("token", first, NOW + 0.9) == item
    assert replay_item("token", FirstSent("m-1"), NOW + 0.9) == old
    dynamodb = service({"Item": item}, {"Item": old}, {})
    them = Replays(dynamodb, "jobs")
    assert [await them.first_sent("token") for _ in range(3)] == [first, FirstSent("m-1"), None]
    assert dynamodb.calls[0] == ("get_item", {"TableName": "jobs", "Key": key, "ConsistentRead": True})
    assert first_sent_in({}) is None


@pytest.mark.parametrize(("said", "kept"), [("x" * 3000, "x" * 2000), ("", "no message")])
async def test_why_a_message_failed_is_noted_for_a_fortnight(said: str, kept: str) -> None:
    """As long as its queue keeps it; the last reason counts."""
    dynamodb = service({})
    await Failures(dynamodb, "jobs", lambda: NOW).note("m-1", "requests", ValueError(said))
    [(operation, asked)] = dynamodb.calls
    assert (operation, asked["TableName"], set(asked)) == ("put_item", "jobs", {"TableName", "Item"})
    assert asked["Item"] == {
        "record_key": {"S": "failed:m-1"},
        "part": {"S": "head"},
        "queue": {"S": "requests"},
        "error": {"S": "ValueError"},
        "reason": {"S": kept},
        "at": {"N": str(NOW)},
        "expires_at": {"N": str(int(NOW) + 14 * 86_400)},
    }
    assert failure_in(asked["Item"]) == Failure("requests", "ValueError", kept, NOW)
    assert failure_in({}) is None


RAW: dict[str, Any] = {
    "MessageId": "m",
    "Body": "b",
    "ReceiptHandle": "r",
    "Attributes": {
        "ApproximateReceiveCount": "3",
        "SentTimestamp": "1700000000250",
        "AWSTraceHeader": TRACE_HEADER,
        "SenderId": "AIDA",
    },
    "MessageAttributes": {"traceparent": {"StringValue": TRACEPARENT, "DataType": "String"}, "odd": {}},
}


async def test_messages_are_received_with_all_that_is_read_of_them() -> None:
    """Ten at the most; an empty answer has none."""
    sqs = service({"Messages": [RAW, {"MessageId": "m2", "ReceiptHandle": "r2"}]}, {})
    queue = Queue(sqs, "https://q", 30)
    full = Message(
        "m",
        "b",
        "r",
        3,
        NOW + 0.25,
        {"traceparent": TRACEPARENT, "odd": ""},
        trace_header=TRACE_HEADER,
        sender_id="AIDA",
    )
    assert await queue.receive(12, 20) == (full, Message("m2", "", "r2"))
    assert sqs.calls == [
        (
            "receive_message",
            {
                "QueueUrl": "https://q",
                "MaxNumberOfMessages": 10,
                "WaitTimeSeconds": 20,
                "VisibilityTimeout": 30,
                "MessageSystemAttributeNames": [
                    "ApproximateReceiveCount",
                    "SentTimestamp",
                    "AWSTraceHeader",
                    "SenderId",
                ],
                "MessageAttributeNames": ["JobferryReplay", "traceparent"],
            },
        )
    ]
    assert await queue.receive(3, 0) == ()
    assert (sqs.calls[1][1]["MaxNumberOfMessages"], sqs.calls[1][1]["WaitTimeSeconds"]) == (3, 0)


async def test_messages_are_given_back_and_deleted() -> None:
    """For no longer than SQS allows; what could not be deleted is told."""
    sqs = service({}, {}, {"Failed": [{"Id": "1"}]}, {})
    queue, first, second = Queue(sqs, "https://q", 30), Message("m1", "", "r1"), Message("m2", "", "r2")
    await queue.set_visibility(first, 0)
    await queue.set_visibility(first, 50_000)
    assert await queue.delete([first, second]) == (second,)
    assert await queue.delete([first]) == ()
    asked = {"QueueUrl": "https://q", "ReceiptHandle": "r1"}
    entries = [{"Id": "0", "ReceiptHandle": "r1"}, {"Id": "1", "ReceiptHandle": "r2"}]
    assert sqs.calls[:3] == [
        ("change_message_visibility", {**asked, "VisibilityTimeout": 0}),
        ("change_message_visibility", {**asked, "VisibilityTimeout": 43_200}),
        ("delete_message_batch", {"QueueUrl": "https://q", "Entries": entries}),
    ]


@pytest.mark.parametrize(
    ("token", "count", "is_first", "read"),
    [
        ("0" * 32, 1, False, "0" * 32),
        ("0" * 31, 1, True, None),
        ("0" * 33, 1, True, None),
        ("G" * 32, 1, True, None),
        ("", 1, True, None),
        ("", 0, True, None),
        ("", 2, False, None),
    ],
)
def test_which_message_nobody_can_have_had_before(token: str, count: int, is_first: bool, read: str | None) -> None:
    """Neither from this queue nor as a replay; what is no token is anybody's word."""
    message = Message("m", "", "r", count, attributes={"JobferryReplay": token} if token else {})
    assert (message.is_first_delivery, message.replay_token) == (is_first, read)


@dataclass
class Everybody:
    """Lets everybody through, and counts."""

    taken: int = 0

    async def turn(self) -> None:
        self.taken += 1


@pytest.mark.parametrize(("token", "position"), [(None, {}), ("t", {"nextToken": "t"})])
async def test_a_stream_is_read_from_its_beginning_page_by_page(token: str | None, position: dict[str, str]) -> None:
    """When CloudWatch took a line in is told where it says so."""
    events = [{"timestamp": 1500, "message": "a", "ingestionTime": 2500}, {"timestamp": 1600, "message": "b"}]
    client = service({"events": events, "nextForwardToken": "n"}, refusal("ResourceNotFoundException"), refusal("X"))
    them = ContainerLogs(client, Pace.full(1000, 1000))
    assert await them.page("g", "s", token) == LogPage((LogEvent(1.5, "a", 2.5), LogEvent(1.6, "b")), "n")
    asked = {"logGroupName": "g", "logStreamName": "s", "startFromHead": True, **position}
    assert client.calls == [("get_log_events", asked)]
    assert await them.page("g", "s", None) is None
    with pytest.raises(AwsError):
        await them.page("g", "s", None)


@pytest.mark.parametrize(("token", "position"), [(None, {}), ("t", {"nextToken": "t"})])
async def test_a_stream_is_looked_at_from_a_moment_on(token: str | None, position: dict[str, str]) -> None:
    """By the call that has a quota of its own; each look takes its turn."""
    events = [{"eventId": "e", "timestamp": 1500, "message": "a"}]
    client = service({"events": events, "nextToken": "n"}, {"events": []}, refusal("ResourceNotFoundException"))
    turns = Everybody()
    them = LogLooks(client, cast("Any", turns))
    assert await them.since("g", "s", 1.25, token) == FoundLines((FoundLine("e", 1.5, "a"),), "n")
    assert turns.taken == 1
    asked = {"logGroupName": "g", "logStreamNames": ["s"], "startTime": 1250, **position}
    assert client.calls == [("filter_log_events", asked)]
    assert await them.since("g", "s", 0.0, None) == FoundLines((), None)
    assert await them.since("g", "s", 0.0, None) is None


async def test_reads_are_paced_one_after_the_other() -> None:
    """A bucket that may burst would let twice its rate through in its first second."""
    assert Pace.even(4.0).bucket == Bucket.full(1, 4.0, keeps=0.85)
    turns = Everybody()
    await ContainerLogs(service({}), cast("Any", turns)).turn()
    assert turns.taken == 1


THROTTLES = ("ThrottlingException", "SlowDown", "RequestThrottled", "ProvisionedThroughputExceededException")


@pytest.mark.parametrize("operation", ["", ".sfn.StartExecution"])
def test_every_throttle_is_heard_of(operation: str) -> None:
    """As it comes, before the SDK tries again; nothing else is one."""
    registered: dict[str, Any] = {}
    events = SimpleNamespace(register=lambda name, note: registered.update({name: note}))
    heard: list[int] = []
    on_throttle(SimpleNamespace(meta=SimpleNamespace(events=events)), lambda: heard.append(1), operation)
    [(name, note)] = registered.items()
    assert name == f"needs-retry{operation}"
    for code in THROTTLES:
        note(response=(None, {"Error": {"Code": code}}), attempts=1)
    assert len(heard) == len(THROTTLES)
    for other in (None, (None, {}), (None, {"Error": {"Code": "AccessDenied"}})):
        note(response=other)
    note()
    assert len(heard) == len(THROTTLES)
