"""What of a message's trace goes on, and that nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.trace import Trace
from service.core.policy.actions import StartExecution
from service.core.policy.owed import Moment, owed
from service.core.telling.compose import Links, compose
from service.core.tracing import LONGEST_TRACE, ReadTrace, read_trace
from tests.support.builders import (
    JOB,
    NOW,
    TRACE_HEADER,
    TRACEPARENT,
    merge_all,
    record,
    rejected,
    requested,
    succeeded,
)

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
TRACE = Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)


def test_a_trace_is_read() -> None:
    """Both kinds beside each other, as a producer with both kinds of tools sends them."""
    assert read_trace(TRACEPARENT, TRACE_HEADER) == ReadTrace(TRACE)
    assert read_trace(None, None) == read_trace("", "") == ReadTrace(None)


@pytest.mark.parametrize(
    "traceparent",
    [
        TRACEPARENT.upper(),
        TRACEPARENT + "-00",
        TRACEPARENT + "\n",
        " " + TRACEPARENT,
        TRACEPARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        TRACEPARENT.replace("a", "а"),  # noqa: RUF001  # a Cyrillic letter
        "'; DROP TABLE jobs; --",
        "<script>alert(1)</script>",
        "0" * 100_000,
    ],
)
def test_what_is_no_traceparent_is_dropped_by_name(traceparent: str) -> None:
    """The other kind goes on all the same."""
    assert read_trace(traceparent, ROOT) == ReadTrace(Trace(aws_trace_header=ROOT), ("traceparent",))


@pytest.mark.parametrize(
    ("header", "kept"),
    {
        ROOT: ROOT,
        f"{ROOT};Sampled=?": f"{ROOT};Sampled=?",
        f"Sampled=0; {ROOT} ;": f"{ROOT};Sampled=0",
        f"Self=1-67891234-12456789abcdef012345678;{ROOT};Lineage=a87bd80c:1|68fd508a:5": ROOT,
        f"{ROOT};note=<script>": ROOT,
    }.items(),
)
def test_of_an_x_ray_header_goes_on_what_names_the_trace(header: str, kept: str) -> None:
    """In X-Ray's own order, whatever came between."""
    assert read_trace(None, header) == ReadTrace(Trace(aws_trace_header=kept))


@pytest.mark.parametrize(
    "header",
    [
        "Sampled=1",
        ROOT.upper(),
        ROOT + "0",
        f"{ROOT};Sampled=2",
        f"{ROOT};Parent=x",
        f"{ROOT};{ROOT}",
        f"{ROOT};hello",
        f"{ROOT}\n",
        f"{ROOT};Parent=53995c3f42cd8ad8\r\nX-Evil: 1",
        f"{ROOT};a={'b' * 1000}",
    ],
)
def test_what_is_no_x_ray_header_is_dropped_by_name(header: str) -> None:
    """Half a header would put the job into a trace that it is no part of."""
    dropped = read_trace(TRACEPARENT, header)
    assert dropped == ReadTrace(Trace(traceparent=TRACEPARENT), ("AWSTraceHeader",))


@given(st.text() | st.text(alphabet="Rot=1-;Sampled0af\n"), st.text() | st.text(alphabet="0f-a"))
def test_nothing_but_a_trace_ever_goes_on(header: str, traceparent: str) -> None:
    """Whatever a producer writes, what is kept has no more than these characters, and no more of them."""
    read = read_trace(traceparent, header).trace or Trace()
    assert re.fullmatch(r"[A-Za-z0-9=;?-]*", (read.aws_trace_header or "") + (read.traceparent or ""))
    assert len(read.aws_trace_header or "") <= len(LONGEST_TRACE.aws_trace_header or "")
    assert len(read.traceparent or "") <= len(LONGEST_TRACE.traceparent or "")


def test_no_trace_is_longer_than_the_longest() -> None:
    """It stands for all of them where container overrides are measured."""
    assert read_trace(LONGEST_TRACE.traceparent, LONGEST_TRACE.aws_trace_header) == ReadTrace(LONGEST_TRACE)
    assert len(TRACEPARENT) == len(str(LONGEST_TRACE.traceparent))
    assert len(TRACE_HEADER) == len(str(LONGEST_TRACE.aws_trace_header))


def test_the_trace_of_the_first_request_is_the_jobs() -> None:
    """The same request again, with another trace or none, changes nothing: the execution and its name are there."""
    first, second = requested(trace=TRACE), requested(trace=Trace(traceparent=LONGEST_TRACE.traceparent))
    job = record(first, second, requested())
    assert job.request == first
    assert owed(job, Moment(NOW, "me")) == (StartExecution(JOB),)


def test_a_notification_goes_on_with_the_trace() -> None:
    """That of a rejection too; without one, none is invented."""
    assert compose(succeeded(), Links()).trace is None
    assert compose(record(rejected(trace=TRACE)), Links()).trace == TRACE
    traced = merge_all(record(requested(trace=TRACE)), succeeded().registers.values())
    assert compose(traced, Links()).trace == TRACE
