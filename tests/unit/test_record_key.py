"""Whose record it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import JOB_ID_PATTERN
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from tests.support.builders import MESSAGE, rejected

KEYS = st.one_of(
    st.from_regex(JOB_ID_PATTERN, fullmatch=True).map(RecordKey.of_job),
    st.uuids().map(str).map(RecordKey.of_rejection),
    st.uuids().map(str).map(RecordKey.of_failure),
    st.uuids().map(lambda token: token.hex).map(RecordKey.of_replay),
)


@given(KEYS)
def test_a_key_is_read_as_it_was_written(key: RecordKey) -> None:
    """The table holds it as a text."""
    assert RecordKey.read(str(key)) == key


@given(KEYS, KEYS)
def test_two_keys_never_share_an_item(one: RecordKey, other: RecordKey) -> None:
    """No producer can choose a job id that is a rejection's key."""
    assert (str(one) == str(other)) == (one == other)


def test_a_rejections_record_is_of_no_job() -> None:
    """It is kept under its message's id; to take that for a job's is a bug, and seen."""
    record = Record(rejected().record_key)
    assert record.key.id == MESSAGE
    assert record.key.log_fields == {"message_id": MESSAGE}
    with pytest.raises(AssertionError, match="no job"):
        _ = record.job_id


def test_a_jobs_record() -> None:
    """It is kept under the job's id, and named by it."""
    record = Record.of_job("thumbs-42")
    assert (record.job_id, str(record.key), record.key.log_fields) == (
        "thumbs-42",
        "thumbs-42",
        {"job_id": "thumbs-42"},
    )
