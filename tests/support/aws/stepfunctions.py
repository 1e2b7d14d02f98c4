"""Step Functions: idempotent names, a bucket of starts, status events, redrives, and answers that lag behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

from tests.support.aws.errors import refusal
from tests.support.aws.eventbridge import SimEventBridge
from tests.support.aws.integrations import submitted
from tests.support.aws.quotas import Quotas, throttled
from tests.support.aws.sqs import Calls
from tests.support.aws.state_machine import Ended, Integrations, Interpreter, Position
from tests.support.aws.tries import Tries
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop
from tests.support.names import EXECUTION_ARN, STATE_MACHINE_ARN, moment

_T = TypeVar("_T")
ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
_LONGEST_STALENESS_SECONDS = 5.0
_OLDEST_LIST_SECONDS = 60.0
_HISTORY_PAGE = 2
# "within the last 14 days" [botocore, RedriveExecution].
_REDRIVABLE_SECONDS = 14 * 86_400.0
# "valid for up to 15 minutes after they are first used", of the last 10 [botocore, RedriveExecution].
_TOKEN_SECONDS = 900.0
_TOKENS = 10


@dataclass(frozen=True)
class Status:
    """How an execution was from a moment on."""

    at: float
    status: str
    redrive_count: int
    stopped_at: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None


@dataclass
class Execution:
    """One execution with all that it ever was."""

    name: str
    input: str
    started_at: float
    position: Position
    history: list[Status] = field(default_factory=list)
    redrive_tokens: dict[str, float] = field(default_factory=dict)
    history_is_full: bool = False
    runner: asyncio.Task[None] | None = None

    @property
    def arn(self) -> str:
        return EXECUTION_ARN + self.name

    @property
    def now(self) -> Status:
        return self.history[-1]

    @property
    def ended(self) -> bool:
        return self.now.status in ENDED

    def outcome_of(self, redrive_count: int) -> Status | None:
        """How it ended for this redrive count."""
        ends = [item for item in self.history if item.redrive_count == redrive_count and item.status in ENDED]
        return ends[-1] if ends else None


class SimStepFunctions:
    """The state machine's executions."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        faults: Faults,
        rates: Rates,
        bridge: SimEventBridge,
        integrations: Integrations,
        quotas: Quotas,
    ) -> None:
        self.executions: dict[str, Execution] = {}
        self.on_start: Callable[[Execution], None] = lambda execution: None
        self.on_end: Callable[[Execution], None] = lambda execution: None
        self.on_stop: Callable[[Execution], None] = lambda execution: None
        self.on_redrive: Callable[[Execution], None] = lambda execution: None
        self.redrivable_seconds = _REDRIVABLE_SECONDS
        self.longest_list = _HISTORY_PAGE
        # Named by every list of what runs, though they have ended.
        self.always_listed: set[str] = set()
        self._forgotten: set[str] = set()
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._lateness = rates.stale_describe  # Of lists as well.
        self._bridge = bridge
        self._interpreter = Interpreter(loop, chance, integrations)
        self._quotas = quotas

    def start(self, name: str, text: str) -> Execution:
        """Start an execution, or answer with the one that runs under this name with this input."""
        throttled(self._quotas.start_execution, self._loop.time())
        held = self.executions.get(name)
        if held is not None:
            if held.ended or held.input != text:
                raise refusal("ExecutionAlreadyExists")
            return held
        now = self._loop.time()
        position = Position(name, EXECUTION_ARN + name, now, self._interpreter.start, json.loads(text))
        execution = self.executions[name] = Execution(name, text, now, position)
        self.on_start(execution)
        self._go(execution, Status(now, "RUNNING", 0))
        return execution

    def describe(self, name: str) -> dict[str, Any]:
        """How an execution is, or was a little while ago: DescribeExecution is eventually consistent."""
        throttled(self._quotas.describe_execution, self._loop.time())
        execution = self._held(name)
        known = list(self._known(execution))
        if not known:
            raise refusal("ExecutionDoesNotExist")
        return _described(execution, known[-1])

    def _known(self, execution: Execution) -> Iterator[Status]:
        stale = self._faults.happens("stale DescribeExecution", self._rates.stale_describe, self._loop.time())
        seen = self._loop.time() - (self._chance.random() * _LONGEST_STALENESS_SECONDS if stale else 0)
        return (status for status in execution.history if status.at <= seen)

    def history(self, name: str, token: str | None) -> dict[str, Any]:
        """What happened in an execution, a page at a time."""
        throttled(self._quotas.get_execution_history, self._loop.time())
        execution = self._held(name)
        happened = [*map(_as_event, execution.history), *map(_submission, execution.position.submitted)]
        events = sorted((event for event in happened if event), key=lambda event: event["timestamp"])
        at = int(token or 0)
        more = {"nextToken": str(at + _HISTORY_PAGE)} if at + _HISTORY_PAGE < len(events) else {}
        return {"events": events[at : at + _HISTORY_PAGE], **more}

    def redriven(self, token: str | None) -> dict[str, Any]:
        """The executions that were redriven, the latest first, a page at a time; as stale as DescribeExecution is."""
        seen = [(execution, list(self._known(execution))) for execution in self.executions.values()]
        items = [_listed(execution, known) for execution, known in seen if known and known[-1].redrive_count]
        items.sort(key=lambda item: item.get("stopDate") or item["redriveDate"], reverse=True)
        return self._page_of(items, token)

    def running(self, token: str | None) -> dict[str, Any]:
        """Those that run, the latest first, as far as a list knows: at times it is a minute old, and not whole.

        Each page is as old as it happens to be.
        """
        throttled(self._quotas.list_executions, self._loop.time())
        seen = [(execution, self._as_listed(execution)) for execution in self.executions.values()]
        items = [_listed(execution, known) for execution, known in seen if known and known[-1].status == "RUNNING"]
        return self._page_of(sorted(items, key=lambda item: str(item["redriveDate"]), reverse=True), token)

    def _as_listed(self, execution: Execution) -> list[Status]:
        now = self._loop.time()
        if execution.name in self.always_listed:
            return execution.history[:1]
        if execution.name in self._forgotten or self._faults.happens("left out of a list", self._lateness, now):
            return []
        late = self._faults.happens("stale list", self._lateness, now)
        seen = now - (self._chance.random() * _OLDEST_LIST_SECONDS if late else 0)
        return [status for status in execution.history if status.at <= seen]

    def _page_of(self, items: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
        at = int(token or 0)
        more = {"nextToken": str(at + self.longest_list)} if at + self.longest_list < len(items) else {}
        return {"executions": items[at : at + self.longest_list], **more}

    def cut_off(self, execution: Execution, status: str, error: str | None = None, cause: str | None = None) -> None:
        """End an execution that runs, from outside: ABORTED, or TIMED_OUT as the machine's own timeout does."""
        if not execution.ended:
            assert execution.runner is not None
            execution.runner.cancel()
            self._end(execution, Ended(status, error=error, cause=cause))

    def stop(self, name: str, error: str, cause: str) -> None:
        """StopExecution: one that is over stays as it is."""
        execution = self._held(name)
        if not execution.ended:
            self.on_stop(execution)
        self.cut_off(execution, "ABORTED", error, cause)

    def redrive_by_call(self, name: str, token: str) -> float:
        """RedriveExecution: when the execution was redriven; by this token, if it has been used lately."""
        execution, now = self._held(name), self._loop.time()
        lately = {key: at for key, at in list(execution.redrive_tokens.items())[-_TOKENS:] if now < at + _TOKEN_SECONDS}
        if token not in lately:
            if not self.is_redrivable(execution):
                raise refusal("ExecutionNotRedrivable")
            self.redrive(execution)
            self.on_redrive(execution)
            lately[token] = now
        execution.redrive_tokens = lately
        return lately[token]

    def is_redrivable(self, execution: Execution) -> bool:
        """Whether it did not succeed, not long ago, and has room in its history [botocore, RedriveExecution]."""
        ended_at = execution.now.stopped_at
        if ended_at is None or execution.now.status == "SUCCEEDED" or execution.history_is_full:
            return False
        if execution.name in self._forgotten:
            return False
        return self._loop.time() <= ended_at + self.redrivable_seconds

    def forget(self, name: str) -> None:
        """Delete an execution, as its state machine's deletion does; what it was stays known here."""
        self._forgotten.add(name)

    def _held(self, name: str) -> Execution:
        execution = self.executions.get(name)
        if execution is None or name in self._forgotten:
            raise refusal("ExecutionDoesNotExist")
        return execution

    def redrive(self, execution: Execution) -> None:
        """Run an execution that did not succeed again, from the state that it was in."""
        if not self.is_redrivable(execution):
            return
        self._faults.note("redrive")
        if self._chance.random() < 0.5:
            # In the API's enum; no event with it was found [botocore]. It must be taken as not final.
            pending = Status(self._loop.time(), "PENDING_REDRIVE", execution.now.redrive_count + 1)
            self._tell(execution, pending)
        self._go(execution, Status(self._loop.time(), "RUNNING", execution.now.redrive_count + 1))

    def _go(self, execution: Execution, status: Status) -> None:
        execution.position.redrives = status.redrive_count
        execution.history.append(status)
        self._tell(execution, status)
        execution.runner = self._loop.in_world(self._run(execution))

    async def _run(self, execution: Execution) -> None:
        self._end(execution, await self._interpreter.run(execution.position))

    def _end(self, execution: Execution, how: Ended) -> None:
        now = self._loop.time()
        count = execution.now.redrive_count
        execution.history.append(Status(now, how.status, count, now, how.output, how.error, how.cause))
        self._tell(execution, execution.now)
        self.on_end(execution)

    def _tell(self, execution: Execution, status: Status) -> None:
        """The status event; it leaves out what is too large, and its error and cause as it did in former years."""
        detail = _described(execution, status)
        for date in ("startDate", "stopDate", "redriveDate"):
            detail[date] = int(detail[date].timestamp() * 1000) if detail.get(date) else None
        if self._faults.happens("event without its details", self._rates.detail_left_out, self._loop.time()):
            detail.update(output=None, outputDetails={"included": False}, error=None, cause=None)
        self._bridge.execution_changed(detail)


def _described(execution: Execution, status: Status) -> dict[str, Any]:
    """DescribeExecution's answer, which is an event's detail but for the form of its times."""
    return {
        "executionArn": execution.arn,
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": execution.name,
        "status": status.status,
        "startDate": moment(execution.started_at),
        "stopDate": moment(status.stopped_at) if status.stopped_at is not None else None,
        "input": None,
        "output": status.output,
        "outputDetails": {"included": True},
        "redriveCount": status.redrive_count,
        "redriveDate": _redrive_date(execution, status),
        "error": status.error,
        "cause": status.cause,
    }


def _redrive_date(execution: Execution, status: Status) -> datetime | None:
    if not status.redrive_count:
        return None
    at = [item.at for item in execution.history if item.redrive_count == status.redrive_count]
    return moment(at[0] if at else status.at)


def _redriven_at(history: Sequence[Status], redrive_count: int) -> float:
    return next(item.at for item in history if item.redrive_count == redrive_count)


def _listed(execution: Execution, known: Sequence[Status]) -> dict[str, Any]:
    """An item of ListExecutions."""
    now = known[-1]
    stopped = {"stopDate": moment(now.stopped_at)} if now.stopped_at is not None else {}
    return {
        "executionArn": execution.arn,
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": execution.name,
        "status": now.status,
        "startDate": moment(execution.started_at),
        "redriveCount": now.redrive_count,
        "redriveDate": moment(_redriven_at(known, now.redrive_count)),
        **stopped,
    }


def _as_event(status: Status) -> dict[str, Any] | None:
    """What a status leaves in the history [botocore, GetExecutionHistory]."""
    at = {"timestamp": moment(status.at)}
    match status.status:
        case "RUNNING" if status.redrive_count:
            return {**at, "type": "ExecutionRedriven"} | {
                "executionRedrivenEventDetails": {"redriveCount": status.redrive_count}
            }
        case "RUNNING":
            return {**at, "type": "ExecutionStarted"}
        case "FAILED":
            return {**at, "type": "ExecutionFailed", "executionFailedEventDetails": {"error": status.error}}
        case "ABORTED":
            return {**at, "type": "ExecutionAborted", "executionAbortedEventDetails": {"error": status.error}}
        case "TIMED_OUT":
            return {**at, "type": "ExecutionTimedOut"}
    return None


def _submission(shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "timestamp": datetime.fromtimestamp(shown["createdAt"] / 1000, UTC),
        "type": "TaskSubmitted",
        "taskSubmittedEventDetails": {"resourceType": "ecs", "output": submitted(shown)},
    }


class StepFunctionsClient:
    """The calls of aiobotocore's Step Functions client."""

    def __init__(self, calls: Calls, service: SimStepFunctions) -> None:
        self._calls = calls
        self._service = service
        self._tries = Tries()
        self.meta = self._tries.meta

    async def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Any:  # AWS's own name
        execution = await self._call("StartExecution", lambda: self._service.start(name, input), about=name)
        return {"executionArn": execution.arn, "startDate": moment(execution.started_at)}

    async def describe_execution(self, *, executionArn: str) -> Any:
        name = executionArn.rsplit(":", 1)[-1]
        return await self._call("DescribeExecution", lambda: self._service.describe(name), about=name)

    async def get_execution_history(self, *, executionArn: str, nextToken: str | None = None, **_: Any) -> Any:
        name = executionArn.rsplit(":", 1)[-1]
        return await self._calls.call(
            "states.GetExecutionHistory", lambda: self._service.history(name, nextToken), about=name
        )

    async def list_executions(
        self,
        *,
        stateMachineArn: str,
        maxResults: int,
        redriveFilter: str | None = None,
        statusFilter: str | None = None,
        nextToken: str | None = None,
    ) -> Any:
        assert (redriveFilter, statusFilter) in {("REDRIVEN", None), (None, "RUNNING")}, "nobody lists all"
        listed = self._service.redriven if redriveFilter else self._service.running
        return await self._call("ListExecutions", lambda: listed(nextToken))

    async def _call(self, operation: str, effect: Callable[[], _T], about: object = "") -> Any:
        """A call, of which the worker hears each try."""
        return await self._calls.call(f"states.{operation}", lambda: self._tries.of(operation, effect), about=about)

    async def stop_execution(self, *, executionArn: str, error: str, cause: str) -> Any:
        name = executionArn.rsplit(":", 1)[-1]
        await self._calls.call("states.StopExecution", lambda: self._service.stop(name, error, cause), about=name)
        return {}

    async def redrive_execution(self, *, executionArn: str, clientToken: str) -> Any:
        name = executionArn.rsplit(":", 1)[-1]
        at = await self._calls.call(
            "states.RedriveExecution", lambda: self._service.redrive_by_call(name, clientToken), about=name
        )
        return {"redriveDate": moment(at)}
