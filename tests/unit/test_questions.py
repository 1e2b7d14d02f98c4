"""Questions that a record is owed: whom they are put to, and what an answer that knows nothing means.

An execution that Step Functions does not know is too new for its answers, or deleted: only the second is an end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from schemas.events import ExecutionDetail, TaskDetail
from service.core.policy.actions import AskEarlierEnds, AskExecution, AskHistory, AskTask
from service.core.policy.owed import Moment, owed
from service.core.record.facts import EndedBefore, ExecutionChanged, Fact, TaskChanged
from service.core.redaction import Redaction
from service.metrics import UNMETERED
from service.perform import Performer
from tests.support.builders import JOB, NOW, execution, record, requested, running, task, task_arn, task_event

HOUR = 3600


class KnowsNone:
    """Step Functions, which has never heard of any execution."""

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        return None


async def asked(now: float, *facts: Fact) -> tuple[Fact, ...]:
    """What asking after the job's execution teaches us at this time."""
    nothing = cast("Any", None)
    executions = cast("Any", KnowsNone())
    performer = Performer(
        executions, nothing, nothing, nothing, nothing, HOUR, {}, Redaction.of(), 60, lambda: now, UNMETERED
    )
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


@dataclass
class History:
    """An execution's history, which names its tasks, and an ECS that knows some of them."""

    arns: tuple[str, ...]
    known_to_ecs: tuple[str, ...]
    described: list[str] = field(default_factory=list)
    was_redriven: bool = False
    submitted_at: float = NOW

    async def history(self, job_id: str) -> list[dict[str, Any]]:
        submitted = [
            {
                "type": "TaskSubmitted",
                "timestamp": datetime.fromtimestamp(self.submitted_at, UTC),
                "taskSubmittedEventDetails": {"output": json.dumps({"Tasks": [{"TaskArn": arn}]})},
            }
            for arn in self.arns
        ]
        aborted = {"type": "ExecutionAborted", "timestamp": datetime.fromtimestamp(NOW, UTC)}
        return [*submitted, aborted, {"type": "ExecutionRedriven"}] if self.was_redriven else submitted

    async def describe(self, arn: str) -> TaskDetail | None:
        self.described.append(arn)
        return TaskDetail.model_validate(task_event(taskArn=arn)["detail"]) if arn in self.known_to_ecs else None

    async def asked(self, action: AskEarlierEnds | AskHistory | AskTask, *facts: Fact) -> tuple[Fact, ...]:
        """What one question teaches us an hour later, of a job that has timed out."""
        return await self.asked_at(NOW + HOUR, action, execution("TIMED_OUT"), *facts)

    async def asked_at(
        self, now: float, action: AskEarlierEnds | AskHistory | AskTask, *facts: Fact
    ) -> tuple[Fact, ...]:
        """What one question teaches us at this time."""
        nothing, aws = cast("Any", None), cast("Any", self)
        performer = Performer(aws, aws, nothing, nothing, nothing, HOUR, {}, Redaction.of(), 60, lambda: now, UNMETERED)
        return await performer.perform(action, record(requested(), *facts), "me")


T1, T2, T3 = (task_arn(name) for name in ("t1", "t2", "t3"))


async def test_of_a_history_only_tasks_that_nobody_told_of_are_asked_after() -> None:
    """How the others ended is known; ECS may have forgotten them since, and that answer would outweigh it."""
    history = History((T1, T2, T3), known_to_ecs=(T2,))
    heard, forgotten = await history.asked(AskHistory(JOB), task())
    assert history.described == [T2, T3]
    assert isinstance(heard, TaskChanged) and isinstance(forgotten, TaskChanged)
    assert (heard.arn, heard.stopped, heard.forgotten) == (T2, True, False)
    assert (forgotten.arn, forgotten.stopped_at, forgotten.forgotten) == (T3, NOW + HOUR, True)


async def test_whoever_asks_how_a_run_ended_is_told_of_all_its_tasks() -> None:
    """It is asked once. The ends are learnt last, so that whoever dies in between leaves it to be asked again."""
    history = History((T1, T2), known_to_ecs=(T2,), was_redriven=True)
    told, ended = await history.asked_at(
        NOW + HOUR, AskEarlierEnds(JOB), execution("SUCCEEDED", redrive_count=1), task()
    )
    assert isinstance(told, TaskChanged) and told.arn == T2
    assert isinstance(ended, EndedBefore) and (ended.redrive_count, ended.status) == (0, "ABORTED")


async def test_a_task_that_ecs_has_forgotten_keeps_what_is_known_of_it() -> None:
    """Its containers' names above all: their logs outlive it."""
    history = History((), known_to_ecs=())
    (fact,) = await history.asked(AskTask(JOB, T1), running("t2"), running())
    assert isinstance(fact, TaskChanged)
    assert (fact.arn, fact.last_status, fact.forgotten) == (T1, "STOPPED", True)
    assert fact.containers == running().containers


@pytest.mark.parametrize(
    ("seconds", "facts"),
    [
        (HOUR, (execution("RUNNING"),)),
        (19, (execution("TIMED_OUT", stopped_at=NOW),)),
        (19, (execution("TIMED_OUT", stopped_at=NOW - HOUR), running(arn=T1, created_at=NOW))),
    ],
    ids=["the execution runs", "it has just ended", "the task was just created"],
)
async def test_a_task_that_ecs_may_not_know_yet_is_not_forgotten(seconds: float, facts: tuple[Fact, ...]) -> None:
    """DescribeTasks is eventually consistent: how a new task ends would never be asked after again."""
    assert await History((), ()).asked_at(NOW + seconds, AskTask(JOB, T1), *facts) == ()


async def test_a_new_task_that_the_history_names_is_held_by_its_name() -> None:
    """The job is not announced before it is known how that ended."""
    history = History((T1,), (), submitted_at=NOW + HOUR - 19)
    (fact,) = await history.asked_at(NOW + HOUR, AskHistory(JOB), execution("RUNNING"))
    assert isinstance(fact, TaskChanged)
    assert (fact.arn, fact.stopped, fact.forgotten) == (T1, False, False)
    assert record(requested(), execution("RUNNING"), fact).open_task_arns() == (T1,)


async def test_a_new_task_of_a_redrive_that_nobody_told_of_is_not_forgotten() -> None:
    """The end that is known of is long over; and that it was started since says that there was a redrive."""
    history, ended = History((T1,), (), submitted_at=NOW + HOUR - 19), execution("ABORTED", stopped_at=NOW)
    (fact,) = await history.asked_at(NOW + HOUR, AskHistory(JOB), ended)
    assert isinstance(fact, TaskChanged)
    assert (fact.stopped, fact.created_at) == (False, NOW + HOUR - 19)
    assert AskExecution(JOB) in owed(record(requested(), ended, fact), Moment(NOW + HOUR, "me"))


@pytest.mark.parametrize(
    "facts",
    [
        (execution("TIMED_OUT", stopped_at=NOW),),
        (execution("RUNNING"), running(arn=T1, created_at=NOW)),
    ],
    ids=["the execution ended", "the task was created"],
)
async def test_a_task_that_is_unknown_for_a_while_is_forgotten(facts: tuple[Fact, ...]) -> None:
    """Nothing more will be heard of it but its event, if that waits in a queue."""
    (fact,) = await History((), ()).asked_at(NOW + 20, AskTask(JOB, T1), *facts)
    assert isinstance(fact, TaskChanged)
    assert fact.forgotten
