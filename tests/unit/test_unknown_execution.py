"""An execution that Step Functions does not know: too new for its answers, or deleted. Only the second is an end."""

from __future__ import annotations

from typing import Any, cast

import pytest

from schemas.events import ExecutionDetail
from service.core.policy.actions import AskExecution
from service.core.record.facts import ExecutionChanged, Fact
from service.core.redaction import Redaction
from service.perform import Performer
from tests.support.builders import JOB, NOW, execution, record, requested

HOUR = 3600


class KnowsNone:
    """Step Functions, which has never heard of any execution."""

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        return None


async def asked(now: float, *facts: Fact) -> tuple[Fact, ...]:
    """What asking after the job's execution teaches us at this time."""
    nothing = cast("Any", None)
    executions = cast("Any", KnowsNone())
    performer = Performer(executions, nothing, nothing, nothing, nothing, HOUR, {}, Redaction.of(), 60, lambda: now)
    return await performer.perform(AskExecution(JOB), record(requested(), *facts), "me")


@pytest.mark.parametrize("status", ["STARTED", "RUNNING"])
@pytest.mark.parametrize("seconds", [0, 1, 60, HOUR - 1])
async def test_an_execution_that_just_started_is_not_over(seconds: float, status: str) -> None:
    """DescribeExecution is eventually consistent: a job that runs must not be recorded as aborted."""
    assert await asked(NOW + seconds, execution(status, started_at=NOW)) == ()


@pytest.mark.parametrize("seconds", [HOUR, HOUR + 1, 90 * 86_400])
async def test_an_execution_that_is_unknown_for_an_hour_was_deleted(seconds: float) -> None:
    """It ends as aborted, with the reason in words, so that nobody waits for it for ever."""
    (fact,) = await asked(NOW + seconds, execution("RUNNING", started_at=NOW, redrive_count=2))
    assert isinstance(fact, ExecutionChanged)
    assert (fact.status, fact.redrive_count, fact.stopped_at) == ("ABORTED", 2, NOW + seconds)
    assert (fact.observed_via, fact.detailed, fact.ended) == ("sweep", True, True)
    assert "state machine deleted" in (fact.cause or "")


async def test_one_whose_start_nobody_knows_was_deleted() -> None:
    """It started before anything that we know of."""
    (fact,) = await asked(NOW, execution("RUNNING", started_at=None))
    assert isinstance(fact, ExecutionChanged)
    assert fact.status == "ABORTED"


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
async def test_an_end_that_was_told_stays_as_it_was(status: str) -> None:
    """Step Functions forgets an execution 90 days after its end; how it ended is known for good."""
    assert await asked(NOW + 91 * 86_400, execution(status, detailed=False)) == ()


async def test_an_execution_that_never_started_is_not_over() -> None:
    """There is nothing yet that could have ended: it is owed a start."""
    assert await asked(NOW + 2 * HOUR) == ()
