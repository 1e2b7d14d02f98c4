"""FilterLogEvents by moto: streams together.

moto 5.2.5 orders events by stream unless it is told to interleave them, and leaves out streams that are not there: what
becomes of an order and of a missing stream is tested on the simulated AWS, tests/contracts holds the local one to AWS.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from service.aws.log_batches import BatchPage, LogBatches, Missing
from service.aws.pace import Pace
from service.core.log_lanes import LogEvent
from tests.support.connecting import Connect, answering

STREAMS = ("jobs/main/0123", "jobs/main/4567")


@pytest.fixture
async def batches(connect: Connect) -> LogBatches:
    """CloudWatch Logs, read without a limit that a test would feel."""
    return LogBatches(await connect("logs"), Pace.full(10_000, 10_000))


@pytest.fixture
async def group(batches: LogBatches, name: str) -> str:
    """A log group with two streams of two lines each."""
    logs: Any = batches.client
    await logs.create_log_group(logGroupName=name)
    now = int(time.time() * 1000)
    for stream in STREAMS:
        await logs.create_log_stream(logGroupName=name, logStreamName=stream)
        events = [{"timestamp": now + number, "message": f"{stream}: ü{number}"} for number in range(2)]
        await logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)
    return name


async def test_each_line_says_whose_it_is_and_which(batches: LogBatches, group: str) -> None:
    """With its times in seconds and an id that no other line has."""
    page = await batches.page(group, STREAMS, None)
    assert isinstance(page, BatchPage) and page.next_token is None
    assert {(stream, event.message) for stream, event in page.events} == {
        (stream, f"{stream}: ü{number}") for stream in STREAMS for number in range(2)
    }
    events = [event for _, event in page.events]
    assert len({event.id for event in events}) == 4
    assert all(event.taken_in_at is not None and abs(event.taken_in_at - event.at) < 60 for event in events)


async def test_the_streams_and_the_token_are_sent_on_and_no_moment_to_begin_at(batches: LogBatches) -> None:
    """What is taken in late bears an early time, and would be left out."""
    event = {"logStreamName": "s", "timestamp": 1500, "message": "text"}
    with answering(batches.client, "FilterLogEvents", {"events": [event], "nextToken": "t2"}, {"events": []}) as asked:
        first = await batches.page("group", ("s", "t"), None)
        second = await batches.page("group", ("s", "t"), "t2")
    assert first == BatchPage((("s", LogEvent(1.5, "text", None, "")),), "t2")
    assert second == BatchPage((), None)
    wanted = {"logGroupName": "group", "logStreamNames": ["s", "t"]}
    assert asked == [wanted, {**wanted, "nextToken": "t2"}]


async def test_a_group_that_is_not_there_is_told_from_a_stream_that_is_not(batches: LogBatches) -> None:
    """Of the former nothing is asked for by halves."""
    assert await batches.page("no-such-group", STREAMS, None) == Missing(is_the_group=True)
