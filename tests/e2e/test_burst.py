"""A burst in real time, against the quotas of `jobferry local --quotas`: it waits, says so, and nothing fails."""

from __future__ import annotations

from collections import Counter

from .conftest import BURST_JOBS, Burst


def test_every_job_of_a_burst_succeeds(burst: Burst) -> None:
    """Far more at once than RunTask takes: none fails for the throttle, and none uses up a retry for it."""
    assert Counter(told.status for told in burst.outcomes.values()) == {"SUCCEEDED": BURST_JOBS}
    attempts = [len(stage.attempts) for told in burst.outcomes.values() for stage in told.stages]
    assert attempts == [1] * BURST_JOBS


def test_progress_says_that_a_job_waits_for_capacity(burst: Burst) -> None:
    """Since when, how often it was tried, and why; for a person as well."""
    assert burst.waits
    for told in burst.waits.values():
        assert told.waiting is not None
        assert told.waiting.failure_class == "throttled"
        assert told.waiting.tries >= 1
        assert "waits for capacity" in told.text


def test_the_record_says_that_a_job_waited_for_capacity(burst: Burst) -> None:
    """What progress told of, and the jobs that were through before it could be told."""
    assert {told.job_id for told in burst.waits.values()} <= burst.recorded.keys()
    for fact in burst.recorded.values():
        assert (fact.failure_class, fact.stage, fact.image) == ("throttled", 1, "image_1")
        assert "Rate exceeded" in fact.why
