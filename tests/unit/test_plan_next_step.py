"""The planner's Lambda: where it reads the stages, and what it answers."""

from __future__ import annotations

import io
from typing import Any

import pytest

from schemas.plan import Config, ExecutionInput, LambdaResult, PlanRequest, S3Object, Stage
from tests.support.builders import JOB, execution_arn
from tests.support.machine import stage
from workers.plan_next_step import handler


def event(**config: Any) -> dict[str, Any]:
    """What the state machine hands over at the first step of a job of one stage."""
    result = LambdaResult(total_stages_count=1, processed_stages_count=0, config=Config(bucket="b", **config))
    return PlanRequest(
        step="plan_next_step",
        execution_arn=execution_arn(),
        started_at="2026-01-01T00:00:00Z",
        now="2026-01-01T00:00:01Z",
        input=ExecutionInput(job_id=JOB, lambda_result=result),
    ).model_dump(mode="json")


class S3:
    """S3, which holds one object."""

    def __init__(self, stages: list[Stage]) -> None:
        self.body = "[" + ",".join(item.model_dump_json() for item in stages) + "]"
        self.asked: list[dict[str, str]] = []

    def get_object(self, **where: str) -> dict[str, Any]:
        self.asked.append(where)
        return {"Body": io.BytesIO(self.body.encode())}


def test_stages_that_were_too_large_to_travel_are_read_from_S3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the input are then none."""
    s3 = S3([stage(name="from S3")])
    monkeypatch.setattr("boto3.client", {"s3": s3}.__getitem__)
    answer = handler(event(stages_s3=S3Object(bucket="b", key="jobs/j/input/d.json")), None)
    assert (answer["decision"], answer["next_stage"]["name"]) == ("run", "from S3")
    assert s3.asked == [{"Bucket": "b", "Key": "jobs/j/input/d.json"}]


def test_stages_that_travel_are_read_from_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer is plain JSON, for the state machine."""
    monkeypatch.setattr("boto3.client", None)
    answer = handler(event(stages=(stage(name="in the input"),)), None)
    assert answer["next_stage"]["name"] == "in the input"
    assert LambdaResult.model_validate(answer).model_dump(mode="json") == answer
