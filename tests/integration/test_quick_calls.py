"""The quick calls beside botocore's own: the same requests, answers, tries and failures, over HTTP."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from service.aws import quick_calls
from service.aws.common_clock import CommonClock
from service.aws.quick_calls import quick
from service.aws.response_check import GarbledAnswerError, refuse_garbled
from service.aws.throttles import on_throttle
from service.aws.topic import let_traces_through
from tests.bench.certificate import write_certificate
from tests.support.connecting import CREDENTIALS, REGION, answering
from tests.support.waiting import eventually

Answer = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True)
class Bytes:
    """What comes over the wire, as it is, and how the connection ends then: closed, reset, or not at all."""

    said: bytes
    ends: Literal["closed", "reset", "open"] = "closed"


MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WAYS: tuple[Callable[[Any], Any], ...] = (lambda client: client, quick)
ARN = "arn:aws:states:eu-central-1:1:stateMachine:x"
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sqs", "receive_message", {"QueueUrl": "http://q/1/q", "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20}),
    ("sqs", "delete_message_batch", {"QueueUrl": "http://q/1/q", "Entries": [{"Id": "0", "ReceiptHandle": "r"}]}),
    ("sqs", "change_message_visibility", {"QueueUrl": "http://q/1/q", "ReceiptHandle": "r", "VisibilityTimeout": 0}),
    ("stepfunctions", "start_execution", {"stateMachineArn": ARN, "name": "j", "input": '{"grüße": "\\u2028"}'}),
    ("dynamodb", "get_item", {"TableName": "jobs", "Key": {"k": {"S": "x"}}, "ConsistentRead": True}),
    ("dynamodb", "put_item", {"TableName": "jobs", "Item": {"k": {"M": {"a": {"L": [{"NULL": True}, {"N": "1"}]}}}}}),
    ("dynamodb", "put_item", {"TableName": "jobs", "Item": {"k": {"M": {"a": {"B": b"\x00\xff"}}}}}),
    ("dynamodb", "query", {"TableName": "jobs", "KeyConditionExpression": "k = :k", "Limit": 1}),
    (
        "dynamodb",
        "update_item",
        {"TableName": "jobs", "Key": {"k": {"S": "x"}}, "ExpressionAttributeValues": {":a": {"BOOL": False}}},
    ),
)
PUBLISH: tuple[str, str, dict[str, Any]] = (
    "sns",
    "publish",
    {
        "TopicArn": "arn:aws:sns:eu-central-1:1:t.fifo",
        "Subject": "a & b = ü",
        "MessageStructure": "json",
        "Message": '{"default": "~ *+/\\u2028 größe"}',
        "MessageAttributes": {"tenant": {"DataType": "String", "StringValue": "a b"}},
        "MessageGroupId": "g",
    },
)
LOGS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("logs", "filter_log_events", {"logGroupName": "g", "logStreamNames": ["s", "t"], "limit": 10, "startTime": 0}),
    ("logs", "get_log_events", {"logGroupName": "g", "logStreamName": "s", "startFromHead": True}),
)
GET = ("dynamodb", "get_item", CALLS[4][2])
START = ("stepfunctions", "start_execution", CALLS[3][2])
THROTTLE: Answer = (400, b'{"__type": "x#ThrottlingException", "message": "Rate exceeded"}', {})
KEPT = Bytes(b'HTTP/1.1 200 OK\r\nx-amzn-RequestId: r\r\ncontent-length: 12\r\n\r\n{"Item": {}}', "open")
PUBLISHED: Answer = (
    200,
    b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult>"
    b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>",
    {"content-type": "text/xml"},
)
REFUSED: Answer = (
    400,
    b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>no</Message></Error>"
    b"<RequestId>r</RequestId></ErrorResponse>",
    {"content-type": "text/xml"},
)
DROPPED: Answer = (200, b"", {"content-length": "50"})


@dataclass
class Service:
    """Whatever answers: the given answers in their order, the last of them for ever."""

    answers: list[Answer | Bytes] = field(default_factory=lambda: [(200, b"{}", {})])
    url: str = ""
    requests: list[str] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: of plain answers there is one each, whatever the client would have."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if "Expect: 100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # Or botocore never sends the body.
                length = re.search(r"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(head + body.decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                told = answer if isinstance(answer, Bytes) else _whole(*answer)
                writer.write(told.said)
                await writer.drain()
                if told.ends == "reset":
                    linger = struct.pack("ii", 1, 0)  # Whatever is unsent is thrown away, and RST sent [socket(7)].
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if told.ends != "open":
                    return


def _whole(status: int, answer: bytes, headers: dict[str, str]) -> Bytes:
    lines = {"content-length": str(len(answer)), "connection": "close", **headers}
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Bytes(f"HTTP/1.1 {status} OK\r\n{told}\r\n".encode() + answer)


@asynccontextmanager
async def client_of(
    service: Service, session: AioSession, name: str, way: Callable[[Any], Any], **more: Any
) -> AsyncIterator[Any]:
    """A client as the worker opens it, in either way."""
    config = AioConfig(
        user_agent="jobferry", signature_version="v4", retries={"mode": "standard", "max_attempts": 2}, read_timeout=5
    )
    given = {"endpoint_url": service.url, "region_name": REGION, "config": config, **CREDENTIALS, **more}
    create: Any = session.create_client
    async with create(name, **given) as client:
        refuse_garbled(client)
        yield way(client)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service over HTTP."""
    made = Service()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(made.serve, "127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment for all signatures, and no wait between two tries."""
    monkeypatch.setattr(quick_calls, "get_current_datetime", lambda: MOMENT)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: MOMENT)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


async def outcome(
    service: Service, session: AioSession, way: Any, call: tuple[str, str, Any], *said: Answer | Bytes, **more: Any
) -> Any:
    """What comes of a call: the answer or the exception, and the requests that were made."""
    service.answers, service.requests = list(said), []
    name, operation, parameters = call
    async with client_of(service, session, name, way, **more) as client:
        try:
            told: Any = await getattr(client, operation)(**parameters)
        except (ClientError, BotoCoreError, ResponseParserError, ValueError, GarbledAnswerError) as error:
            told = (type(error).__name__, str(error), getattr(error, "response", None))
        return told, [re.sub(r"invocation-id: \S+|ttl=\w+", "", request) for request in service.requests]


@pytest.mark.parametrize("call", [*CALLS, *LOGS, PUBLISH], ids=lambda call: call[1])
@pytest.mark.parametrize("token", [None, "session/token=="])
async def test_requests_are_the_same_byte_for_byte(
    service: Service, session: AioSession, call: tuple[str, str, Any], token: str | None
) -> None:
    """Headers, their order, signature and body; only the name of each call is its own."""
    name, operation, parameters = call
    service.answers = [PUBLISHED] if call is PUBLISH else [(200, b"{}", {})]
    for way in WAYS:
        async with client_of(service, session, name, way, aws_session_token=token) as client:
            for _ in range(2):
                await getattr(client, operation)(**parameters)
    requests = {re.sub(r"invocation-id: \S+", "", request) for request in service.requests}
    assert len(service.requests) == 4
    assert len(requests) == 1 and "Signature=" in requests.pop()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (START, [(200, b'{"executionArn": "arn:x", "startDate": 1700000000.25}', {"x-amzn-RequestId": "r"})]),
        (GET, [(200, b'{"Item": {"k": {"S": "x"}}}', {"x-amz-crc32": str(crc32(b'{"Item": {"k": {"S": "x"}}}'))})]),
        (GET, [(200, b'{"Item": {"k": {"M": {"B": {"B": "AP8="}, "a": {"S": "x"}}}, "B": {"S": "AP8="}}}', {})]),
        (GET, [(200, b'{"Item":{"k":{"B":"AP8="}}}', {})]),
        (GET, [(400, b'{"__type": "x#ConditionalCheckFailedException", "Item": {"k": {"B": "AP8="}}}', {})]),
        (GET, [(200, b"{}", {"x-amz-crc32": "1"}), (200, b'{"Item": {}}', {})]),
        (START, [(200, b'{"executionArn": "arn:x", "startDate": "soon"}', {})]),
        (GET, [(200, b"", {})]),
        (GET, [(200, b'{"Item": null}', {})]),
        (GET, [(200, b'{"Item": {"k"', {})]),
        (GET, [(200, b"[]", {})]),
        (GET, [(200, b"<html>", {})]),
        (GET, [(200, b'{"__type": "x#InternalFailure"}', {})]),
        (GET, [(503, b"<html>", {})]),
        (GET, [(500, b"{}", {}), (200, b'{"Item": {}}', {})]),
        (GET, [THROTTLE]),
        (GET, [THROTTLE, (200, b"{}", {})]),
        (GET, [(400, b'{"__type": "x#ResourceNotFoundException", "message": "no table"}', {})]),
        (START, [(400, b'{"__type": "ExecutionAlreadyExists", "message": "it does"}', {})]),
        (
            CALLS[0],
            [
                (
                    400,
                    b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}',
                    {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
                )
            ],
        ),
        (LOGS[1], [(200, b'{"events": [{"timestamp": 1, "message": "m"}], "nextForwardToken": "f"}', {})]),
        (PUBLISH, [PUBLISHED]),
        (PUBLISH, [(200, b"<PublishResponse><PublishResult>", {})]),
        (PUBLISH, [(200, b"{}", {})]),
        (PUBLISH, [(200, b"", {})]),
        (PUBLISH, [(503, b"<html>", {}), PUBLISHED]),
        (PUBLISH, [REFUSED]),
        (GET, [DROPPED]),
        (GET, [DROPPED, (200, b'{"Item": {}}', {})]),
    ],
)
async def test_answers_tries_and_failures_are_the_same(
    service: Service, session: AioSession, call: tuple[str, str, Any], said: list[Answer]
) -> None:
    """Whatever comes: a success, nonsense, a refusal, or a connection that drops within the answer."""
    theirs, ours = [await outcome(service, session, way, call, *said) for way in WAYS]
    assert ours == theirs


@pytest.mark.parametrize(
    "said",
    [
        [KEPT, KEPT],
        [
            Bytes(
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"It\r\n8\r\nem": {}}\r\n0\r\n\r\n', "open"
            )
        ],
        [Bytes(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"It\r\n8\r\nem')],
        [Bytes(b'HTTP/1.1 200 OK\r\n\r\n{"Item": {}}')],
        [Bytes(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}")],
        [Bytes(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "open")],
        [Bytes(b"HTTP/1.1 204 No Content\r\n\r\n", "open")],
        [Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}")],
        [Bytes(b"SSH-2.0-OpenSSH_9.2\r\n")],
        [Bytes(b"SSH-2.0-OpenSSH_9.2\r\n"), KEPT],
        [Bytes(b"HTTP/1.1 200 OK\r\nname without a colon\r\n\r\n")],
        [Bytes(b"HTTP/1.1 200 OK\r\ncontent-le")],
        [Bytes(b"")],
        [Bytes(b""), KEPT],
        [Bytes(b"", "reset")],
        [Bytes(b"", "reset"), KEPT],
        [Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "reset")],
        [Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "reset"), KEPT],
        [Bytes(b"", "open"), KEPT],
        [Bytes(b"", "open")],
        [Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "open")],
    ],
)
async def test_what_goes_wrong_on_the_way_is_the_same(
    service: Service, session: AioSession, said: list[Answer | Bytes]
) -> None:
    """Whatever comes over the wire, or does not: read, tried again and told of alike."""
    config = AioConfig(
        user_agent="jobferry", signature_version="v4", retries={"mode": "standard", "max_attempts": 2}, read_timeout=0.2
    )
    theirs, ours = [await outcome(service, session, way, GET, *said, config=config) for way in WAYS]
    assert ours == theirs


async def test_a_redirect_is_refused_and_not_followed(service: Service, session: AioSession) -> None:
    """As botocore has it, and aiobotocore has not: no service of AWS's that speaks JSON redirects."""
    moved = Bytes(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", "open")
    told, requests = await outcome(service, session, quick, GET, moved)
    assert told[0] == "ClientError"
    assert told[2]["ResponseMetadata"]["HTTPStatusCode"] == 302
    assert len(requests) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_connections_are_kept_and_one_that_was_closed_is_not_used_again(
    service: Service, session: AioSession, way: Callable[[Any], Any]
) -> None:
    """However many calls go over it; and the next one goes over a new one."""
    service.answers = [KEPT]
    async with client_of(service, session, "dynamodb", way) as client:
        for _ in range(3):
            await client.get_item(**GET[2])
        assert service.connections == 1
        service.answers = [Bytes(KEPT.said, "closed"), KEPT]
        for _ in range(2):
            assert (await client.get_item(**GET[2]))["Item"] == {}
        assert service.connections == 2


async def test_a_call_that_is_cancelled_leaves_no_answer_to_the_next(service: Service, session: AioSession) -> None:
    """Its connection goes with it."""
    service.answers = [Bytes(b"", "open"), KEPT]
    async with client_of(service, session, "dynamodb", quick) as client:
        call = asyncio.create_task(client.get_item(**GET[2]))
        await eventually(lambda: len(service.requests) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await client.get_item(**GET[2]))["Item"] == {}
    assert service.connections == 2


async def test_calls_wait_for_a_connection_where_so_many_are_open(service: Service, session: AioSession) -> None:
    """As many as the client may have."""
    service.answers = [KEPT]
    config = AioConfig(signature_version="v4", max_pool_connections=2)
    async with client_of(service, session, "dynamodb", quick, config=config) as client:
        await asyncio.gather(*[client.get_item(**GET[2]) for _ in range(20)])
    assert len(service.requests) == 20
    assert service.connections == 2


@pytest.mark.parametrize("trusted", [True, False])
async def test_who_answers_must_be_trusted(tmp_path: Path, session: AioSession, trusted: bool) -> None:
    """By the bundle of certificates that the client is told."""
    certificate, key = write_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    service = Service()
    async with await asyncio.start_server(service.serve, "127.0.0.1", 0, ssl=tls) as server:
        service.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        more = {"verify": str(certificate)} if trusted else {}
        theirs, ours = [await outcome(service, session, way, GET, KEPT, **more) for way in WAYS]
    assert ours == theirs
    assert ours[0]["Item"] == {} if trusted else ours[0][0] == "SSLError"


async def test_a_bundle_of_certificates_that_is_not_there_is_told_alike(
    service: Service, session: AioSession, tmp_path: Path
) -> None:
    """By the first call."""
    bundle = str(tmp_path / "none.pem")
    service.url = service.url.replace("http:", "https:")
    theirs, ours = [await outcome(service, session, way, GET, KEPT, verify=bundle) for way in WAYS]
    assert ours == theirs
    assert ours[0][0] == "HTTPClientError"


async def test_through_a_proxy_botocore_sends(service: Service, session: AioSession) -> None:
    """It knows how."""
    proxied = AioConfig(signature_version="v4", proxies={"http": "http://127.0.0.1:1"})
    async with client_of(service, session, "dynamodb", quick, config=proxied) as client:
        assert type(client).__name__ == "DynamoDB"


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_that_is_refused_fails_alike(session: AioSession, way: Callable[[Any], Any]) -> None:
    """With the same exception, once its tries are used up."""
    told, _ = await outcome(Service(url="http://127.0.0.1:1"), session, way, GET, DROPPED)
    assert told[0] == "EndpointConnectionError"


@pytest.mark.parametrize("way", WAYS)
async def test_what_botocore_would_not_send_is_named_alike(
    service: Service, session: AioSession, way: Callable[[Any], Any]
) -> None:
    """Of the quick calls AWS refuses it first: the parameters are looked at then."""
    service.answers = [(200, b'{"executionArn": "arn:x", "startDate": 1}', {})]
    async with client_of(service, session, "stepfunctions", way) as client:
        await client.start_execution(**START[2])
        service.answers = [(400, b'{"__type": "ValidationException", "message": "no name"}', {})]
        with pytest.raises(ParamValidationError):
            await client.start_execution(stateMachineArn=ARN, name="", input="{}")


@dataclass
class Rotating:
    """Credentials with other keys after each request."""

    service: Service

    async def get_frozen_credentials(self) -> Any:
        """Those of now."""
        now = len(self.service.requests)
        return ReadOnlyCredentials(f"AKIA{now}", f"secret{now}", f"token{now}", None)


def signatures_in(requests: list[str]) -> list[list[str]]:
    """Whose keys each request is signed by, and how."""
    return [re.findall(r"Credential=\w+|Token: \w+|Signature=\w+", request) for request in requests]


async def test_each_try_is_signed_with_the_credentials_of_its_moment(service: Service, session: AioSession) -> None:
    """As botocore signs it, byte for byte: also the key of the day is derived anew."""
    tries = []
    for way in WAYS:
        service.answers, service.requests = [THROTTLE, (200, b"{}", {})], []
        async with client_of(service, session, "dynamodb", way) as client:
            client._request_signer._credentials = Rotating(service)
            await client.get_item(**GET[2])
        tries.append(signatures_in(service.requests))
    theirs, ours = tries
    assert [len(signed) for signed in theirs] == [3, 3]
    assert ours == theirs


async def test_what_a_worker_teaches_its_clients_holds_for_quick_calls(service: Service, session: AioSession) -> None:
    """Throttles are counted though the call succeeds in the end, and the clock goes by DynamoDB's."""
    throttles: list[None] = []
    clock = CommonClock(lambda: 0.0)
    service.answers = [THROTTLE, (200, b"{}", {"date": "Fri, 02 Jan 2026 03:04:05 GMT"})]
    async with client_of(service, session, "dynamodb", quick) as client:
        on_throttle(client, lambda: throttles.append(None))
        clock.heed(client)
        await client.get_item(**GET[2])
    assert len(throttles) == 1
    assert clock() == MOMENT.timestamp()


@pytest.mark.parametrize("way", WAYS)
async def test_a_notification_carries_its_trace(
    service: Service, session: AioSession, way: Callable[[Any], Any]
) -> None:
    """In a header, which is not signed."""
    async with client_of(service, session, "sns", lambda client: client) as client:
        let_traces_through(client)
        service.answers = [PUBLISHED]
        told = await way(client).publish(**PUBLISH[2], **{"X-Amzn-Trace-Id": "Root=1-a"})
        assert told["MessageId"] == "m"
        await way(client).publish(**PUBLISH[2])
    traced, untraced = service.requests
    assert "X-Amzn-Trace-Id: Root=1-a\r\n" in traced
    assert "Trace" not in untraced


@pytest.mark.parametrize("way", WAYS)
async def test_one_notification_after_another_has_its_own_trace(
    service: Service, session: AioSession, way: Callable[[Any], Any]
) -> None:
    """What a second's requests have in common is no header that only some of them have."""
    async with client_of(service, session, "sns", lambda client: client) as client:
        let_traces_through(client)
        topic = way(client)
        service.answers = [PUBLISHED]
        for trace in ({}, {"X-Amzn-Trace-Id": "Root=1-a"}, {}, {"X-Amzn-Trace-Id": "Root=1-b"}):
            await topic.publish(**PUBLISH[2], **trace)
    traces = [re.findall(r"X-Amzn-Trace-Id: (\S+)", request) for request in service.requests]
    assert traces == [[], ["Root=1-a"], [], ["Root=1-b"]]


@pytest.mark.parametrize("way", WAYS)
async def test_who_listens_to_a_call_may_answer_it(
    service: Service, session: AioSession, way: Callable[[Any], Any]
) -> None:
    """As botocore has it: nothing is sent then."""
    async with client_of(service, session, "dynamodb", way) as client:
        with answering(client, "GetItem", {"Item": {}}):
            assert await client.get_item(**GET[2]) == {"Item": {}}
    assert service.requests == []


async def test_other_operations_and_other_signatures_are_left_to_botocore(
    service: Service, session: AioSession
) -> None:
    """S3 speaks no JSON; and who signs nothing, or otherwise, is not signed for."""
    async with (
        client_of(service, session, "s3", quick) as s3,
        client_of(service, session, "dynamodb", quick, config=AioConfig(signature_version=UNSIGNED)) as unsigned,
        client_of(service, session, "dynamodb", quick, endpoint_url=f"{service.url}/aws") as under_a_path,
        client_of(service, session, "dynamodb", quick) as table,
    ):
        assert type(s3).__name__ == "S3"
        assert type(under_a_path).__name__ == "DynamoDB"
        assert type(unsigned).__name__ == "DynamoDB"
        assert type(table.get_item) is not type(table.describe_table)
