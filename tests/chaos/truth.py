"""What AWS itself says of every job, asked straight: its executions, its tasks, its queues, its records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from deploy.local.local_run import LocalRun
from schemas.arn import execution_arn
from schemas.control import ControlMessage
from service.core.record.keys import RecordKey

_TASKS_A_CALL = 100
_QUEUES = ("Request", "Event", "Control")
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
Codes = dict[tuple[int, int, int], int | None]
"""Exit codes of a job's own containers, by redrive, stage and attempt."""
# What ends an execution, or a part of it before a redrive, by the events of its history.
_ENDS = {"ExecutionFailed": "FAILED", "ExecutionAborted": "ABORTED", "ExecutionTimedOut": "TIMED_OUT"}


@dataclass(frozen=True)
class Execution:
    """One execution, as Step Functions tells it. `before`: how it had ended before each of its redrives."""

    name: str
    status: str
    user: str
    job_id: str
    before: tuple[str, ...] = ()
    redriven_at: tuple[float, ...] = ()

    @property
    def statuses(self) -> tuple[str, ...]:
        """How it ended, by redrive count."""
        return (*self.before, self.status)


@dataclass(frozen=True)
class Truth:
    """Everything at the end of a drill. `open_records`: jobs that the sweeper still looks after.

    `beside`: for how many seconds tasks of before a redrive ran on after it.
    """

    executions: tuple[Execution, ...]
    codes: Mapping[str, Codes]
    tasks_twice: int
    open_records: frozenset[str]
    queued: int
    dead_lettered: int
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Asking:
    """Asks the embedded AWS, past the proxy."""

    run: LocalRun
    _clients: dict[str, Any] = field(default_factory=dict)

    def truth(self) -> Truth:
        """How everything is now."""
        tasks = [*self._tasks("RUNNING"), *self._tasks("STOPPED")]
        executions = tuple(self._executions())
        return Truth(
            executions=executions,
            codes=_codes_of(tasks),
            tasks_twice=len(tasks) - len({_place(task) for task in tasks}),
            open_records=self.open_records(),
            queued=self.queued(),
            dead_lettered=sum(self._messages(f"{queue}DeadLetterQueueUrl") for queue in _QUEUES),
            beside=_beside(tasks, executions, time.time()),
        )

    def queued(self) -> int:
        """Messages that a worker has yet to take or to delete."""
        return self._messages("RequestQueueUrl") + self._messages("EventQueueUrl") + self.wishes_waiting()

    def wishes_waiting(self) -> int:
        """Wishes that a worker has yet to hear, or to delete."""
        return self._messages("ControlQueueUrl")

    def ask(self, wish: ControlMessage) -> str:
        """Send a control message, as people do; answers with its id."""
        queue, body = self.run.stack.outputs["ControlQueueUrl"], wish.model_dump_json(exclude_none=True)
        return str(self._client("sqs").send_message(QueueUrl=queue, MessageBody=body)["MessageId"])

    def running(self) -> set[str]:
        """The names of the executions that run."""
        return {item["name"] for item in self._listed(statusFilter="RUNNING")}

    def at_work(self) -> set[tuple[str, int]]:
        """The jobs of which a container runs, each with the redrive that it is of."""
        return {_place(task)[:2] for task in self._tasks("RUNNING") if task["lastStatus"] == "RUNNING"}

    def stop(self, name: str) -> None:
        """Stop an execution, as an operator does."""
        machine = self.run.stack.outputs["StateMachineArn"]
        self._client("stepfunctions").stop_execution(
            executionArn=execution_arn(machine, name), cause="the drill stops it"
        )

    def redrive(self, name: str) -> bool:
        """Redrive an execution, as an operator does; False where it has not quite ended yet."""
        machine = self.run.stack.outputs["StateMachineArn"]
        try:
            self._client("stepfunctions").redrive_execution(executionArn=execution_arn(machine, name))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionNotRedrivable":
                raise
            return False
        return True

    def open_records(self) -> frozenset[str]:
        """The jobs that are in the sweeper's index."""
        pages = self._client("dynamodb").get_paginator("scan")
        found = pages.paginate(
            TableName=self.run.stack.outputs["JobsTableName"],
            FilterExpression="attribute_exists(open_shard)",
            ProjectionExpression="record_key",
        )
        return frozenset(RecordKey.read(item["record_key"]["S"]).id for page in found for item in page["Items"])

    def depth(self, url: str) -> int:
        """How many messages a queue has, in flight and delayed included."""
        answer = self._client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))
        return sum(int(answer["Attributes"][name]) for name in _COUNTS)

    def _messages(self, output: str) -> int:
        return self.depth(self.run.stack.outputs[output])

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.run.session.client(service)
        return self._clients[service]

    def _listed(self, **members: str) -> Iterator[dict[str, Any]]:
        pages = self._client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=self.run.stack.outputs["StateMachineArn"], **members):
            yield from page["executions"]

    def _executions(self) -> Iterator[Execution]:
        states = self._client("stepfunctions")
        for item in self._listed():
            given = json.loads(states.describe_execution(executionArn=item["executionArn"])["input"])
            events = self._history(item["executionArn"]) if item.get("redriveCount") else []
            yield Execution(
                name=item["name"],
                status=item["status"],
                user=given.get("user") or "",
                job_id=given["job_id"],
                before=_ends(events)[: item.get("redriveCount", 0)],
                redriven_at=tuple(
                    event["timestamp"].timestamp() for event in events if event["type"] == "ExecutionRedriven"
                ),
            )

    def _history(self, arn: str) -> list[dict[str, Any]]:
        pages = self._client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def _tasks(self, desired: str) -> Iterator[dict[str, Any]]:
        ecs, cluster = self._client("ecs"), self.run.stack.outputs["ClusterName"]
        pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=desired)
        arns = [arn for page in pages for arn in page["taskArns"]]
        for start in range(0, len(arns), _TASKS_A_CALL):
            yield from ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + _TASKS_A_CALL])["tasks"]


def _codes_of(tasks: list[dict[str, Any]]) -> dict[str, Codes]:
    codes: dict[str, Codes] = {}
    for task in tasks:
        job_id, redrive, stage, attempt = _place(task)
        codes.setdefault(job_id, {})[redrive, stage, attempt] = task["containers"][0].get("exitCode")
    return codes


def _ends(events: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(_ENDS[event["type"]] for event in events if event["type"] in _ENDS)


def _beside(tasks: list[dict[str, Any]], executions: tuple[Execution, ...], now: float) -> dict[str, float]:
    redriven_at = {execution.job_id: execution.redriven_at for execution in executions}
    beside: dict[str, float] = {}
    for task in tasks:
        job_id, redrive, stage, attempt = _place(task)
        later = redriven_at.get(job_id, ())[redrive:]
        stopped_at = task["stoppedAt"].timestamp() if "stoppedAt" in task else now
        if later:
            beside[f"{job_id}: redrive {redrive}, stage {stage}, attempt {attempt}"] = stopped_at - later[0]
    return beside


def _place(task: dict[str, Any]) -> tuple[str, int, int, int]:
    """Whose task it is: job, redrive, stage, attempt. The task definitions of the drill have one container each."""
    overrides = task["overrides"]["containerOverrides"]
    told = {pair["name"]: pair["value"] for item in overrides for pair in item.get("environment", [])}
    redrive, stage, attempt = (int(told[f"JOBFERRY_{name}"]) for name in ("REDRIVE", "STAGE", "ATTEMPT"))
    return told["JOBFERRY_JOB_ID"], redrive, stage, attempt
