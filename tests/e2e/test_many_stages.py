"""A job of as many stages as there may be."""

from __future__ import annotations

from tests.support.job_requests import shell
from tests.support.system import System, receipts

STAGES = 100


def test_a_hundred_stages_pass_and_are_told_of_in_time(system: System) -> None:
    """Two hundred task events of one job are settled together, and every log has its receipt."""
    system.send({"job_id": "hundred", "stages": [shell(f"echo {number}") for number in range(STAGES)]})
    notification = system.told("hundred")
    assert notification.status == "SUCCEEDED"
    assert [receipt.status for receipt in receipts(notification)] == ["complete"] * STAGES
