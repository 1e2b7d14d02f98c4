"""SQS by moto: what a message is, and whose it is for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.aws.queue import Message, Queue
from tests.support.builders import TRACE_HEADER, TRACEPARENT
from tests.support.connecting import Connect, answering, refusal
from tests.support.waiting import eventually


@pytest.fixture
async def queue(connect: Connect, name: str) -> Queue:
    """An empty queue whose leases last two seconds: more than a busy machine is late by."""
    client = await connect("sqs")
    return Queue(client, (await client.create_queue(QueueName=name))["QueueUrl"], visibility_seconds=2)


async def sent(queue: Queue, *bodies: str) -> tuple[Message, ...]:
    """Messages with these bodies, received."""
    for body in bodies:
        await queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    return await queue.receive(len(bodies), wait_seconds=1)


async def waiting(queue: Queue) -> tuple[Message, ...]:
    """What can be received at this moment."""
    return await queue.receive(10, wait_seconds=0)


async def test_an_empty_queue_gives_no_messages(queue: Queue) -> None:
    """SQS leaves the Messages key out of an empty answer."""
    assert await waiting(queue) == ()
    with answering(queue.client, "ReceiveMessage", {}):
        assert await waiting(queue) == ()


async def test_a_message_says_who_it_is_when_it_was_sent_and_how_often_it_came(queue: Queue) -> None:
    """Id, body, receive count, and the time in epoch seconds."""
    answer = await queue.client.send_message(QueueUrl=queue.url, MessageBody="ünïcode")
    [message] = await queue.receive(10, wait_seconds=1)
    assert (message.message_id, message.body, message.receive_count) == (answer["MessageId"], "ünïcode", 1)
    assert 1_600_000_000 < message.sent_at < 10_000_000_000
    await queue.set_visibility(message, 0)
    [again] = await queue.receive(10, wait_seconds=1)
    assert (again.message_id, again.receive_count) == (message.message_id, 2)


async def test_a_poll_asks_for_all_that_a_message_is_known_by(queue: Queue) -> None:
    """SQS leaves out what it is not asked for; moto does not."""
    with answering(queue.client, "ReceiveMessage", {}) as asked:
        await queue.receive(50, wait_seconds=20)
    assert asked == [
        {
            "QueueUrl": queue.url,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 20,
            "VisibilityTimeout": 2,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp", "AWSTraceHeader", "SenderId"],
            "MessageAttributeNames": ["JobferryReplay", "traceparent"],
        }
    ]


@pytest.mark.parametrize("more", [{}, {"Attributes": None, "MessageAttributes": None}], ids=["left out", "null"])
async def test_a_message_without_attributes_is_one_that_came_for_the_first_time(
    queue: Queue, more: dict[str, Any]
) -> None:
    """What is not said is not known, and holds nothing up."""
    bare = {"MessageId": "m", "ReceiptHandle": "r", **more}
    with answering(queue.client, "ReceiveMessage", {"Messages": [bare]}):
        assert await waiting(queue) == (Message("m", "", "r"),)


async def test_a_message_brings_its_trace(queue: Queue) -> None:
    """X-Ray's header is a system attribute, W3C's a message attribute; both arrive only if they are asked for."""
    header: Any = {"DataType": "String", "StringValue": TRACE_HEADER}
    parent: Any = {"DataType": "String", "StringValue": TRACEPARENT}
    await queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody="traced",
        MessageSystemAttributes={"AWSTraceHeader": header},
        MessageAttributes={"traceparent": parent, "secret": parent},
    )
    [message] = await queue.receive(1, wait_seconds=1)
    assert (message.trace_header, message.attributes) == (TRACE_HEADER, {"traceparent": TRACEPARENT})


async def test_no_more_than_asked_for_and_never_more_than_ten(queue: Queue) -> None:
    """ReceiveMessage refuses numbers above ten."""
    assert len(await sent(queue, "a", "b")) <= 2
    for number in range(12):
        await queue.client.send_message(QueueUrl=queue.url, MessageBody=str(number))
    assert len(await queue.receive(1, wait_seconds=1)) == 1
    assert len(await queue.receive(50, wait_seconds=1)) <= 10


async def test_a_lease_keeps_a_message_for_twice_its_visibility(queue: Queue) -> None:
    """While we work on it nobody else gets it; once we stop renewing, it comes back."""
    [message] = await sent(queue, "long work")
    async with queue.lease(message):
        assert await queue.receive(1, wait_seconds=2 * queue.visibility_seconds) == ()
    [back] = await queue.receive(1, wait_seconds=5)
    assert back.message_id == message.message_id


async def test_a_renewal_that_fails_does_not_disturb_the_work(queue: Queue) -> None:
    """It is tried again at the next third."""
    [message] = await sent(queue, "work")
    quick = Queue(queue.client, queue.url, visibility_seconds=0)  # renews without a pause
    with answering(queue.client, "ChangeMessageVisibility", refusal("InternalError"), refusal("Throttling")) as asked:
        async with quick.lease(message):
            await eventually(lambda: len(asked) > 2)


async def test_a_lease_ends_with_the_work_however_that_ends(queue: Queue) -> None:
    """An error of the work comes through, and no renewal goes on behind its back."""
    [message] = await sent(queue, "work")
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with queue.lease(message):
            raise ZeroDivisionError
    assert asyncio.all_tasks() == before


async def test_visibility_zero_gives_a_message_back_at_once(queue: Queue) -> None:
    """Another worker need not wait for the lease to run out."""
    long = Queue(queue.client, queue.url, visibility_seconds=600)
    await queue.client.send_message(QueueUrl=queue.url, MessageBody="given back")
    [message] = await long.receive(1, wait_seconds=1)
    assert await waiting(long) == ()
    await long.set_visibility(message, 0)
    assert [item.body for item in await waiting(long)] == ["given back"]


async def test_a_visibility_beyond_sqss_limit_is_cut_to_it(queue: Queue) -> None:
    """SQS refuses more than twelve hours."""
    [message] = await sent(queue, "later")
    with answering(queue.client, "ChangeMessageVisibility", {}) as asked:
        await queue.set_visibility(message, 1_000_000)
    assert asked[0]["VisibilityTimeout"] == 43_200


async def test_deleting_a_batch_deletes_all_of_it(queue: Queue) -> None:
    """Nothing of it comes back."""
    messages = await sent(queue, "a", "b", "c")
    while len(messages) < 3:
        messages += await queue.receive(10, wait_seconds=1)
    assert await queue.delete(messages) == ()
    counts: Any = await queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert [counts["Attributes"][each] for each in names] == ["0", "0"]


async def test_what_could_not_be_deleted_is_named(queue: Queue) -> None:
    """DeleteMessageBatch answers 200 also when some entries failed."""
    messages = tuple(Message(str(number), "", f"handle-{number}") for number in range(3))
    failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
    with answering(queue.client, "DeleteMessageBatch", {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": failed}):
        assert await queue.delete(messages) == (messages[1],)
