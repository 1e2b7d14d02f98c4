"""What a list of running executions spares: which jobs need no more than questions, and what an answer means."""

from __future__ import annotations

import pytest

from service.core.policy.listed import news_of, tasks_to_ask_after
from service.core.policy.owed import Moment
from service.core.record.facts import Fact
from service.core.record.wishes import CancelAsked
from tests.support.builders import JOB, NOW, execution, record, requested, task, task_arn

AT = Moment(NOW, "me")
CANCEL = CancelAsked(job_id=JOB, tenant="web", asked_at=NOW)

JOBS: dict[str, tuple[tuple[Fact, ...], tuple[str, ...] | None]] = {
    "it runs, and no task is known": ((execution("RUNNING"),), ()),
    "a task of it runs": ((execution("RUNNING"), task("t1", last_status="RUNNING", version=2)), (task_arn("t1"),)),
    "it was never started": ((), None),
    "it has ended": ((execution("FAILED"),), None),
    "it was redriven, so that its history is asked for": ((execution("RUNNING", redrive_count=1),), None),
    "a log of it is to be archived": ((execution("RUNNING"), task("t1")), None),
    "somebody wants it cancelled": ((execution("RUNNING"), CANCEL), None),
}


@pytest.mark.parametrize(("facts", "arns"), JOBS.values(), ids=JOBS)
def test_what_is_asked_after_of_a_job_that_is_named(facts: tuple[Fact, ...], arns: tuple[str, ...] | None) -> None:
    """Its open tasks; whatever else is owed to it is for the sweeper."""
    assert tasks_to_ask_after(record(requested(), *facts), AT) == arns


def test_what_ecs_says_of_tasks_that_run_is_no_news_or_is_to_be_heard() -> None:
    """What stopped, or is not known to ECS, needs more than that."""
    known, later = task("t1", last_status="RUNNING", version=2), task("t1", last_status="RUNNING", version=3)
    job, arns = record(requested(), execution("RUNNING"), known), (task_arn("t1"),)
    assert news_of(job, arns, {known.arn: known}) == ()
    assert news_of(job, arns, {later.arn: later}) == (later,)
    assert news_of(job, arns, {known.arn: task("t1", version=4)}) is None
    assert news_of(job, arns, {}) is None
    assert news_of(job, (), {}) == ()
