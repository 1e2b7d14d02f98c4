"""What a job costs in DynamoDB's write units, the indexes' included: little, and the same for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from schemas.plan import Attempt
from service.aws.queue import Message
from service.core.policy.actions import Action, Announce, ArchiveLog, Claim, StartExecution
from service.core.policy.owed import Patience
from service.core.record.facts import (
    Announced,
    ContainerState,
    ExecutionChanged,
    Fact,
    LogArchived,
    StageSpent,
    TaskChanged,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.logs.due import DueLogs
from service.settle import Settling
from tests.support.builders import body
from tests.support.names import EPOCH
from tests.support.whole_path import Path
from tests.support.write_units import WriteUnits

JOB = "thumbnails-2026-11-24-000042"
EXECUTION = f"arn:aws:states:eu-central-1:123456789012:execution:jobferry-jobs:{JOB}"
# Seconds: of a stage until its task runs, until it stops, and of a log until it is read once it is due. A quick stage
# has passed within a hundredth of the quiet time of a log.
STARTS, RUNS, READ = 40.0, 60.0, 2.0
QUICK = 0.1


@dataclass
class Work:
    """What is owed is done at once, and answers as AWS does."""

    clock: list[float]

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        match action:
            case StartExecution():
                return (_execution("STARTED", observed_via="request", started_at=self.clock[0]),)
            case Claim(what=what):
                return (job.new_claim(what, me, self.clock[0], 60),)
            case ArchiveLog(task_id=task_id, container=container):
                return (_receipt(task_id, container, self.clock[0]),)
            case Announce(record_key=key, redrive_count=count):
                spent = [StageSpent(image="image_1", stage=n, passed=True, running=60, memory=512) for n in (1, 2)]
                told = f"{JOB}:{count}:SUCCEEDED"
                return (
                    Announced(
                        record_key=key,
                        redrive_count=count,
                        status="SUCCEEDED",
                        notification_id=told,
                        at=self.clock[0],
                        ended_at=self.clock[0],
                        spent=tuple(spent),
                    ),
                )
        raise AssertionError(f"{action} is not owed to a job that goes well")


def _execution(status: str, **more: object) -> ExecutionChanged:
    return ExecutionChanged.model_validate({"job_id": JOB, "arn": EXECUTION, "status": status, **more})


def _task(number: int, stage: int, attempt: int, began: float) -> TaskChanged:
    return TaskChanged(
        job_id=JOB,
        arn=f"arn:aws:ecs:eu-central-1:123456789012:task/jobferry/{number:032x}",
        version=3,
        last_status="RUNNING",
        redrive=0,
        stage=stage,
        attempt=attempt,
        task_definition_arn="arn:aws:ecs:eu-central-1:123456789012:task-definition/jobferry-image_1:12",
        launch_type="FARGATE",
        cpu="256",
        memory="512",
        created_at=began + 0.123,
        pull_started_at=began + 10.123,
        pull_stopped_at=began + 15.123,
        started_at=began + STARTS,
        containers=(ContainerState(name="main", runtime_id=f"{number:032x}-1234567890"),),
    )


def _stopped(task: TaskChanged, code: int, at: float) -> TaskChanged:
    return task.model_copy(
        update={
            "version": 6,
            "last_status": "STOPPED",
            "stop_code": "EssentialContainerExited",
            "stopped_reason": "Essential container in task exited",
            "stopped_at": at,
            "containers": (task.containers[0].model_copy(update={"exit_code": code}),),
        }
    )


def _receipt(task_id: str, container: str, at: float) -> LogArchived:
    return LogArchived(
        job_id=JOB,
        task_id=task_id,
        container=container,
        status="complete",
        lines=1000,
        bytes=100_000,
        sha256="0" * 64,
        first_at=at - 70.5,
        last_at=at - 11.5,
        archived_at=at - 0.1,
        s3_bucket="jobferry-logbucket-1abcdefghijkl",
        s3_key=f"logs/{JOB}/stage-001/attempt-1/{container}/{task_id}/0123456789abcdef.log",
        log_group="/jobferry/jobferry/tasks",
        log_stream=f"image_1/{container}/{task_id}",
        region="eu-central-1",
    )


@dataclass
class Cost:
    """What a job did to the table."""

    units: WriteUnits
    calls: Counter[str]


async def lived(stages: int, attempts: int, monkeypatch: pytest.MonkeyPatch, *, quick: bool = False) -> Cost:
    """A job of so many stages with so many attempts each, the last of which passes; all events come, each once."""
    path, clock = await Path.laid(), [EPOCH]
    table = replace(path.runtime.table, now=lambda: clock[0], silence_seconds=300, grace_seconds=30)
    cost = Cost(WriteUnits(path.table), Counter())
    client = path.runtime.table.client
    for name in ("get_item", "put_item", "query", "update_item"):
        monkeypatch.setattr(client, name, _counted(cost.calls, name, getattr(client, name)))
    due = DueLogs(lambda: clock[0])
    settling = Settling(table, Work(clock), Patience(30, 900), lambda: clock[0], due_logs=due)
    asked = [{"image": "echo", "command": ["echo", f"stage {number}"]} for number in range(stages)]
    message = Message("5fea7756-0ea4-451a-a703-a558b933e274", body(job_id=JOB, stages=asked), "r", sent_at=EPOCH - 0.2)
    requests = replace(path.requests, jobs=table)
    admitted = await requests.hear(message)
    assert isinstance(admitted, Record)
    await settling.settle(admitted)
    owing = 0
    for number, fact in enumerate(_told(stages, attempts, clock, quick=quick)):
        is_over = isinstance(fact, ExecutionChanged) and fact.ended
        if isinstance(fact, TaskChanged) and not fact.stopped and not quick:
            await _archive(owing, due, settling, clock)
            owing = 0
        await settling.settle(await settling.hear(fact, f"{number:032x}"), f"{number:032x}")
        owing += isinstance(fact, TaskChanged) and fact.stopped
        if is_over:
            await _archive(owing, due, settling, clock)
    assert (await table.read(RecordKey.of_job(JOB))).announced is not None
    return cost


async def _archive(owing: int, due: DueLogs, settling: Settling, clock: list[float]) -> None:
    """What waits is archived when it is due."""
    clock[0] += settling.patience.log_quiet + READ
    for _ in range(owing):
        work, heir = await due.next(), settling.new_work()
        assert work is not None
        await settling.settle(await settling.archive(work, heir), heir)
        due.done()


def _told(stages: int, attempts: int, clock: list[float], *, quick: bool) -> Iterator[Fact]:
    """What EventBridge tells, by the template's rules, in the order in which it usually comes."""
    told: list[Attempt] = []
    for number in range(stages * attempts):
        stage, attempt = number // attempts + 1, number % attempts + 1
        passed = attempt == attempts
        task = _task(number, stage, attempt, clock[0])
        clock[0] += QUICK / 2 if quick else STARTS
        yield task
        clock[0] += QUICK / 2 if quick else RUNS
        told.append(
            Attempt(stage=stage, attempt=attempt, passed=passed, task_arn=task.arn, exit_code=0 if passed else 1)
        )
        yield _stopped(task, 0 if passed else 1, clock[0])
    clock[0] += 0.5
    yield _execution("SUCCEEDED", observed_via="event", started_at=EPOCH, stopped_at=clock[0], attempts=tuple(told))


def _counted(calls: Counter[str], name: str, call: Any) -> Any:
    async def count(**given: Any) -> Any:
        calls[name] += 1
        return await call(**given)

    return count


BUDGETS = {
    (1, 1, "slow"): 16,
    (20, 1, "slow"): 112,
    (100, 1, "slow"): 512,
    (100, 6, "slow"): 3_015,
    (1, 1, "quick"): 16,
    (20, 1, "quick"): 113,
    (100, 1, "quick"): 515,
}


@pytest.mark.parametrize(("shape", "budget"), BUDGETS.items(), ids=[f"{s}x{a}-{pace}" for s, a, pace in BUDGETS])
async def test_a_job_keeps_within_its_budget(
    shape: tuple[int, int, str], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred stages cost a hundred times one, also where all have passed before the first log is archived."""
    stages, attempts, pace = shape
    cost = await lived(stages, attempts, monkeypatch, quick=pace == "quick")
    print(
        shape,
        cost.units.all,
        cost.units.units,
        cost.units.of_indexes,
        cost.units.writes,
        cost.units.largest_head,
        dict(cost.calls),
    )
    assert cost.units.all <= budget
