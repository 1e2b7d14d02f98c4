"""What a job costs on AWS's bill: what was counted of it, by one table of prices. Jobferry's own, not the tasks'.

Left out, for there is no price or it rounds to nothing: StartExecution and GetLogEvents (no price of their own, but
their quotas are the first to end), data within a region, KMS by keys of AWS, storage. The planner's milliseconds are
its own thinking: what Lambda adds to each call is not known here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.plan import Attempt, Config, ExecutionInput, LambdaResult, PlanRequest
from service.core.planning.planning import plan
from tests.bench.lived import Lived
from tests.support.aws.state_machine import DEFINITION
from tests.support.machine import stage
from tests.support.names import EXECUTION_ARN, TASK_ARN

PRICED_AT = "us-east-1, list prices of November 2026"
# USD a million of each.
PRICES: Mapping[str, float] = {
    "Step Functions transitions": 25.0,
    "DynamoDB write units, indexes included": 0.625,
    "DynamoDB read units": 0.125,
    "S3 PUTs": 5.0,
    "SQS requests": 0.40,
    "SNS publishes": 0.50,
    "Lambda invocations": 0.20,
    "Lambda milliseconds of GB": 0.0166667,
    "Logs of the worker, KB": 0.5,  # 0.50 a GB taken in
    "worker, vCPU milliseconds": 1000 * 0.04048 / 3600,
    "reads of logs": 0.0,
}
_FULL_VCPU_MEGABYTES = 1769  # Of a function, from which on it has a whole one [Lambda guide, configuring memory].


@dataclass(frozen=True)
class Bill:
    """What one job uses of each service."""

    stages: int
    used: Mapping[str, float]

    @property
    def write_units(self) -> float:
        """DynamoDB's."""
        return self.used["DynamoDB write units, indexes included"]

    @property
    def dollars(self) -> float:
        """Of a million such jobs."""
        return sum(PRICES[name] * count for name, count in self.used.items())

    def lines(self) -> Iterator[str]:
        """As a table: each service's count a job, and USD a million jobs."""
        yield f"  a million jobs of {self.stages} stage{'s' * (self.stages > 1)}: {self.dollars:,.0f} USD ({PRICED_AT})"
        for name, count in sorted(self.used.items(), key=lambda item: -PRICES[item[0]] * item[1]):
            yield f"      {name:<42} {count:10,.1f} a job {PRICES[name] * count:10,.2f} USD"


def bill(stages: int, life: Lived, memory_megabytes: int) -> Bill:
    """By what was counted of such a job's life, the way through the state machine, and the planner's own time."""
    calls, plans = life.calls, stages + 1
    vcpu = min(1.0, memory_megabytes / _FULL_VCPU_MEGABYTES)
    planning = sum(planner_milliseconds(passed, stages) for passed in range(plans)) / vcpu
    sent = life.sent  # By the producer, and by EventBridge.
    sqs = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibility")
    s3 = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
    return Bill(
        stages,
        {
            "Step Functions transitions": transitions(stages),
            "DynamoDB write units, indexes included": life.units.get("write", 0) + life.units.get("index write", 0),
            "DynamoDB read units": life.units.get("read", 0),
            "S3 PUTs": sum(calls.get(name, 0) for name in s3),
            "SQS requests": sent + sum(calls.get(name, 0) for name in sqs),
            "SNS publishes": calls.get("Publish", 0),
            "Lambda invocations": plans,
            "Lambda milliseconds of GB": planning * memory_megabytes / 1024,
            "Logs of the worker, KB": life.written / 1024,
            "worker, vCPU milliseconds": life.milliseconds,
            "reads of logs": calls.get("GetLogEvents", 0) + calls.get("FilterLogEvents", 0),
        },
    )


def transitions(stages: int) -> int:
    """States that are entered by a job whose stages all pass at once, by the definition that is deployed."""
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    name, entered, passed = definition["StartAt"], 0, 0
    while True:
        state = definition["States"][name]
        entered += 1
        match state["Type"]:
            case "Succeed":
                return entered
            case "Choice":
                name = _chosen(state, "run" if passed < stages else "succeed")
            case _:
                passed += "ecs:runTask" in state["Resource"]
                name = state["Next"]


def _chosen(state: Mapping[str, Any], decision: str) -> str:
    """Where a choice leads after a decision, to the plainest launch."""
    known = {"$.lambda_result.decision": decision, "$.lambda_result.next_stage.launch": "sync"}
    for rule in state["Choices"]:
        tests = rule.get("And", [rule])
        if all("StringEquals" in test and known.get(test["Variable"]) == test["StringEquals"] for test in tests):
            return str(rule["Next"])
    return str(state["Default"])


def planner_milliseconds(passed: int, stages: int, rounds: int = 20) -> float:
    """What planning takes of CPU here once so many stages have passed, warm, from its event to its answer."""
    event = _event(passed, stages)
    began = time.process_time()
    for _ in range(rounds):
        request = PlanRequest.model_validate(event)
        json.dumps(plan(request, request.input.lambda_result.config.stages).model_dump(mode="json"))
    return 1000 * (time.process_time() - began) / rounds


def _event(passed: int, stages: int) -> Any:
    frozen = tuple(stage() for _ in range(stages))
    attempts = tuple(
        Attempt(stage=number, attempt=1, passed=True, task_arn=f"{TASK_ARN}{number:032}", exit_code=0)
        for number in range(1, passed)
    )
    before = LambdaResult(
        total_stages_count=stages,
        processed_stages_count=max(0, passed - 1),
        attempts=attempts,
        config=Config(bucket="logs", stages=frozen),
    )
    request = partial(
        PlanRequest,
        step="plan_next_step",
        execution_arn=f"{EXECUTION_ARN}job",
        started_at="2026-11-24T00:00:00Z",
        now="2026-11-24T00:01:00Z",
    )
    told = request(input=ExecutionInput(job_id="job", lambda_result=before))
    if passed:
        running = plan(told, frozen)
        result = {"TaskArn": f"{TASK_ARN}{passed:032}", "Containers": [{"Name": "main", "ExitCode": 0}]}
        told = request(input=ExecutionInput(job_id="job", lambda_result=running, stage_result=result))
    return told.model_dump(mode="json")
