"""FilterLogEvents: many streams by one call, page by page, as CloudWatch Logs answers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Cloud

MEGABYTE = 1_048_576
BEGAN = int(time.time() * 1000) - 600_000  # ms


@pytest.fixture
def group(cloud: Cloud, request: pytest.FixtureRequest) -> str:
    """A log group of the test's own."""
    name = f"/filtered/{request.node.name.replace('[', '/').replace(']', '')}"
    cloud.logs.create_log_group(logGroupName=name)
    return name


def write(cloud: Cloud, group: str, stream: str, *lines: tuple[int, str]) -> None:
    """Put these lines, each with its milliseconds after the same moment, into a stream, which is made."""
    logs: Any = cloud.logs
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    for start in range(0, len(lines), 10_000):
        events = [{"timestamp": BEGAN + at, "message": text} for at, text in lines[start : start + 10_000]]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def pages(cloud: Cloud, group: str, **request: Any) -> list[list[dict[str, Any]]]:
    """Every page of what is asked for."""
    logs: Any = cloud.logs
    found = []
    while True:
        page = logs.filter_log_events(logGroupName=group, **request)
        found.append(page["events"])
        if "nextToken" not in page:
            return found
        request["nextToken"] = page["nextToken"]


def refusal(cloud: Cloud, group: str, **request: Any) -> tuple[str, str]:
    """Code and message of a refused call."""
    with pytest.raises(ClientError) as refused:
        pages(cloud, group, **request)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_streams_are_merged_by_their_times_and_each_event_says_whose_it_is(cloud: Cloud, group: str) -> None:
    """With an id and the time of its ingestion; of one millisecond and one ingestion, in the order of their ids."""
    write(cloud, group, "a", (0, "a1"), (2, "a2"), (2, "a3"), (2, "a4"))
    write(cloud, group, "b", (1, "b1"), (3, "b2"))
    write(cloud, group, "c", (1, "not asked for"))
    [page] = pages(cloud, group, logStreamNames=["b", "a"])
    assert [(event["logStreamName"], event["message"]) for event in page] == [
        ("a", "a1"),
        ("b", "b1"),
        ("a", "a2"),
        ("a", "a3"),
        ("a", "a4"),
        ("b", "b2"),
    ]
    ids = [event["eventId"] for event in page if event["logStreamName"] == "a"]
    assert ids == sorted(ids)
    assert len({event["eventId"] for event in page}) == 6
    assert all(event["ingestionTime"] >= event["timestamp"] for event in page)


def test_the_order_is_not_the_callers_to_choose(cloud: Cloud, group: str) -> None:
    """`interleaved` is ignored since 2019 [botocore]."""
    write(cloud, group, "a", (0, "a1"), (2, "a2"))
    write(cloud, group, "b", (1, "b1"))
    asked = [pages(cloud, group, logStreamNames=["a", "b"], interleaved=wish) for wish in (True, False)]
    assert asked[0] == asked[1]


def test_a_page_ends_at_ten_thousand_events_and_the_token_leads_on(cloud: Cloud, group: str) -> None:
    """Each event once; no token is the end."""
    write(cloud, group, "a", *((number, f"line {number}") for number in range(25_000)))
    found = pages(cloud, group, logStreamNames=["a"])
    assert [len(page) for page in found] == [10_000, 10_000, 5_000]
    assert [event["message"] for page in found for event in page] == [f"line {number}" for number in range(25_000)]


def test_a_page_ends_at_a_megabyte(cloud: Cloud, group: str) -> None:
    """Of events with 26 bytes each beside their text."""
    write(cloud, group, "a", *((number, "x" * 100_000) for number in range(12)))
    found = pages(cloud, group, logStreamNames=["a"])
    assert [len(page) for page in found] == [10, 2]
    assert all(sum(len(event["message"]) + 26 for event in page) <= MEGABYTE for page in found)


def test_a_stream_that_is_not_there_fails_the_whole_call(cloud: Cloud, group: str) -> None:
    """And says so of the stream, where of the group there would be another sentence."""
    write(cloud, group, "a", (0, "a1"))
    missing = ("ResourceNotFoundException", "The specified log stream does not exist.")
    assert refusal(cloud, group, logStreamNames=["a", "none"]) == missing
    assert refusal(cloud, "/no/such/group") == ("ResourceNotFoundException", "The specified log group does not exist.")


def test_streams_are_named_or_begin_alike_but_not_both(cloud: Cloud, group: str) -> None:
    """A hundred names at the most."""
    write(cloud, group, "a/1", (0, "one"))
    write(cloud, group, "a/2", (1, "two"))
    write(cloud, group, "b/1", (2, "three"))
    assert [event["message"] for event in pages(cloud, group, logStreamNamePrefix="a/")[0]] == ["one", "two"]
    assert refusal(cloud, group, logStreamNames=["a/1"], logStreamNamePrefix="a/")[0] == "InvalidParameterException"
    assert refusal(cloud, group, nextToken="nonsense")[0] == "InvalidParameterException"


def test_an_empty_stream_is_a_page_without_events(cloud: Cloud, group: str) -> None:
    """It is there, which is more than missing."""
    cloud.logs.create_log_stream(logGroupName=group, logStreamName="a")
    assert pages(cloud, group, logStreamNames=["a"]) == [[]]
