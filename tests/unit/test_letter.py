"""The body of an e-mail: only what is known is told."""

from __future__ import annotations

from service.core.record.facts import Fact
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose
from tests.support.builders import attempt, container, execution, receipt, record, requested, task


def letter(*facts: Fact) -> str:
    """The letter about a job."""
    return compose(record(*facts), Links({}), {}, Redaction.of()).text


def test_only_a_stage_that_passed_has_an_output() -> None:
    """What a failed stage left in S3 is nobody's result, and one that never ran left nothing."""
    passed = letter(requested(), execution(attempts=(attempt(),)), task(), receipt())
    assert "Output: s3://jobferry-logs/jobs/thumbs-42/stages/1/" in passed
    failed = task(containers=(container(exit_code=1),))
    told = letter(requested(stages=2), execution("FAILED", attempts=(attempt(passed=False),)), failed, receipt())
    assert "Output:" not in told
    assert "None" not in told
