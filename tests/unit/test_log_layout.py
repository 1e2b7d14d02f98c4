"""Where things lie in S3, and the links into the console."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.core.log_layout import log_key, log_stream, rejected_key, s3_uri, safe_segment, split_s3_uri, stage_prefix
from service.core.telling.console import execution_url, log_stream_url
from tests.support.builders import JOB, execution_arn


def test_links_into_the_console() -> None:
    """For people who are signed in; where the region is unknown there is none."""
    url = execution_url(execution_arn())
    assert url is not None
    assert url.startswith("https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions")
    assert execution_url("nonsense") is None
    assert execution_url("arn:aws:states::1:execution:m:n") is None
    log = log_stream_url("cn-north-1", "/jobferry/jobs", "job/main/t1")
    assert log == (
        "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1"
        "#logsV2:log-groups/log-group/$252Fjobferry$252Fjobs/log-events/job$252Fmain$252Ft1"
    )
    assert log_stream_url("eu-west-1", None, "x") is None


def test_where_things_lie_in_S3() -> None:
    """Keys need no escaping, whatever a container is called."""
    assert log_key(JOB, 2, 3, "main", "t1", "w1") == f"jobs/{JOB}/logs/2-3/main-t1.w1.log"
    assert log_key(JOB, None, None, "main", "t1", "w1") == f"jobs/{JOB}/logs/other/main-t1.w1.log"
    assert log_key(JOB, 1, None, "../x y", "t1", "w/1") == f"jobs/{JOB}/logs/1-1/_x_y-t1.w_1.log"
    assert stage_prefix(JOB, 1) == f"jobs/{JOB}/stages/1/"
    assert rejected_key("../../etc") == "rejected/_.._etc.json"
    assert log_key(JOB, 1, 1, "c" * 254 + "a", "t1", "w1") != log_key(JOB, 1, 1, "c" * 254 + "b", "t1", "w1")
    assert log_key(JOB, 1, 1, "main", "t1", "w1") != log_key(JOB, 1, 1, "main", "t1", "w2"), "a log is written once"


def test_a_URI_stays_and_a_key_lies_in_our_bucket() -> None:
    """Producers may give either."""
    assert s3_uri("b", "s3://other/x") == "s3://other/x"
    assert s3_uri("b", "x/y") == "s3://b/x/y"
    assert s3_uri("b", None) == s3_uri("b", "") == ""


def test_an_S3_URI_is_taken_apart() -> None:
    """Bucket and key, or nothing: a path of a file is no URI."""
    assert split_s3_uri("s3://bucket/a/b.json") == ("bucket", "a/b.json")
    assert split_s3_uri("s3://bucket") is None
    assert split_s3_uri("deploy/catalog.yaml") is None
    assert split_s3_uri(None) is None


@given(st.text())
def test_no_text_leaves_its_segment_of_a_key(text: str) -> None:
    """No slash, no dots alone, nothing to escape, never empty."""
    segment = safe_segment(text)
    assert segment.isascii()
    assert segment
    assert "/" not in segment
    assert segment.strip(".") == segment


def test_the_stream_of_a_container() -> None:
    """With a prefix by the task, without one by the Docker id, if that is known."""
    assert log_stream("job", "main", "t1", "r1") == "job/main/t1"
    assert log_stream(None, "main", "t1", "r1") == "r1"
    assert log_stream(None, "main", "t1", None) is None
