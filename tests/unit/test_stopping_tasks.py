"""Stopping a task that outlived its execution: what ECS answers is heard at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from schemas.events import TaskDetail
from service.aws.errors import AwsError
from service.core.policy.actions import StopTask
from service.core.record.facts import Fact, TaskChanged
from service.core.redaction import Redaction
from service.metrics import UNMETERED
from service.perform import STOP_REASON, Performer
from tests.support.builders import JOB, NOW, execution, record, requested, running, task_arn, task_event


@dataclass
class Ecs:
    """Stops a task, or says why not."""

    answer: TaskDetail | AwsError | None
    stopped: list[tuple[str, str]] = field(default_factory=list)

    async def stop(self, arn: str, reason: str) -> TaskDetail | None:
        self.stopped.append((arn, reason))
        if isinstance(self.answer, AwsError):
            raise self.answer
        return self.answer


async def stopped(answer: TaskDetail | AwsError | None) -> tuple[Fact, ...]:
    """What stopping a task teaches us."""
    nothing, ecs = cast("Any", None), Ecs(answer)
    performer = Performer(
        nothing, cast("Any", ecs), nothing, nothing, nothing, 3600, {}, Redaction.of(), 60, lambda: NOW + 100, UNMETERED
    )
    job = record(requested(), execution("ABORTED"), running())
    facts = await performer.perform(StopTask(JOB, task_arn()), job, "me")
    assert ecs.stopped == [(task_arn(), STOP_REASON)]
    return facts


async def test_what_ecs_answers_is_heard() -> None:
    """So the record knows without an event that the task is on its way out."""
    detail = TaskDetail.model_validate(task_event("DEPROVISIONING", version=9)["detail"])
    (fact,) = await stopped(detail)
    assert isinstance(fact, TaskChanged)
    assert (fact.job_id, fact.arn, fact.last_status, fact.version) == (JOB, task_arn(), "DEPROVISIONING", 9)


async def test_a_task_that_ecs_does_not_know_needs_no_stop() -> None:
    """Nothing is learnt, and nothing is wrong."""
    assert await stopped(None) == ()


async def test_a_refusal_is_raised() -> None:
    """The message is then tried again: the task runs, and costs."""
    with pytest.raises(AwsError):
        await stopped(AwsError("Rate exceeded", "ThrottlingException", 400))
