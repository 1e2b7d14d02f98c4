"""Step Functions: start an execution, and ask how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.arn import execution_arn
from schemas.events import ExecutionDetail
from service.aws.errors import answered, aws_errors
from service.aws.starts import Starts
from service.core.record.hearing import submitted_task_arns

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient


# Of StartExecution: the same name and input will be refused for ever [botocore, StartExecution]. A state machine that
# is missing, or an ARN that is wrong, is ours to mend.
REFUSED_FOR_GOOD = frozenset({"InvalidName", "InvalidExecutionInput", "ValidationException", "ParamValidationError"})


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
        return execution_arn(self.state_machine_arn, job_id)

    async def start(self, job_id: str, execution_input: str, trace_header: str | None = None) -> Started | None:
        """Start it; None where there is one of this name already.

        The same name with the same input answers alike while it runs, and ExecutionAlreadyExists once it is closed
        [botocore, StartExecution], so a redelivered request meets either: both mean that the job was started. An X-Ray
        trace header is no part of what must be the same.
        """
        trace: Any = {"traceHeader": trace_header} if trace_header else {}
        await self.starts.turn(job_id)
        with answered("ExecutionAlreadyExists"), aws_errors():
            answer = await self.client.start_execution(
                stateMachineArn=self.state_machine_arn, name=job_id, input=execution_input, **trace
            )
            return Started(arn=answer["executionArn"], at=answer["startDate"].timestamp())
        return None

    async def task_arns(self, job_id: str) -> tuple[str, ...]:
        """The ECS tasks that an execution started, by its history; none where there is no such execution."""
        return tuple([arn for output in await self._submitted(job_id) for arn in submitted_task_arns(output)])

    async def _submitted(self, job_id: str) -> list[str]:
        """The answers of RunTask that an execution's history holds."""
        found: list[str] = []
        more: Any = {}
        with answered("ExecutionDoesNotExist"), aws_errors():
            while True:
                page = await self.client.get_execution_history(executionArn=self.arn_of(job_id), **more)
                found.extend(item.get("taskSubmittedEventDetails", {}).get("output", "") for item in page["events"])
                if "nextToken" not in page:
                    return found
                more = {"nextToken": page["nextToken"]}
        return []

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        """How an execution is; None where there is none, or it is forgotten (90 days after its end)."""
        with answered("ExecutionDoesNotExist"), aws_errors():
            return ExecutionDetail.model_validate(
                await self.client.describe_execution(executionArn=self.arn_of(job_id))
            )
        return None
