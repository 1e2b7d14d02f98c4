"""Dead letters by moto: found with their reasons, sent back under their first id, dropped."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import boto3
import pytest

from service.aws.failures import Failures
from service.aws.queue import REPLAY, Queue
from service.aws.replays import Replays
from service.operator import cli, dlq
from service.operator.dead_letters import DeadLetters
from tests.support.builders import TRACE_HEADER, TRACEPARENT
from tests.support.connecting import CREDENTIALS, REGION, Connect
from tests.support.job_facts import create_table

from .test_settings import WORKING


@pytest.fixture
async def letters(connect: Connect, endpoint: str, name: str) -> DeadLetters:
    """Two queues with a dead-letter queue each, and a table."""
    await create_table(await connect("dynamodb"), name)
    client: Any = boto3.client  # its stubs know the parameters by their literal names only
    sqs, dynamodb, events = (
        client(service, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
        for service in ("sqs", "dynamodb", "events")
    )
    sources: Any = {
        queue: _with_dead_letter_queue(sqs, f"{name}-{queue}") for queue in ("requests", "events", "control")
    }
    _two_rules(sqs, events, name, sources["events"])
    return DeadLetters(sqs, dynamodb, events, name, {**sources, "undelivered": sources["events"]})


def _two_rules(sqs: Any, events: Any, name: str, event_queue: str) -> None:
    """Rules into the event queue that put what they cannot deliver into one queue."""
    undelivered = sqs.create_queue(QueueName=f"{name}-undelivered")["QueueUrl"]
    target, dead = (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for url in (event_queue, undelivered)
    )
    for rule in (f"{name}-tasks", f"{name}-executions"):
        events.put_rule(Name=rule, EventPattern='{"source": ["aws.ecs"]}')
        events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": target, "DeadLetterConfig": {"Arn": dead}}])


def _with_dead_letter_queue(sqs: Any, name: str) -> str:
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url: str = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return url


def put_dead(letters: DeadLetters, body: str, queue: str | None = None, **members: Any) -> str:
    """A message in a queue of what was set aside, the requests' if none is named; answers with its id."""
    url = letters.sqs.get_queue_url(QueueName=queue or f"{letters.table}-requests-dead")["QueueUrl"]
    return letters.sqs.send_message(QueueUrl=url, MessageBody=body, **members)["MessageId"]


async def test_each_dead_letter_is_listed_once_with_its_reason(letters: DeadLetters, connect: Connect) -> None:
    """What the worker noted when the message failed is what the list tells."""
    message_id = put_dead(letters, '{"job_id": "one"}')
    put_dead(letters, '{"job_id": "two"}')
    noted = Failures(await connect("dynamodb"), letters.table, lambda: 1000.0)
    await noted.note(message_id, "requests", ValueError("the moon was full"))
    found = {letter.message_id: letter for letter in letters.look("requests")}
    assert len(found) == 2
    failure = found[message_id].failure
    assert failure is not None
    assert (failure.error, failure.reason, failure.at) == ("ValueError", "the moon was full", 1000.0)


async def test_looking_leaves_every_message_where_it_was(letters: DeadLetters) -> None:
    """A look hides messages only while it lasts."""
    put_dead(letters, "{}")
    assert [len(list(letters.look("requests"))) for _ in range(3)] == [1, 1, 1]


async def test_a_replayed_request_keeps_its_first_id(letters: DeadLetters, connect: Connect) -> None:
    """A request without an id of its own is still the same job, so it does not run twice."""
    first_id = put_dead(letters, '{"stages": []}')
    letter = letters.find(first_id)
    assert letter is not None
    letters.replay(letter)
    assert list(letters.look("requests")) == []
    queue = Queue(await connect("sqs"), letters.sources["requests"], 60)
    (message,) = await queue.receive(10, 1)
    assert message.body == '{"stages": []}'
    assert message.replay_token is not None and not message.is_first_delivery
    replays = Replays(await connect("dynamodb"), letters.table)
    assert await replays.first_sent(message.replay_token) == letter.first_sent
    assert (letter.first_sent.message_id, letter.first_sent.at) == (first_id, letter.sent_at)
    assert letter.first_sent.sender_id is not None
    assert await replays.first_sent("f" * 32) is None


async def test_a_request_that_is_replayed_twice_keeps_its_first_id(letters: DeadLetters, connect: Connect) -> None:
    """It failed again, and lies there with the first replay's token; the failure is the last one's."""
    first_id = put_dead(letters, "{}")
    letter = letters.find(first_id)
    assert letter is not None
    letters.replay(letter)
    (message,) = await Queue(await connect("sqs"), letters.sources["requests"], 60).receive(10, 1)
    again = {REPLAY: {"DataType": "String", "StringValue": str(message.replay_token)}}
    second_id = put_dead(letters, "{}", MessageAttributes=again)
    await Failures(await connect("dynamodb"), letters.table, lambda: 1000.0).note(
        second_id, "requests", ValueError("x")
    )
    first_sent = letter.first_sent
    letter = letters.find(first_id)
    assert letter is not None and letter.failure is not None
    assert (letter.message_id, letter.original_id, letter.first_sent) == (second_id, first_id, first_sent)


async def test_a_token_of_a_senders_own_making_makes_no_letter_anothers(letters: DeadLetters) -> None:
    """Nor does the attribute that once was believed."""
    names = (REPLAY, "JobferryOriginalMessageId")
    made_up = {name: {"DataType": "String", "StringValue": "f" * 32} for name in names}
    message_id = put_dead(letters, "{}", MessageAttributes=made_up)
    (letter,) = letters.look("requests")
    assert letter.original_id == message_id


async def test_a_replayed_request_keeps_its_trace(letters: DeadLetters, connect: Connect) -> None:
    """Of both kinds."""
    header, parent = ({"DataType": "String", "StringValue": value} for value in (TRACE_HEADER, TRACEPARENT))
    traced: Any = {"MessageSystemAttributes": {"AWSTraceHeader": header}, "MessageAttributes": {"traceparent": parent}}
    letter = letters.find(put_dead(letters, "{}", **traced))
    assert letter is not None
    letters.replay(letter)
    (message,) = await Queue(await connect("sqs"), letters.sources["requests"], 60).receive(10, 1)
    assert (message.trace_header, message.attributes["traceparent"]) == (TRACE_HEADER, TRACEPARENT)


async def test_a_dropped_letter_is_gone(letters: DeadLetters) -> None:
    """And its neighbour is not."""
    dropped, kept = put_dead(letters, "drop me"), put_dead(letters, "keep me")
    letter = letters.find(dropped)
    assert letter is not None
    letters.drop(letter)
    assert [item.message_id for item in letters.look("requests")] == [kept]


async def test_a_hostile_body_is_shown_escaped(letters: DeadLetters) -> None:
    """A terminal must not obey what a producer wrote."""
    put_dead(letters, "\x1b[2J{" + "x" * 200)
    (letter,) = letters.look("requests")
    assert "\x1b" not in letter.beginning
    assert len(letter.beginning) < 100


async def test_an_event_that_eventbridge_could_not_deliver_is_found_and_sent_on(
    letters: DeadLetters, connect: Connect
) -> None:
    """With EventBridge's own reason, and once though two rules share the queue; SQS would move none of them."""
    reason = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "the policy lets nobody in"}
    put_dead(
        letters,
        '{"source": "aws.ecs"}',
        queue=f"{letters.table}-undelivered",
        MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in reason.items()},
    )
    (letter,) = letters.look("undelivered")
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.reason) == ("NO_PERMISSIONS", "the policy lets nobody in")
    letters.replay(letter)
    assert list(letters.look("undelivered")) == []
    (message,) = await Queue(await connect("sqs"), letters.sources["events"], 60).receive(10, 1)
    assert message.body == '{"source": "aws.ecs"}'


DROPPED = {
    "with a yes": (["--yes"], None, 0, "was deleted"),
    "when asked and answered": ([], "y", 0, "was deleted"),
    "when asked and not meant": ([], "", 1, "It stays."),
    "with nobody to ask": ([], None, 2, "say --yes"),
}


@pytest.mark.parametrize(("more", "answer", "status", "says"), DROPPED.values(), ids=DROPPED)
async def test_a_letter_is_dropped_only_where_that_is_meant(
    letters: DeadLetters,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    answer: str | None,
    status: int,
    says: str,
) -> None:
    """There is no other copy of it, so the command asks first; in a script that is said with the command."""
    message_id = put_dead(letters, "drop me")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setattr(dlq, "_letters", lambda *_: letters)
    monkeypatch.setattr("sys.stdin", Terminal(answer) if answer is not None else io.StringIO())
    assert cli.main(["dlq", "drop", message_id, *more]) == status
    assert says in "".join(capsys.readouterr())
    assert [item.message_id for item in letters.look("requests")] == ([] if status == 0 else [message_id])


class Terminal(io.StringIO):
    """Somebody who answers once."""

    def isatty(self) -> bool:
        return True


def test_without_credentials_or_an_endpoint_the_list_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and a sentence with the remedy, and no traceback."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "JOBFERRY_"))]:
        monkeypatch.delenv(name)
    for name, value in {**WORKING, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert cli.main(["dlq", "list"]) == 2
    assert capsys.readouterr().err.startswith("AWS cannot be asked: Unable to locate credentials. Look at ")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert cli.main(["dlq", "list"]) == 2
    assert "Could not connect to the endpoint URL" in capsys.readouterr().err
