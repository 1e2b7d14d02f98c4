"""Executions from StartExecution to their end, and again after a redrive.

Gaps in ministack 1.5.33: StartExecution is not idempotent and checks neither name nor input; the machine's
TimeoutSeconds is ignored; a state that runs on after StopExecution emits a second status event; RedriveExecution is
missing, and ListExecutions knows nothing of redrives; the status event measures its payload unescaped.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from ministack.core.responses import (
    get_account_id,
    get_region,
    json_response,
    now_iso,
    request_scope,
)
from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.quotas import NO_QUOTAS, Quotas, TokenBucket
from deploy.local.fills.responses import JsonObject, Response, rate_exceeded, refused
from deploy.local.fills.runs import CURRENT, AlarmClock, ExecutionOverError, Run
from deploy.local.stepfunctions import execution_events, walk
from deploy.local.stepfunctions.states_language import compact

LONGEST_INPUT = 262_144  # bytes in UTF-8 (botocore, SensitiveData)
LONGEST_ERROR = 256  # characters (botocore)
LONGEST_CAUSE = 32_768
# 1 to 80 characters, none of these (botocore, Name).
BAD_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ud800-\udfff]")
ENDS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
REDRIVABLE = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})


def install(quotas: Quotas = NO_QUOTAS) -> Executions:
    """Put our execution lifecycle in the place of the emulator's; what is given back must be closed at the end."""
    executions = Executions(quotas)
    executions.install()
    execution_events.install()
    return executions


class Executions:
    """The runs of every execution, kept as long as a redrive may want them back."""

    def __init__(self, quotas: Quotas = NO_QUOTAS) -> None:
        self._starts = TokenBucket(quotas.start_execution)
        self._runs: dict[str, Run] = {}
        self._clock = AlarmClock()
        self._lock = threading.Lock()
        self._plain_start: Callable[[Mapping[str, Any]], Response] = sfn._start_execution
        self._plain_describe: Callable[[Mapping[str, Any]], Response] = sfn._describe_execution
        self._plain_list: Callable[[Mapping[str, Any]], Response] = sfn._list_executions
        self._plain_request: Callable[..., Awaitable[Response]] = sfn.handle_request

    def install(self) -> None:
        """Replace the parts of ministack that this stands for."""
        self._plain_start = replace(sfn, "_start_execution", self.start)
        self._plain_describe = replace(sfn, "_describe_execution", self.describe)
        self._plain_request = replace(sfn, "handle_request", self.handle_request)
        replace(sfn, "_stop_execution", self.stop)
        self._plain_list = replace(sfn, "_list_executions", self.list)
        replace(sfn, "_run_execution", self.run)
        replace(sfn, "_scaled_sleep", sleep_in_run)

    def close(self) -> None:
        """Let every run stop where it stands and tell nobody: what ends with the emulator has not failed."""
        for run in list(self._runs.values()):
            run.end("ABORTED", {})

    def restore(self) -> None:
        """After a restart: tell of those that ended with the last one, and let the ones that failed be redriven.

        ministack has marked as failed what ran then; where each stood is in its history.
        """
        for (account, region, _), execution in sfn._executions.all_items():
            with request_scope(account, region):
                machine = sfn._state_machines.get(execution["stateMachineArn"])
                if machine is None or execution["status"] not in REDRIVABLE:
                    continue
                self._runs[execution["executionArn"]] = run_of_history(execution, machine, (account, region))
                if execution["events"][-1]["type"] not in ENDS:
                    told = error_and_cause(execution["error"], execution["cause"])
                    execution_events.record_last(execution, "ExecutionFailed", {"executionFailedEventDetails": told})
                    sfn._emit_execution_status_event(execution)

    async def handle_request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Response:
        """The Step Functions endpoint, with RedriveExecution."""
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            finished: Response = sfn._finalize_response(self.redrive(json.loads(body)))
            return finished
        return await self._plain_request(method, path, headers, body, query)

    def start(self, request: Mapping[str, Any]) -> Response:
        """StartExecution: the same name and input while running give the same answer."""
        if not self._starts.take():
            return rate_exceeded()
        refusal = refuse_start(request)
        if refusal is not None:
            return refusal
        with self._lock:
            existing = self._existing(request)
            if existing is None:
                return self._plain_start(request)
        return answer_again(existing, request.get("input", "{}"))

    def _existing(self, request: Mapping[str, Any]) -> JsonObject | None:
        machine = sfn._state_machines.get(sfn._resolve_state_machine_arn(request.get("stateMachineArn", "")) or "")
        if not machine or not request.get("name"):
            return None
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{request['name']}"
        existing: JsonObject | None = sfn._executions.get(arn)
        return existing

    def run(self, arn: str) -> None:
        """Be the thread of a new execution."""
        execution = sfn._executions.get(arn)
        machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
        if not execution or not machine:
            return
        run = Run(execution, json.loads(machine["definition"]), (get_account_id(), get_region()))
        run.input = json.loads(execution["input"])
        execution["events"][0]["previousEventId"] = 0
        self._runs[arn] = run
        self._follow(run, machine)

    def _follow(self, run: Run, machine: JsonObject) -> None:
        if "TimeoutSeconds" in run.definition:
            run.cancel_timeout = self._clock.set(run.definition["TimeoutSeconds"], lambda: time_out(run))
        run.context = context = walk.context_of(run, machine)
        token = CURRENT.set(run)
        try:
            with suppress(ExecutionOverError):
                succeed(run, walk.through(run, context))
        except sfn._ExecutionError as error:
            fail(run, error.error, error.cause)
        finally:
            # A fault of the emulator itself must not leave an execution running for ever; the traceback goes on.
            fail(run, "States.Runtime", "The emulator failed to execute this state machine; see its output.")
            CURRENT.reset(token)
            if run.execution["status"] == "SUCCEEDED":
                self._runs.pop(run.execution["executionArn"], None)

    def stop(self, request: Mapping[str, Any]) -> Response:
        """StopExecution."""
        execution = sfn._executions.get(request.get("executionArn"))
        if not execution:
            return does_not_exist(request.get("executionArn"))
        run = self._runs.get(execution["executionArn"])
        if run is not None:
            abort(run, request.get("error"), request.get("cause"))
        elif execution["status"] == "RUNNING":
            # Its thread has not begun; it will find the execution over.
            run = Run(execution, {}, (get_account_id(), get_region()))
            abort(run, request.get("error"), request.get("cause"))
        response: Response = json_response({"stopDate": execution["stopDate"]})
        return response

    def describe(self, request: Mapping[str, Any]) -> Response:
        """DescribeExecution, with what it says of redrives and without nulls."""
        status, headers, body = self._plain_describe(request)
        if status >= 400:
            return status, headers, body
        execution = sfn._executions[request["executionArn"]]
        shown = {key: value for key, value in json.loads(body).items() if value is not None}
        if "output" not in shown:
            shown.pop("outputDetails", None)
        response: Response = json_response(shown | execution_events.redrive_members(execution))
        return response

    def list(self, request: Mapping[str, Any]) -> Response:
        """ListExecutions, with what it says of redrives, the latest first: by the last redrive, or the end."""
        if "redriveFilter" not in request:
            status, headers, body = self._plain_list(request)
            if status >= 400:
                return status, headers, body
            page = json.loads(body)
            page["executions"] = [listed(sfn._executions[item["executionArn"]]) for item in page["executions"]]
            return json_response(page)  # type: ignore[no-any-return]
        redriven = request["redriveFilter"] == "REDRIVEN"
        found = [
            listed(execution)
            for execution in sfn._executions.values()
            if execution["stateMachineArn"] == request.get("stateMachineArn")
            and request.get("statusFilter") in (None, execution["status"])
            and bool(execution.get("redriveCount")) is redriven
        ]
        found.sort(key=moment_of, reverse=True)
        start, size = int(request.get("nextToken") or 0), request.get("maxResults") or 100
        more = {"nextToken": str(start + size)} if start + size < len(found) else {}
        return json_response({"executions": found[start : start + size], **more})  # type: ignore[no-any-return]

    def redrive(self, request: Mapping[str, Any]) -> Response:
        """RedriveExecution: the same execution goes on from the state that it ended in."""
        execution = sfn._executions.get(request.get("executionArn"))
        if not execution:
            return does_not_exist(request.get("executionArn"))
        run = self._runs.get(execution["executionArn"])
        if run is None or execution["status"] not in REDRIVABLE:
            reason = f"Execution is {execution['status']} and cannot be redriven"
            return refused("ExecutionNotRedrivable", f"{reason}: '{execution['executionArn']}'")
        resumed = self._resume(run)
        machine = sfn._state_machines[execution["stateMachineArn"]]
        threading.Thread(target=copy_context().run, args=(self._follow, resumed, machine), daemon=True).start()
        response: Response = json_response({"redriveDate": execution["redriveDate"]})
        return response

    def _resume(self, ended: Run) -> Run:
        execution = ended.execution
        # A thread of the ended run that still winds down must go on finding that it is over.
        ended.execution = dict(execution)
        number = execution.get("redriveCount", 0) + 1
        execution.update(status="RUNNING", stopDate=None, error=None, cause=None, output=None)
        execution.update(redriveCount=number, redriveDate=now_iso())
        sfn._add_event(execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": number}})
        sfn._emit_execution_status_event(execution)
        resumed = Run(execution, ended.definition, ended.scope)
        resumed.state, resumed.input = ended.state, ended.input
        self._runs[execution["executionArn"]] = resumed
        return resumed


def run_of_history(execution: JsonObject, machine: JsonObject, scope: tuple[str, str]) -> Run:
    """The run of an execution that this process did not run, standing at the state that it entered last."""
    run = Run(execution, json.loads(machine["definition"]), scope)
    details = "stateEnteredEventDetails"
    entered = [event[details] for event in execution["events"] if details in event]
    if entered:
        run.state, run.input = entered[-1]["name"], json.loads(entered[-1]["input"])
    else:
        run.input = json.loads(execution["input"])
    return run


def listed(execution: JsonObject) -> JsonObject:
    """An execution as ListExecutions shows it, without nulls."""
    names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn", "redriveDate")
    shown = {name: execution[name] for name in names if execution.get(name) is not None}
    return shown | {"redriveCount": execution.get("redriveCount", 0)}


def moment_of(item: JsonObject) -> str:
    """By when ListExecutions sorts: running ones by their start or redrive, others by their end [botocore]."""
    moment: str = item.get("stopDate") or item.get("redriveDate") or item["startDate"]
    return moment


def sleep_in_run(seconds: float) -> None:
    """Sleep as a Wait state or a retry does: until the time is over or the execution is."""
    run = CURRENT.get()
    if run is not None:
        run.sleep(seconds * sfn._SFN_WAIT_SCALE)


def refuse_start(request: Mapping[str, Any]) -> Response | None:
    """Why Step Functions refuses a StartExecution before it looks at the machine, or None."""
    name, given = request.get("name"), request.get("input", "{}")
    if name is not None and (not 1 <= len(name) <= 80 or BAD_NAME.search(name)):
        return refused("InvalidName", f"Invalid Name: '{name}'")
    if len(given.encode("utf-8", "surrogatepass")) > LONGEST_INPUT:
        return refused(
            "ValidationException",
            "1 validation error detected: Value at 'input' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LONGEST_INPUT}",
        )
    try:
        json.loads(given)
    except ValueError as error:
        return refused("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
    return None


def answer_again(execution: Mapping[str, Any], given: str) -> Response:
    """The answer to a second StartExecution with the same name."""
    if execution["status"] == "RUNNING" and execution["input"] == given:
        same: Response = json_response({"executionArn": execution["executionArn"], "startDate": execution["startDate"]})
        return same
    return refused("ExecutionAlreadyExists", f"Execution Already Exists: '{execution['executionArn']}'")


def does_not_exist(arn: Any) -> Response:
    """The answer about an execution nobody started."""
    return refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def succeed(run: Run, output: Any) -> None:
    """End a run that came to its end."""
    text = compact(output)
    result = {"output": text}
    conclude(run, "SUCCEEDED", result, "ExecutionSucceeded", {"executionSucceededEventDetails": result})


def fail(run: Run, error: str | None, cause: str | None) -> None:
    """End a run that failed, with the error and cause cut to what Step Functions keeps."""
    result = error_and_cause(error, cause)
    conclude(run, "FAILED", result, "ExecutionFailed", {"executionFailedEventDetails": result})


def abort(run: Run, error: str | None, cause: str | None) -> None:
    """End a run because somebody asked for it."""
    result = error_and_cause(error, cause)
    conclude(run, "ABORTED", result, "ExecutionAborted", {"executionAbortedEventDetails": result})


def time_out(run: Run) -> None:
    """End a run that took longer than its machine allows; AWS gives neither error nor cause for that."""
    with request_scope(*run.scope):
        conclude(run, "TIMED_OUT", {}, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})


def conclude(run: Run, status: str, members: Mapping[str, Any], event: str, details: Mapping[str, Any]) -> None:
    """Reach an end, record it and announce it; nothing when the run had ended before."""
    if run.end(status, {**members, "stopDate": now_iso()}):
        execution_events.record_last(run.execution, event, details)
        sfn._emit_execution_status_event(run.execution)


def error_and_cause(error: str | None, cause: str | None) -> dict[str, str]:
    """What of an error and a cause there is, at the length that is kept."""
    result = {"error": (error or "")[:LONGEST_ERROR], "cause": (cause or "")[:LONGEST_CAUSE]}
    return {key: value for key, value in result.items() if value}
