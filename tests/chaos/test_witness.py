"""Whose second copy is excused, by the calls that its workers made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.aws.open_jobs import IndexChange
from service.aws.record_items import item_key
from service.aws.record_writes import head_write, last_receipt_counted, receipt_counted
from service.core.record.facts import Claimed
from service.core.record.keys import RecordKey
from service.core.record.register_names import announcing
from tests.chaos.calls import Call
from tests.chaos.witness import Witness
from tests.support.builders import execution, receipt, record, requested

KEY = RecordKey.of_job("job")
CLAIM = Claimed(record_key=KEY, what=announcing(0), owner="first", at=0, seconds=5)
# A claim is written by itself, or by what a worker hears before it announces.
CLAIMING: dict[str, Any] = {
    "by itself": head_write(CLAIM, IndexChange(), CLAIM),
    "by the last receipt": last_receipt_counted(
        receipt(job_id="job"), CLAIM, record(requested(job_id="job"), execution(job_id="job"))
    ),
}


def update(caller: str, written: Any) -> Call:
    """A worker's write to the record of the job."""
    return Call("dynamodb", "UpdateItem", caller, json.dumps({"Key": item_key(KEY), **written}).encode())


@pytest.mark.parametrize("written", CLAIMING.values(), ids=CLAIMING)
def test_who_dies_with_a_claim_excuses_a_second_copy(written: Any) -> None:
    """However the claim was written, and of that worker alone."""
    witness = Witness(claim_seconds=5)
    witness.saw(update("worker1", written), 0.0, 0.1, troubled=False)
    witness.saw_die("worker2")
    assert witness.excused == set()
    witness.saw_die("worker1")
    assert witness.excused == {"job"}


@pytest.mark.parametrize("written", CLAIMING.values(), ids=CLAIMING)
def test_trouble_with_a_claim_excuses_a_second_copy(written: Any) -> None:
    """Its worker may not know that it has it."""
    witness = Witness(claim_seconds=5)
    witness.saw(update("worker1", written), 0.0, 0.1, troubled=True)
    assert witness.excused == {"job"}


def test_what_carries_no_claim_excuses_nobody() -> None:
    """A log's receipt alone is no announcement."""
    witness, counted = Witness(claim_seconds=5), receipt_counted(receipt(job_id="job"), is_last=True)
    witness.saw(update("worker1", counted), 0.0, 0.1, troubled=True)
    witness.saw_die("worker1")
    assert witness.excused == set()
