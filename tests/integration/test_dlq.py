"""`jobferry dlq` by moto: what is listed, shown, sent back and dropped, and what is said of it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from schemas.operator import DeadLettersSeen
from service.aws.failures import Failures
from service.aws.queue import REPLAY, TRACE_HEADER
from service.aws.replays import first_sent_in, replay_key
from service.operator import cli, dlq
from service.operator.dead_letters import DeadLetters
from tests.support import whole_deployment as given
from tests.support.connecting import ACCOUNT, CREDENTIALS, REGION, Connect
from tests.support.job_facts import create_table
from tests.support.scripted_aws import Json, ScriptedAws

Typed = Callable[..., tuple[int, str]]


class Queues:
    """The queues of one deployment."""

    def __init__(self, endpoint: str, name: str) -> None:
        client: Any = boto3.client  # its stubs know the parameters by their literal names only
        self.name = name
        self.sqs = client("sqs", endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
        self.requests, self.events, self.control = map(self._with_dead, ("requests", "events", "control"))
        self.undelivered = self.sqs.create_queue(QueueName=f"{name}-undelivered")["QueueUrl"]
        events = client("events", endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
        rule, queue = f"{name}-tasks", self.arn(self.events)
        events.put_rule(Name=rule, EventPattern='{"source": ["aws.ecs"]}')
        dead = {"DeadLetterConfig": {"Arn": self.arn(self.undelivered)}}
        events.put_targets(Rule=rule, Targets=[{"Id": "a", "Arn": queue, **dead}, {"Id": "b", "Arn": queue}])

    def _with_dead(self, kind: str) -> str:
        dead = self.arn(self.sqs.create_queue(QueueName=f"{self.name}-{kind}-dead")["QueueUrl"])
        policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
        return str(
            self.sqs.create_queue(QueueName=f"{self.name}-{kind}", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        )

    def arn(self, url: str) -> str:
        """A queue's ARN."""
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def put(self, kind: str, body: str, **members: Any) -> str:
        """A message in a dead-letter queue; answers with its id."""
        url = self.sqs.get_queue_url(QueueName=f"{self.name}-{kind}")["QueueUrl"]
        return str(self.sqs.send_message(QueueUrl=url, MessageBody=body, **members)["MessageId"])

    def bodies(self, url: str) -> list[str]:
        """What can be received there now."""
        return sorted(item["Body"] for item in self._received(url))

    def _received(self, url: str) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        return list(answer.get("Messages", []))


@pytest.fixture
async def queues(connect: Connect, endpoint: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Queues:
    """Empty queues and a table, named by the worker's variables."""
    await create_table(await connect("dynamodb"), name)
    made = Queues(endpoint, name)
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "JOBFERRY_REQUEST_QUEUE_URL": made.requests,
        "JOBFERRY_EVENT_QUEUE_URL": made.events,
        "JOBFERRY_CONTROL_QUEUE_URL": made.control,
        "JOBFERRY_STATE_MACHINE_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:x",
        "JOBFERRY_TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:x",
        "JOBFERRY_LOG_BUCKET": "logs",
        "JOBFERRY_JOBS_TABLE": name,
        "JOBFERRY_CATALOG": "catalog.yaml",
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return made


@pytest.fixture
def typed(queues: Queues, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types a command; answers with its status and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        status = cli.main(["dlq", *arguments])
        return status, "".join(capsys.readouterr())

    return run


async def test_the_list_says_of_each_where_when_how_often_why_and_what(
    queues: Queues, typed: Typed, connect: Connect
) -> None:
    """Queue by queue, three lines each, and how many at the end."""
    assert typed("list") == (0, "0 dead letters.\n")
    request = queues.put("requests-dead", '{"job_id": "one"}' + "x" * 80)
    noted = Failures(await connect("dynamodb"), queues.name, lambda: 1_700_000_000.0)
    await noted.note(request, "requests", ValueError("the moon was full"))
    status, printed = typed("list")
    first, why, body, count = printed.splitlines()
    assert re.fullmatch(rf"{request}  requests  sent \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00  received 1 times", first)
    assert why == "    ValueError: the moon was full (2023-11-14T22:13:20+00:00)"
    assert body.startswith('    {"job_id": "one"}xxx')
    assert (status, count) == (0, "1 dead letter.")
    event = queues.put("events-dead", "{}")
    undelivered = queues.put("undelivered", "{}")
    lines = typed("list")[1].splitlines()
    assert [line.split()[:2] for line in lines[:-1:3]] == [
        [request, "requests"],
        [event, "events"],
        [undelivered, "undelivered"],
    ]
    assert lines[4] == "    no worker noted why it failed"
    assert lines[-1] == "3 dead letters."


def test_one_is_shown_whole(queues: Queues, typed: Typed) -> None:
    """With the reason before it, and it stays."""
    body = "x" * 500
    message_id = queues.put("events-dead", body)
    assert typed("show", message_id) == (0, f"no worker noted why it failed\n{body}\n")
    assert typed("list")[1].endswith("1 dead letter.\n")


def test_one_is_sent_back(queues: Queues, typed: Typed) -> None:
    """To the queue that it came from, which is named; its neighbour stays."""
    message_id = queues.put("events-dead", "one")
    queues.put("events-dead", "two")
    assert typed("replay", message_id) == (0, f"{message_id} was sent back to {queues.events}.\n")
    assert (queues.bodies(queues.events), queues.bodies(queues.requests)) == (["one"], [])
    assert typed("list")[1].endswith("1 dead letter.\n")


def test_all_are_sent_back(queues: Queues, typed: Typed) -> None:
    """Of every queue, each to where it came from; more than one call of SQS brings."""
    for number in range(12):
        queues.put("requests-dead", f"request {number}")
    queues.put("events-dead", "event")
    queues.put("undelivered", "undelivered event")
    assert typed("replay", "--all") == (0, "14 sent back.\n")
    assert queues.bodies(queues.events) == ["event", "undelivered event"]
    assert len(queues.bodies(queues.requests)) == 10
    assert typed("list")[1] == "0 dead letters.\n"


def test_one_is_dropped(queues: Queues, typed: Typed) -> None:
    """For good, and sent nowhere."""
    message_id = queues.put("requests-dead", "one")
    assert typed("drop", message_id, "--yes") == (0, f"{message_id} was deleted.\n")
    assert (queues.bodies(queues.requests), typed("list")[1]) == ([], "0 dead letters.\n")


def sit_there(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Somebody at a terminal, who types this."""
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)


def test_the_question_is_no_part_of_the_answer(
    queues: Queues, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is JSON where that was asked for, and nothing else."""
    sit_there(monkeypatch, "y\n")
    message_id = queues.put("requests-dead", "the body")
    assert cli.main(["dlq", "drop", message_id, "--json"]) == 0
    said = capsys.readouterr()
    [letter] = DeadLettersSeen.model_validate_json(said.out).letters
    assert (letter.message_id, said.err) == (message_id, "the body\nDelete it for good? [y/N] ")


ANSWERS = {"y": True, "YES ": True, "n": False, "": False, "yesterday": False, None: False}


@pytest.mark.parametrize(("answer", "drops"), ANSWERS.items())
def test_one_is_dropped_only_for_a_yes(
    answer: str | None, drops: bool, queues: Queues, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is asked sees the message; None stands for an end of input. There is no other copy of it."""
    sit_there(monkeypatch, "" if answer is None else f"{answer}\n")
    message_id = queues.put("requests-dead", "the body")
    status, said = typed("drop", message_id)
    rest = f"{message_id} was deleted.\n" if drops else "It stays.\n"
    assert status == (0 if drops else 1)
    assert rest in said and "the body\nDelete it for good? [y/N] " in said
    assert typed("list")[1].endswith("0 dead letters.\n" if drops else "1 dead letter.\n")


def test_nothing_is_dropped_where_nobody_can_be_asked(
    queues: Queues, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a script, which must say that it means it."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    message_id = queues.put("requests-dead", "one")
    assert typed("drop", message_id) == (2, "Nobody can be asked here: say --yes to delete it for good.\n")
    assert typed("list")[1].endswith("1 dead letter.\n")


@pytest.mark.parametrize("action", ["show", "replay", "drop"])
def test_an_id_that_nothing_has_is_said_so(action: str, queues: Queues, typed: Typed) -> None:
    """Status 1, and how to find those there are; nothing is touched."""
    queues.put("requests-dead", "one")
    status, printed = typed(action, "nothing")
    assert status == 1
    assert printed == "No dead letter has the id nothing: `jobferry dlq list` shows those there are.\n"
    assert typed("list")[1].endswith("1 dead letter.\n")


def test_a_queue_without_a_dead_letter_queue_is_named(queues: Queues, typed: Typed) -> None:
    """With what it lacks."""
    queues.sqs.set_queue_attributes(QueueUrl=queues.events, Attributes={"RedrivePolicy": ""})
    status, said = typed("list")
    assert status == 2
    assert f"The queue {queues.events} has no dead-letter queue: set its RedrivePolicy" in said


def test_a_replay_of_nothing_asks_what(typed: Typed) -> None:
    """All are sent back only to who says so."""
    assert typed("replay") == (2, "Name the message to replay, or say --all.\n")


def test_the_queues_of_a_stack_are_its_outputs() -> None:
    """What was not delivered belongs to the event queue."""
    session = ScriptedAws(given.whole()).session
    letters = dlq._letters(session, "jobferry")
    assert letters.table == given.TABLE
    assert letters.sources == {
        "requests": given.REQUESTS,
        "events": given.EVENTS,
        "control": given.CONTROL,
        "undelivered": given.EVENTS,
    }


REASON = {"S": "ran dry"}
NOTED = {"queue": {"S": "requests"}, "error": {"S": "ValueError"}, "reason": REASON, "at": {"N": "1700000000.5"}}
HELD = {
    "SentTimestamp": "1700000000500",
    "ApproximateReceiveCount": "3",
    TRACE_HEADER: "Root=1",
    "SenderId": "somebody",
}
ATTRIBUTES: Any = {
    "text": {"DataType": "String", "StringValue": "a"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00"},
}


def one_letter(call: Json) -> Json:
    """What SQS gives of one message to who asks for it: what was asked for, and nothing else."""
    wanted = {name: value for name, value in HELD.items() if name in call.get("MessageSystemAttributeNames", [])}
    attributes = ATTRIBUTES if call.get("MessageAttributeNames") == ["All"] else {}
    return {
        "Messages": [
            {
                "MessageId": "m",
                "ReceiptHandle": "r",
                "Body": "{}",
                "Attributes": wanted,
                "MessageAttributes": attributes,
            }
        ]
    }


def scripted(**answers: Any) -> tuple[ScriptedAws, DeadLetters]:
    """A deployment with one dead letter, and AWS by a table."""
    aws = ScriptedAws(
        {
            **given.whole(),
            "sqs.ReceiveMessage": one_letter,
            "sqs.SendMessage": {},
            "sqs.DeleteMessage": {},
            "sqs.ChangeMessageVisibility": {},
            "dynamodb.GetItem": {},
            "dynamodb.PutItem": {},
            **{name.replace("_", "."): answer for name, answer in answers.items()},
        }
    )
    return aws, dlq._letters(aws.session, "jobferry")


def calls(aws: ScriptedAws, operation: str) -> list[Json]:
    """What an operation was called with."""
    return [parameters for name, parameters in aws.calls if name == operation]


def test_a_letter_is_what_SQS_says_of_it() -> None:
    """Its attributes are asked for by name, since SQS tells no others; it is hidden for a minute, and then released."""
    aws, letters = scripted(dynamodb_GetItem={"Item": NOTED})
    [letter] = letters.look("events")
    assert (letter.queue, letter.url, letter.message_id) == ("events", f"{given.SQS}/events-dead", "m")
    assert (letter.sent_at, letter.receive_count, letter.trace_header) == (1_700_000_000.5, 3, "Root=1")
    assert letter.failure is not None
    assert (letter.failure.queue, letter.failure.reason) == ("requests", "ran dry")
    first, second = calls(aws, "sqs.ReceiveMessage")
    assert (first["QueueUrl"], first["MaxNumberOfMessages"], first["VisibilityTimeout"]) == (letter.url, 10, 60)
    assert first == second
    assert calls(aws, "sqs.ChangeMessageVisibility") == [
        {"QueueUrl": letter.url, "ReceiptHandle": "r", "VisibilityTimeout": 0}
    ]
    assert calls(aws, "dynamodb.GetItem")[0]["TableName"] == given.TABLE


def test_a_look_that_is_given_up_releases_what_it_saw() -> None:
    """Others need not wait a minute for it."""
    aws, letters = scripted()
    look = letters.look("requests")
    next(look)
    look.close()  # type: ignore[attr-defined]  # a generator's
    assert len(calls(aws, "sqs.ChangeMessageVisibility")) == 1


def test_a_letter_that_is_gone_meanwhile_needs_no_release() -> None:
    """Somebody dropped it while we looked."""
    gone = ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "gone"}}, "ChangeMessageVisibility")
    _, letters = scripted(sqs_ChangeMessageVisibility=gone)
    assert len(list(letters.look("requests"))) == 1


def test_a_replay_carries_everything_on_and_then_deletes() -> None:
    """Every attribute of either kind, the trace; noted before it is sent, deleted only after."""
    aws, letters = scripted()
    letter = letters.find("m")
    assert letter is not None
    aws.calls.clear()
    letters.replay(letter)
    assert [name for name, _ in aws.calls] == ["dynamodb.PutItem", "sqs.SendMessage", "sqs.DeleteMessage"]
    (_, noted), (_, sent), (_, deleted) = aws.calls
    token = sent["MessageAttributes"][REPLAY]["StringValue"]
    assert (noted["TableName"], len(token)) == (given.TABLE, 32)
    assert noted["Item"].items() >= replay_key(token).items()
    assert first_sent_in(noted["Item"]) == letter.first_sent
    assert sent == {
        "QueueUrl": given.REQUESTS,
        "MessageBody": "{}",
        "MessageAttributes": {**ATTRIBUTES, REPLAY: {"DataType": "String", "StringValue": token}},
        "MessageSystemAttributes": {TRACE_HEADER: {"DataType": "String", "StringValue": "Root=1"}},
    }
    assert deleted == {"QueueUrl": f"{given.SQS}/requests-dead", "ReceiptHandle": "r"}


def test_a_letter_without_a_trace_gets_none() -> None:
    """SQS refuses an empty one."""
    bare = {"MessageId": "m", "ReceiptHandle": "r", "Body": "{}", "Attributes": {**HELD, TRACE_HEADER: ""}}
    aws, letters = scripted(sqs_ReceiveMessage={"Messages": [bare]})
    letter = letters.find("m")
    assert letter is not None
    letters.replay(letter)
    [sent] = calls(aws, "sqs.SendMessage")
    assert not sent["MessageSystemAttributes"]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "shut"}, ("NO_PERMISSIONS", "shut")),
        ({"ERROR_CODE": "NO_PERMISSIONS"}, ("NO_PERMISSIONS", "")),
        ({"ERROR_MESSAGE": "shut"}, None),
    ],
)
def test_EventBridges_reason_is_told(attributes: dict[str, str], reason: tuple[str, str] | None) -> None:
    """It gives a code, and mostly a message; the time is when it gave up."""
    given_up: Any = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "{}",
        "Attributes": HELD,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    }
    _, letters = scripted(sqs_ReceiveMessage={"Messages": [given_up]})
    [letter] = letters.look("undelivered")
    if reason is None:
        assert letter.failure is None
    else:
        assert letter.failure is not None
        assert (letter.failure.error, letter.failure.reason) == reason
        assert (letter.failure.queue, letter.failure.at) == ("undelivered", 1_700_000_000.5)


def test_the_beginning_of_a_body_is_eighty_characters() -> None:
    """One line of a terminal."""
    long = {"MessageId": "m", "ReceiptHandle": "r", "Body": "x" * 200, "Attributes": HELD}
    _, letters = scripted(sqs_ReceiveMessage={"Messages": [long]})
    [letter] = letters.look("requests")
    assert letter.beginning.count("x") == 80


def test_the_places_of_undelivered_events_are_looked_at_in_order() -> None:
    """Those that the rules' targets name, each once; a target without one is passed over."""

    def target(name: str) -> Json:
        return {**given.TARGET, "DeadLetterConfig": {"Arn": f"arn:aws:sqs:eu-west-1:999999999999:{name}"}}

    changed = {
        "executions": {"Targets": [target("z"), target("a")]},
        "tasks": {"Targets": [target("a"), {"Id": "bare", "Arn": given.TARGET["Arn"]}]},
    }
    aws, letters = scripted()
    aws.answers |= given.rules(changed) | {"sqs.ReceiveMessage": {}}
    assert list(letters.look("undelivered")) == []
    assert calls(aws, "sqs.GetQueueUrl") == [
        {"QueueName": name, "QueueOwnerAWSAccountId": "999999999999"} for name in ("a", "z")
    ]
