"""CloudWatch Logs by moto: a stream from its beginning to its end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from service.aws.container_logs import ContainerLogs
from service.aws.pace import Pace
from service.core.log_lanes import LogEvent
from tests.support.connecting import Connect

STREAM = "jobs/main/0123"
MAX_EVENTS = 10_000  # [botocore, PutLogEvents]


@pytest.fixture
async def logs(connect: Connect) -> ContainerLogs:
    """CloudWatch Logs, read without a limit that a test would feel."""
    return ContainerLogs(await connect("logs"), Pace.full(10_000, 10_000))


@pytest.fixture
async def group(logs: ContainerLogs, name: str) -> str:
    """A log group with one empty stream."""
    await logs.client.create_log_group(logGroupName=name)
    await logs.client.create_log_stream(logGroupName=name, logStreamName=STREAM)
    return name


async def written(logs: ContainerLogs, group: str, *messages: str) -> int:
    """Put these lines, a millisecond apart, in batches; answers with the first one's time in milliseconds."""
    start = int(time.time() * 1000) - len(messages)
    events = [{"timestamp": start + number, "message": message} for number, message in enumerate(messages)]
    for at in range(0, len(events), MAX_EVENTS):
        batch: Any = events[at : at + MAX_EVENTS]
        await logs.client.put_log_events(logGroupName=group, logStreamName=STREAM, logEvents=batch)
    return start


async def read_to_the_end(logs: ContainerLogs, group: str) -> list[str]:
    """Every line, page by page, until the token repeats."""
    lines: list[str] = []
    token: str | None = None
    while (page := await logs.page(group, STREAM, token)) is not None and page.next_token != token:
        lines += [event.message for event in page.events]
        token = page.next_token
    return lines


async def test_an_absent_group_and_an_absent_stream_are_none(logs: ContainerLogs, group: str) -> None:
    """Normal for a task that failed to start, and for one whose stream is only late."""
    assert await logs.page("no-such-group", STREAM, None) is None
    assert await logs.page(group, "no-such-stream", None) is None


async def test_an_empty_stream_is_a_page_without_lines(logs: ContainerLogs, group: str) -> None:
    """It is there, which is more than absent."""
    page = await logs.page(group, STREAM, None)
    assert page is not None
    assert page.events == ()


async def test_a_line_has_its_times_in_seconds(logs: ContainerLogs, group: str) -> None:
    """CloudWatch counts milliseconds; it takes a line in at once, or soon after it was written."""
    at = await written(logs, group, "grüße")
    page = await logs.page(group, STREAM, None)
    assert page is not None
    [event] = page.events
    assert event.taken_in_at is not None and at / 1000 <= event.taken_in_at < at / 1000 + 60
    assert event == LogEvent(at / 1000, "grüße", event.taken_in_at)


async def test_pages_are_read_from_the_head_to_the_end(logs: ContainerLogs, group: str) -> None:
    """More than one page's 10,000 lines, each once and in order."""
    lines = [f"line {number}" for number in range(25_000)]
    await written(logs, group, *lines)
    assert await read_to_the_end(logs, group) == lines


async def test_reads_are_paced(logs: ContainerLogs, group: str) -> None:
    """Within the account's GetLogEvents quota, which is fixed."""
    slow = ContainerLogs(logs.client, Pace.even(1 / 3600))
    await slow.turn()
    await slow.page(group, STREAM, None)
    assert not slow.reads.is_free()
