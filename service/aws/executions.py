"""Step Functions: start an execution, and ask how it is."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.arn import execution_arn
from schemas.errors import JobferryError
from schemas.events import ExecutionDetail
from service.aws.errors import AwsError, answered, aws_errors
from service.aws.pace import Pace
from service.aws.starts import Starts

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient
    from types_aiobotocore_stepfunctions.type_defs import (
        ExecutionListItemTypeDef,
        HistoryEventTypeDef,
        ListExecutionsOutputTypeDef,
    )

# The most that one call may give [botocore]. 20 of them are well within ListExecutions' bucket, and with the filter
# hold the redrives of years.
_A_PAGE = 1000
_MOST_PAGES = 20
# "Maximum open executions per account: 1,000,000" [SFN guide 2023, limits-overview], and a page may be short.
_MOST_PAGES_OF_RUNNING = 2000
# Half of the quota of most regions, since others read lists too.
_LISTS_PER_SECOND = 1


class TooManyRedrivesError(JobferryError):
    """More executions than can be looked through in one go did something since the last look for redrives."""


def _moment_of(item: ExecutionListItemTypeDef) -> float:
    """By when ListExecutions sorts."""
    moments = [item.get("stopDate"), item.get("redriveDate"), item["startDate"]]
    return max(moment.timestamp() for moment in moments if moment is not None)


# Of StartExecution: the same name and input will be refused for ever [botocore, StartExecution]. A state machine that
# is missing, or an ARN that is wrong, is ours to mend.
REFUSED_FOR_GOOD = frozenset({"InvalidName", "InvalidExecutionInput", "ValidationException", "ParamValidationError"})


# Of RedriveExecution: it succeeded, is older than 14 days, has used up its history, or is no longer there
# [botocore, RedriveExecution].
NOT_REDRIVABLE = frozenset({"ExecutionNotRedrivable", "ExecutionDoesNotExist", "ValidationException"})
# What IAM, or a key's policy, does not let us do: no repeat helps until somebody lets us [botocore, StopExecution].
NOT_ALLOWED = frozenset({"AccessDeniedException", "AccessDenied", "KmsAccessDeniedException"})
_LONGEST_CAUSE = 32_768  # [botocore, SensitiveCause]


@dataclass(frozen=True)
class Started:
    """StartExecution's answer."""

    arn: str
    at: float


def _pace_of_lists() -> Pace:
    return Pace.even(_LISTS_PER_SECOND)


@dataclass(frozen=True)
class Executions:
    """The executions of one state machine, whose names are job ids."""

    client: SFNClient
    state_machine_arn: str
    starts: Starts
    lists: Pace = field(default_factory=_pace_of_lists)

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

    async def stop(self, job_id: str, error: str, cause: str) -> None:
        """End it, as ABORTED. Of one that is over, or of which there is none, nothing changes."""
        with answered("ExecutionDoesNotExist"), aws_errors():
            await self.client.stop_execution(
                executionArn=self.arn_of(job_id), error=error, cause=cause[:_LONGEST_CAUSE]
            )

    async def redrive(self, job_id: str, redrive_count: int) -> float:
        """Redrive the outcome of this redrive count; answers with when that was.

        The token makes a repeat within some minutes harmless [botocore, RedriveExecution]; after that, the execution
        runs or has another count, and is not redrivable.
        """
        token = hashlib.sha256(f"{job_id}:{redrive_count}".encode()).hexdigest()
        with aws_errors():
            answer = await self.client.redrive_execution(executionArn=self.arn_of(job_id), clientToken=token)
            return answer["redriveDate"].timestamp()

    async def history(self, job_id: str) -> list[HistoryEventTypeDef]:
        """All that happened in an execution, oldest first; nothing where there is no such execution."""
        found: list[HistoryEventTypeDef] = []
        more: Any = {}
        with answered("ExecutionDoesNotExist"), aws_errors():
            while True:
                page = await self.client.get_execution_history(
                    executionArn=self.arn_of(job_id), maxResults=1000, **more
                )
                found.extend(page["events"])
                if "nextToken" not in page:
                    return found
                more = {"nextToken": page["nextToken"]}
        return []

    async def redriven(self, since: float) -> AsyncIterator[ExecutionDetail]:
        """The executions that were redriven, as far as they did anything since then; the latest first.

        "Results are sorted by time, with the most recent execution first. Running executions are sorted by their
        startDate or redriveDate, and other executions are sorted by their stopDate." [botocore, ListExecutions]
        """
        more: Any = {"redriveFilter": "REDRIVEN"}
        for _ in range(_MOST_PAGES):
            page = await self._page_of_executions(more)
            recent = [item for item in page["executions"] if _moment_of(item) >= since]
            for item in recent:
                if item.get("redriveCount", 0):
                    yield ExecutionDetail.model_validate(item)
            if "nextToken" not in page or not recent:
                return
            more = {**more, "nextToken": page["nextToken"]}
        raise TooManyRedrivesError(f"{_MOST_PAGES} pages of {_A_PAGE} were not all")

    async def running(self) -> AsyncIterator[Mapping[str, int]]:
        """The executions that run, page by page: their redrive counts by their names, the latest first.

        "This operation is eventually consistent. The results are best effort and may not reflect very recent updates
        and changes." [botocore, ListExecutions] Its quota is 100 calls at once and 2 a second, in some regions 200 and
        5 [SFN guide 2023, limits-overview]; whoever asks for the next page waits for its turn.
        """
        more: Any = {"statusFilter": "RUNNING"}
        for _ in range(_MOST_PAGES_OF_RUNNING):
            await self.lists.turn()
            page = await self._page_of_executions(more)
            yield {item["name"]: item.get("redriveCount", 0) for item in page["executions"]}
            if "nextToken" not in page:
                return
            more = {**more, "nextToken": page["nextToken"]}

    async def _page_of_executions(self, more: Any) -> ListExecutionsOutputTypeDef:
        """One page. A filter that is refused is left out, for this look.

        "If you provide a state machine ARN in redriveFilter, the API returns a validation exception" [botocore] may
        mean that the filter is for the children of a Map alone; elsewhere the same page says that it lists all redriven
        executions of a state machine. Without it the list is longer, and ends at the same moment.
        """
        try:
            with aws_errors():
                return await self.client.list_executions(
                    stateMachineArn=self.state_machine_arn, maxResults=_A_PAGE, **more
                )
        except AwsError as error:
            if error.code != "ValidationException" or more.pop("redriveFilter", None) is None:
                raise
            return await self._page_of_executions(more)

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        """How an execution is; None where there is none, or it is forgotten (90 days after its end)."""
        with answered("ExecutionDoesNotExist"), aws_errors():
            return ExecutionDetail.model_validate(
                await self.client.describe_execution(executionArn=self.arn_of(job_id))
            )
        return None
