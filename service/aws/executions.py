"""Step Functions: start an execution, and ask how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.events import ExecutionDetail
from service.aws.starts import Starts
from service.core.record.hearing import submitted_task_arns

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient


@dataclass(frozen=True)
class Started:
    """StartExecution's answer."""

    arn: str
    at: float


@dataclass(frozen=True)
class Executions:
    """The executions of one state machine, whose names are job ids."""

    client: SFNClient
    state_machine_arn: str
    starts: Starts

    def arn_of(self, job_id: str) -> str:
        """The ARN that an execution of this name has."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}"

    async def start(self, job_id: str, execution_input: str, trace_header: str | None = None) -> Started | None:
        """Start it; None where there is one of this name already.

        The same name with the same input answers alike while it runs, and ExecutionAlreadyExists once it is closed
        [botocore, StartExecution], so a redelivered request meets either: both mean that the job was started. An X-Ray
        trace header is no part of what must be the same.
        """
        trace: Any = {"traceHeader": trace_header} if trace_header else {}
        await self.starts.turn()
        try:
            answer = await self.client.start_execution(
                stateMachineArn=self.state_machine_arn, name=job_id, input=execution_input, **trace
            )
        except self.client.exceptions.ExecutionAlreadyExists:
            return None
        return Started(arn=answer["executionArn"], at=answer["startDate"].timestamp())

    async def task_arns(self, job_id: str) -> tuple[str, ...]:
        """The ECS tasks that an execution started, by its history; none where there is no such execution."""
        found: list[str] = []
        more: Any = {}
        while True:
            try:
                page = await self.client.get_execution_history(executionArn=self.arn_of(job_id), **more)
            except self.client.exceptions.ExecutionDoesNotExist:
                return ()
            for event in page["events"]:
                found.extend(submitted_task_arns(event.get("taskSubmittedEventDetails", {}).get("output", "")))
            if "nextToken" not in page:
                return tuple(found)
            more = {"nextToken": page["nextToken"]}

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        """How an execution is; None where there is none, or it is forgotten (90 days after its end)."""
        try:
            answer = await self.client.describe_execution(executionArn=self.arn_of(job_id))
        except self.client.exceptions.ExecutionDoesNotExist:
            return None
        return ExecutionDetail.model_validate(answer)
