"""What is true in the simulated world, by what its containers did; the product is never asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from service.aws.record_items import text_in
from tests.sim.ledger import Ledger
from tests.support.aws.dynamodb import HEAD, Item, SimTable
from tests.support.aws.ecs import SimEcs, Task
from tests.support.aws.s3 import SimBucket
from tests.support.aws.stepfunctions import Execution, SimStepFunctions


@dataclass(frozen=True)
class Truth:
    """The world as it is now."""

    ledger: Ledger
    states: SimStepFunctions
    ecs: SimEcs
    bucket: SimBucket
    table: SimTable

    def token_of(self, execution: Execution) -> str:
        """Which of a job's rival bodies an execution runs."""
        return str(_read(execution.input)["user"])

    def stages_of(self, execution: Execution) -> list[dict[str, Any]]:
        """The stages that an execution was started with."""
        config = _read(execution.input)["lambda_result"]["config"]
        if config["stages_s3"] is None:
            return list(config["stages"])
        return list(json.loads(self.bucket.get(config["stages_s3"]["bucket"], config["stages_s3"]["key"])))

    def tasks_of(self, execution: Execution, stage: int | None = None) -> Iterator[Task]:
        """The tasks of a job, or of one of its stages, oldest first."""
        for task in self.ecs.groups.get(f"job:{execution.name}", ()):
            if stage is None or task.environment["JOBFERRY_STAGE"] == str(stage):
                yield task

    def status_of(self, execution: Execution, redrive_count: int) -> str | None:
        """The status to announce; None where that outcome never was."""
        outcome = execution.outcome_of(redrive_count)
        if outcome is None:
            return None
        if outcome.status == "FAILED" and outcome.error == "JobTimedOut":
            return "TIMED_OUT"
        if outcome.status == "SUCCEEDED" and not self.every_stage_passed(execution):
            return "FAILED"
        return outcome.status

    def every_stage_passed(self, execution: Execution) -> bool:
        """Whether each stage had a container of the job's own that exited with 0, and reported so if it had to."""
        return all(self.stage_passed(execution, number) for number, _ in enumerate(self.stages_of(execution), start=1))

    def stage_passed(self, execution: Execution, number: int) -> bool:
        """Whether one stage had such a container."""
        stage = self.stages_of(execution)[number - 1]
        return any(_passed(task, stage) for task in self.tasks_of(execution, number))

    def last_attempt_of(self, execution: Execution, number: int) -> tuple[int, int]:
        """The last attempt of a stage, as redrive and attempt; one whose task ECS did not take on included."""
        tasks = [place_of(task)[::2] for task in self.tasks_of(execution, number)]
        plan = execution.position.data["lambda_result"]
        planned = [*plan["attempts"], *(plan["outcome"] or {"attempts": []})["attempts"]]
        told = [(item.get("redrive", 0), item["attempt"]) for item in planned if item["stage"] == number]
        return max([*tasks, *told], default=(0, 0))

    def every_sync_stage_passed(self, execution: Execution) -> bool:
        """The same of the stages whose exit codes Step Functions sees: it may not succeed without them."""
        return all(
            any(_passed(task, stage) for task in self.tasks_of(execution, number))
            for number, stage in enumerate(self.stages_of(execution), start=1)
            if stage["integration"] == "sync"
        )

    def request(self, job_id: str) -> dict[str, Any] | None:
        """The request of a job that is on record; without a head, nobody would look after it."""
        if fact_in(self.record(job_id), "request") is None:
            return None
        return fact_in(self.record(job_id, "request"), "request")

    def record(self, job_id: str, part: str = HEAD) -> Item:
        """What is held of a job, or of a rejection: the head, or another part."""
        return self.table.item(job_id, part)


def place_of(task: Task) -> tuple[int, int, int]:
    """Which attempt a task is: redrive, stage, attempt."""
    told = task.environment
    return int(told["JOBFERRY_REDRIVE"]), int(told["JOBFERRY_STAGE"]), int(told["JOBFERRY_ATTEMPT"])


def _passed(task: Task, stage: dict[str, Any]) -> bool:
    own = task.own
    well = own.exit_code == 0 and not (own.reason or "").startswith("OutOfMemory")
    return well and (ended_by_itself(task) if stage["integration"] == "sync" else task.reported == "success")


def ended_by_itself(task: Task) -> bool:
    """Whether nobody stopped it: what it exits with on SIGTERM says nothing of its work."""
    return task.stop_code == "EssentialContainerExited"


def fact_in(item: Item, register: str) -> dict[str, Any] | None:
    """A register of an item."""
    held = item.get(f"r#{register}")
    return dict_of(held) if held else None


def dict_of(register: Item) -> dict[str, Any]:
    """The fact in a register."""
    said = register["M"]["fact"]
    return _read(said["S"]) if "S" in said else _read(text_in(register))


@lru_cache(maxsize=1000)
def _read(text: str) -> dict[str, Any]:
    """A JSON object that is looked at again and again, and never changed."""
    return dict(json.loads(text))


def is_looked_after(item: Item) -> bool:
    """Whether the sweeper will come to this item, or nothing is owed to it any more."""
    if "open_shard" in item and "due_at" in item:
        return True
    execution = fact_in(item, "execution")
    return f"r#announced#{execution.get('redrive_count', 0) if execution else 0}" in item
