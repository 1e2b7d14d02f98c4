"""Answers that are none, over HTTP: a proxy's page, half an answer, an error with status 200."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.notification import Problem
from service.aws.errors import AwsError
from service.aws.jobs_table import JobsTable
from service.aws.objects import Objects
from service.aws.queue import Message, Queue
from service.aws.response_check import GarbledAnswerError, refuse_garbled
from service.aws.topic import Topic
from service.core.record.facts import Rejected
from tests.support.connecting import CREDENTIALS, REGION
from tests.support.job_facts import KEY, requested

PROBLEM = Problem(field="", message="not JSON", remedy="send JSON")
REJECTED = Rejected(message_id="m1", submitted_at=1.0, problems=(PROBLEM,))
PAGE = b"<html><body>502 Bad Gateway</body></html>"
NO_OBJECTS = (b"null", b"[]", b'"oops"', b"7")
ERROR = b'{"__type": "com.amazon.coral.service#InternalFailure", "message": "boom"}'
HALF = b'{"Messages": [{"MessageId": "m1", "Bo'
HALF_AN_ITEM = b'{"Attributes": {"record_key": {"S": "job"}'
XML_ERROR = b"<ErrorResponse><Error><Type>Receiver</Type><Code>InternalFailure</Code></Error></ErrorResponse>"


@dataclass
class Wire:
    """What answers every call so, and clients whose calls get there."""

    open: Callable[[str], Awaitable[Any]]
    status: int = 200
    body: bytes = b""

    async def answer(self, request: web.Request) -> web.Response:
        """The answer to any call."""
        await request.read()
        return web.Response(status=self.status, body=self.body)


@asynccontextmanager
async def _laid(session: AioSession) -> AsyncIterator[Wire]:
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Any:
            create: Any = session.create_client
            config = AioConfig(retries={"mode": "standard", "max_attempts": 1})
            opening = create(service, endpoint_url=address, region_name=REGION, config=config, **CREDENTIALS)
            opened = await stack.enter_async_context(opening)
            refuse_garbled(opened)
            return opened

        wire = Wire(client)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", wire.answer)
        server = await stack.enter_async_context(TestServer(app))
        address = str(server.make_url("/"))
        yield wire


@pytest.fixture
async def wire(session: AioSession) -> AsyncIterator[Wire]:
    """The way to no AWS."""
    async with _laid(session) as laid:
        yield laid


async def queue_of(wire: Wire) -> Queue:
    """A queue that answers so."""
    return Queue(await wire.open("sqs"), "http://sqs/queue", 30)


async def table_of(wire: Wire) -> JobsTable:
    """A table that answers so."""
    return JobsTable(await wire.open("dynamodb"), "jobs", 300, 30, 90, lambda: 1.0)


@pytest.mark.parametrize("body", [*NO_OBJECTS, HALF, HALF_AN_ITEM, PAGE, ERROR])
async def test_what_is_no_answer_is_not_taken_for_an_empty_one(wire: Wire, body: bytes) -> None:
    """Else half a record is none, nothing is owed to it, and its message is deleted."""
    wire.body = body
    queue, table = await queue_of(wire), await table_of(wire)
    for call in (queue.receive(10, 0), queue.delete([Message("m", "", "r")]), table.read(KEY), table.due(0, 1.0, 1)):
        with pytest.raises(GarbledAnswerError):
            await call
    for fact in (requested(), REJECTED):
        with pytest.raises(GarbledAnswerError):
            await table.merge(fact)


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_a_write_is_believed_only_with_what_it_left(wire: Wire, body: bytes) -> None:
    """An empty answer is one for a poll, but not for an update that is to tell of the whole record."""
    wire.body = body
    assert await (await queue_of(wire)).receive(10, 0) == ()
    assert not (await (await table_of(wire)).read(KEY)).registers
    with pytest.raises(AwsError):
        await (await table_of(wire)).merge(requested())


async def test_a_request_is_not_taken_for_known_by_a_refusal_that_shows_nothing(wire: Wire) -> None:
    """Where its condition fails there is a record, and DynamoDB shows it."""
    wire.status, wire.body = 400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}'
    for fact in (requested(), REJECTED):
        with pytest.raises(AwsError):
            await (await table_of(wire)).merge(fact)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
@pytest.mark.parametrize("body", [b"", *NO_OBJECTS, HALF, PAGE, ERROR, XML_ERROR])
async def test_no_failure_is_other_trouble_than_is_reckoned_with(wire: Wire, status: int, body: bytes) -> None:
    """A poll, a lease or a sweep that meets it is tried again, and ends no worker."""
    wire.status, wire.body = status, body
    queue, table, topic = await queue_of(wire), await table_of(wire), Topic(await wire.open("sns"), "arn:aws:sns:::t")
    calls = (queue.receive(10, 0), queue.set_visibility(Message("m", "", "r"), 1), table.due(0, 1.0, 1), told(topic))
    for call in calls:
        with pytest.raises(AwsError):
            await call


@pytest.mark.parametrize("body", [b"", PAGE, XML_ERROR, b"<PublishResponse/>"])
async def test_nothing_is_taken_for_kept_that_another_answered_for(wire: Wire, body: bytes) -> None:
    """S3 says the tag of what it keeps, and SNS the id of what it took; a proxy says neither."""
    wire.body = body
    objects, topic = Objects(await wire.open("s3"), None), Topic(await wire.open("sns"), "arn:aws:sns:::t")
    for call in (objects.put("bucket", "key", b"x", "text/plain"), told(topic)):
        with pytest.raises(AwsError):
            await call


async def told(topic: Topic) -> None:
    """One notification."""
    await topic.publish(notification_id="i", group="g", subject="s", body="{}", text="t", attributes={})
