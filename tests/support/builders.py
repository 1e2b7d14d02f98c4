"""Small makers of requests, facts and events: each gives the usual thing, and takes what a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from schemas.catalog import Catalog
from schemas.plan import Attempt
from service.core.admission.admission import Admitted, Refused, admit
from service.core.record.facts import (
    Announced,
    Claimed,
    ContainerState,
    EndedBefore,
    ExecutionChanged,
    Fact,
    LogArchived,
    Rejected,
    Requested,
    StageBrief,
    TaskChanged,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge

JOB = "thumbs-42"
KEY = RecordKey.of_job(JOB)
MESSAGE = "5fea7756-0ea4-451a-a703-a558b933e274"
ACCOUNT = "eu-central-1:123456789012"
MACHINE = f"arn:aws:states:{ACCOUNT}:stateMachine:jobferry"
CLUSTER = f"arn:aws:ecs:{ACCOUNT}:cluster/jobs"
NOW = 1_700_000_000.0
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def execution_arn(job_id: str = JOB) -> str:
    """The ARN of a job's execution."""
    return f"arn:aws:states:{ACCOUNT}:execution:jobferry:{job_id}"


def task_arn(task_id: str = "t1") -> str:
    """A task's ARN in the new form, with the cluster in it."""
    return f"arn:aws:ecs:{ACCOUNT}:task/jobs/{task_id}"


# The catalogue, and what producers send.


def catalog(*, images: dict[str, Any] | None = None, job_types: dict[str, Any] | None = None) -> Catalog:
    """A catalogue of two images and one job type, with others added or put in their place."""
    known = {
        "echo": {
            "task_definition": "echo",
            "container": "main",
            "commands": [["echo", "**"]],
            "environment": ["MODE", "OPT_*"],
            "timeout_seconds": 600,
        },
        "reporter": {"task_definition": "reporter", "container": "main", "integration": "callback"},
        **(images or {}),
    }
    kinds = {
        "greet": {
            "parameters": {"who": {}, "loud": {"default": False, "choices": [True, False]}},
            "stages": [{"image": "echo", "command": ["echo", "hello {who}", "{loud}"]}],
        },
        **(job_types or {}),
    }
    return Catalog.model_validate_json(json.dumps({"images": known, "job_types": kinds}))


def body(**fields: Any) -> str:
    """A request's text. Without stages or a job type it runs one stage that says hello."""
    if "stages" not in fields and "job_type" not in fields:
        fields["stages"] = [{"image": "echo", "command": ["echo", "hello", "world"]}]
    return json.dumps(fields)


def admitted(text: str, known: Catalog | None = None) -> Admitted:
    """The job that a body is; the test fails where it is refused."""
    verdict = admit(text, MESSAGE, known or catalog())
    assert isinstance(verdict, Admitted), verdict
    return verdict


def refused(text: str, known: Catalog | None = None) -> Refused:
    """The refusal that a body meets; the test fails where it is admitted."""
    verdict = admit(text, MESSAGE, known or catalog())
    assert isinstance(verdict, Refused), verdict
    return verdict


def reasons(text: str, known: Catalog | None = None) -> dict[str, str]:
    """Why a body is refused, by field."""
    return {problem.field: problem.message for problem in refused(text, known).problems}


# Facts and records.


def requested(*, stages: int = 1, integration: str = "sync", **fields: Any) -> Requested:
    """A request that was admitted, of so many stages called stage-1, stage-2 and so on."""
    briefs = tuple(
        StageBrief.model_validate(
            {"name": f"stage-{n}", "image": "echo", "container": "main", "integration": integration}
        )
        for n in range(1, stages + 1)
    )
    usual = {
        "job_id": JOB,
        "digest": "d" * 64,
        "message_id": MESSAGE,
        "submitted_at": NOW,
        "tenant": "web",
        "bucket": "jobferry-logs",
        "execution_input": "{}",
        "stages": briefs,
    }
    return Requested.model_validate({**usual, **fields})


def rejected(**fields: Any) -> Rejected:
    """A request that was not admitted, and whose body is kept."""
    usual = {
        "message_id": MESSAGE,
        "submitted_at": NOW,
        "problems": [{"field": "job_id", "message": "it is odd", "remedy": "Choose another."}],
        "body_s3_uri": f"s3://jobferry-logs/rejected/{MESSAGE}.json",
    }
    return Rejected.model_validate({**usual, **fields})


def execution(status: str = "SUCCEEDED", **fields: Any) -> ExecutionChanged:
    """How an execution is. An ended one ended at NOW + 60."""
    ended = status in {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
    usual = {
        "job_id": JOB,
        "arn": execution_arn(),
        "status": status,
        "observed_via": "event",
        "started_at": NOW,
        "stopped_at": NOW + 60 if ended else None,
    }
    return ExecutionChanged.model_validate({**usual, **fields})


def attempt(stage: int = 1, number: int = 1, *, passed: bool = True, **fields: Any) -> Attempt:
    """An attempt as the planner tells it; its task is t<stage>, or t<stage>-<attempt> after the first."""
    task_id = f"t{stage}" if number == 1 else f"t{stage}-{number}"
    usual = {"passed": passed, "exit_code": 0 if passed else 1, "task_arn": task_arn(task_id)}
    return Attempt.model_validate({"stage": stage, "attempt": number, **usual, **fields})


def container(name: str = "main", exit_code: int | None = 0, **fields: Any) -> ContainerState:
    """A container, which ended well."""
    return ContainerState(name=name, exit_code=exit_code, **fields)


def task(task_id: str = "t1", **fields: Any) -> TaskChanged:
    """A stopped task of the first stage's first attempt."""
    usual = {
        "job_id": JOB,
        "arn": task_arn(task_id),
        "version": 5,
        "last_status": "STOPPED",
        "redrive": 0,
        "stage": 1,
        "attempt": 1,
        "stop_code": "EssentialContainerExited",
        "stopped_reason": "Essential container in task exited",
        "created_at": NOW + 1,
        "pull_started_at": NOW + 3,
        "started_at": NOW + 6,
        "stopped_at": NOW + 50,
        "containers": (container(),),
    }
    return TaskChanged(**{**usual, **fields})


def running(task_id: str = "t1", **fields: Any) -> TaskChanged:
    """A task that runs."""
    usual = {"version": 3, "last_status": "RUNNING", "containers": (container(exit_code=None),)}
    return task(task_id, **{"stop_code": None, "stopped_reason": None, "stopped_at": None, **usual, **fields})


def receipt(task_id: str = "t1", name: str = "main", **fields: Any) -> LogArchived:
    """A log that was archived whole."""
    usual = {
        "job_id": JOB,
        "task_id": task_id,
        "container": name,
        "status": "complete",
        "lines": 2,
        "bytes": 12,
        "sha256": "a" * 64,
        "s3_bucket": "jobferry-logs",
        "s3_key": f"jobs/{JOB}/logs/1-1/{name}-{task_id}.log",
        "log_group": "/jobferry/jobs",
        "log_stream": f"job/{name}/{task_id}",
        "region": "eu-central-1",
    }
    return LogArchived.model_validate({**usual, **fields})


def claim(what: str, owner: str, at: float = NOW, seconds: float = 60, of: RecordKey = KEY) -> Claimed:
    """Somebody's claim."""
    return Claimed(record_key=of, what=what, owner=owner, at=at, seconds=seconds)


def announced(redrive_count: int = 0, of: RecordKey = KEY) -> Announced:
    """That an outcome was announced."""
    return Announced(record_key=of, redrive_count=redrive_count, status="SUCCEEDED", notification_id="x", at=NOW + 70)


def ended_before(redrive_count: int = 0, **fields: Any) -> EndedBefore:
    """How the job had ended before it was redriven."""
    usual = {"status": "ABORTED", "ended_at": NOW + 30}
    return EndedBefore.model_validate({"job_id": JOB, "redrive_count": redrive_count, **usual, **fields})


def merge_all(record: Record, facts: Iterable[Fact]) -> Record:
    """The record after hearing several facts."""
    for fact in facts:
        record = merge(record, fact)
    return record


def record(*facts: Fact) -> Record:
    """The record of a job of which these facts were heard."""
    return merge_all(Record(facts[0].record_key if facts else KEY), facts)


def succeeded(*more: Fact) -> Record:
    """A job of one stage that ended well, its log archived."""
    return record(requested(), execution(attempts=(attempt(),)), task(), receipt(), *more)


# What EventBridge delivers.


def execution_event(status: str = "RUNNING", /, **detail: Any) -> dict[str, Any]:
    """A Step Functions Execution Status Change as it comes today: what is missing is null, times in milliseconds."""
    ended = status not in {"RUNNING", "PENDING_REDRIVE"}
    usual = {
        "executionArn": execution_arn(),
        "stateMachineArn": MACHINE,
        "name": JOB,
        "status": status,
        "startDate": int(NOW * 1000),
        "stopDate": int(NOW * 1000) + 60_000 if ended else None,
        "input": "{}",
        "output": None,
        "inputDetails": {"included": True},
        "outputDetails": None,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
        "error": None,
        "cause": None,
    }
    return _event("aws.states", "Step Functions Execution Status Change", {**usual, **detail})


def task_event(last_status: str = "STOPPED", /, **detail: Any) -> dict[str, Any]:
    """An ECS Task State Change of a Fargate task, with the variables that a job's task is given."""
    given = {
        "JOBFERRY_JOB_ID": JOB,
        "JOBFERRY_REDRIVE": "1",
        "JOBFERRY_STAGE": "1",
        "JOBFERRY_ATTEMPT": "2",
        "TASK_TOKEN": "AAAAKgAAAAIAAAAAAAAAAa-secret-token",
    }
    usual = {
        "taskArn": task_arn(),
        "clusterArn": CLUSTER,
        "taskDefinitionArn": f"arn:aws:ecs:{ACCOUNT}:task-definition/echo:3",
        "group": f"job:{JOB}",
        "lastStatus": last_status,
        "desiredStatus": "STOPPED",
        "version": 5,
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "launchType": "FARGATE",
        "cpu": "256",
        "memory": "512",
        "createdAt": "2023-11-14T22:13:21.1Z",
        "pullStartedAt": "2023-11-14T22:13:23Z",
        "pullStoppedAt": "2023-11-14T22:13:25.07Z",
        "startedAt": "2023-11-14T22:13:26.123Z",
        "stoppedAt": "2023-11-14T22:14:10.61Z",
        "attachments": [{"id": "1", "type": "sdi", "status": "DELETED", "details": []}],
        "containers": [
            {"name": "aws-guardduty-agent-x", "lastStatus": "STOPPED", "reason": "CannotPullContainerError: denied"},
            {"name": "main", "lastStatus": "STOPPED", "exitCode": 0, "runtimeId": "t1-265927825"},
        ],
        "overrides": {
            "containerOverrides": [
                {"name": "aws-guardduty-agent-x"},
                {"name": "main", "environment": [{"name": name, "value": value} for name, value in given.items()]},
            ]
        },
    }
    return _event("aws.ecs", "ECS Task State Change", {**usual, **detail})


def _event(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "8d1f0b2c-0c8b-4d5e-9d0a-4f1f6e3f2b11",
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": "2023-11-14T22:14:11Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }
