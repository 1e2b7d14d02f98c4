"""Task states: attempts, their deadlines and heartbeats, retries and catchers, and the events of all these.

Gaps in ministack 1.5.33: HeartbeatSeconds and every `...Path` of a deadline are ignored; a timeout has a cause and is
recorded as TaskFailed; every retry has the same task token, far shorter than AWS's, so that an override too long there
fits here; the history names resources as no AWS history does; nothing notices that the execution has ended.
"""

from __future__ import annotations

import base64
import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import Json, JsonObject
from deploy.local.fills.runs import CURRENT, Run
from deploy.local.stepfunctions.states_language import PathNotFoundError, compact, require_fitting

WAIT_FOR_TOKEN = ".waitForTaskToken"
TIMEOUT = "States.Timeout"
LONGEST_CAUSE = 32_768
TOKEN_BYTES = 510  # 680 characters in base64, about what AWS's tokens have


def install() -> None:
    """Put our Task state in the place of the emulator's."""
    replace(sfn, "_execute_task", execute)


@dataclass(frozen=True)
class Resource:
    """What a Task state calls, by the two names that the history gives it."""

    arn: str
    service: str
    action: str

    @property
    def names(self) -> dict[str, str]:
        """The members that every event about it has."""
        return {"resourceType": self.service, "resource": self.action}


def resource_of(arn: str) -> Resource:
    """`arn:aws:states:::ecs:runTask.sync` is the resource `runTask.sync` of the type `ecs`."""
    parts = arn.split(":")
    if ":states:::" in arn:
        return Resource(arn, ":".join(parts[5:-1]), parts[-1])
    return Resource(arn, parts[2] if len(parts) > 2 else "states", arn)


@dataclass
class StateAttempt:
    """One try of a Task state. Times are seconds; the deadlines are monotonic times."""

    run: Run
    resource: Resource
    timeout: float
    heartbeat: float
    began: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """When this attempt has taken too long."""
        return self.began + self.timeout

    def record(self, event_type: str, member: str, details: Mapping[str, Any]) -> None:
        """Put an event about this attempt into the history."""
        sfn._add_event(self.run.execution, event_type, {member: {**self.resource.names, **details}})

    def submitted(self, output: Json) -> None:
        """JsonObject that the service took the task."""
        self.record("TaskSubmitted", "taskSubmittedEventDetails", {"output": compact(output)})

    def wait_until(self, done: Callable[[], bool], deadline: Callable[[], float] | None = None) -> None:
        """Wait for the task.

        Raises:
            _ExecutionError: States.Timeout, when the deadline passes first.
            ExecutionOverError: the execution ended meanwhile.
        """
        if not self.run.wait_until(done, deadline or (lambda: self.deadline)):
            raise sfn._ExecutionError(TIMEOUT, None)


CURRENT_ATTEMPT: ContextVar[StateAttempt] = ContextVar("current_attempt")


def execute(
    state: Mapping[str, Any], given: Json, execution: JsonObject, context: JsonObject
) -> tuple[Json, str | None]:
    """Execute a Task state with its retriers and catchers: its output, and the state that follows."""
    run = CURRENT.get() or Run(execution, {}, (get_account_id(), get_region()))
    retries = Retries(state.get("Retry", []))
    while True:
        context["State"]["RetryCount"] = retries.total
        try:
            return attempt(state, given, run, context)
        except sfn._ExecutionError as error:
            delay = retries.delay_after(error.error)
            if delay is None:
                return caught(state, given, context, error)
            run.sleep(delay * sfn._SFN_WAIT_SCALE)


def attempt(state: Mapping[str, Any], given: Json, run: Run, context: JsonObject) -> tuple[Json, str | None]:
    """Try once."""
    resource = resource_of(state["Resource"])
    if resource.action.endswith(WAIT_FOR_TOKEN):
        context["Task"] = {"Token": new_token()}
    arguments = arguments_of(state, given, context)
    one = StateAttempt(
        run, resource, seconds(state, "Timeout", given, context), seconds(state, "Heartbeat", given, context)
    )
    record_scheduled(one, arguments)
    try:
        result = perform(one, arguments, context)
        require_fitting(context["State"]["Name"], result)
    except sfn._ExecutionError as error:
        record_failure(one, error)
        raise
    one.record("TaskSucceeded", "taskSucceededEventDetails", {"output": compact(result)})
    return output_of(state, given, result, context), sfn._next_or_end(state)


def new_token() -> str:
    """A task token, as long and as awkward as AWS's."""
    return base64.b64encode(os.urandom(TOKEN_BYTES)).decode()


def perform(one: StateAttempt, arguments: Json, context: JsonObject) -> Json:
    """Call the resource, and wait for it as its pattern says."""
    token = CURRENT_ATTEMPT.set(one)
    try:
        if one.resource.action.endswith(WAIT_FOR_TOKEN):
            return sfn._invoke_with_callback(one.resource.arn, arguments, context["Task"]["Token"], {})
        # runTask.sync waits by itself, since it must stop its task when it waits no longer.
        if math.isinf(one.timeout) or one.resource.action == "runTask.sync" or ":activity:" in one.resource.arn:
            return sfn._invoke_resource(one.resource.arn, arguments)
        return perform_aside(one, arguments)
    finally:
        CURRENT_ATTEMPT.reset(token)


def perform_aside(one: StateAttempt, arguments: Json) -> Json:
    """Call a resource that answers by itself on a thread of its own, so that it can be given up."""
    with_scope = copy_context().run
    aside = ThreadPoolExecutor(max_workers=1)
    answer = aside.submit(with_scope, sfn._invoke_resource, one.resource.arn, arguments)
    aside.shutdown(wait=False)
    answer.add_done_callback(lambda _: one.run.notify())
    one.wait_until(answer.done)
    return answer.result()


def record_scheduled(one: StateAttempt, arguments: Json) -> None:
    """JsonObject the beginning of an attempt."""
    limits = {
        name: int(value)
        for name, value in (("timeoutInSeconds", one.timeout), ("heartbeatInSeconds", one.heartbeat))
        if not math.isinf(value)
    }
    details = {"region": get_region(), "parameters": compact(arguments), **limits}
    one.record("TaskScheduled", "taskScheduledEventDetails", details)
    one.record("TaskStarted", "taskStartedEventDetails", {})


def record_failure(one: StateAttempt, error: sfn._ExecutionError) -> None:
    """JsonObject the end of an attempt that failed or took too long."""
    failure = {"error": error.error, "cause": error.cause}
    details = {key: value for key, value in failure.items() if value}
    if error.error == TIMEOUT:
        one.record("TaskTimedOut", "taskTimedOutEventDetails", details)
    else:
        one.record("TaskFailed", "taskFailedEventDetails", details)


def arguments_of(state: Mapping[str, Any], given: Json, context: JsonObject) -> Json:
    """What the resource is called with."""
    if is_jsonata(state, context):
        return sfn._apply_jsonata_arguments(state, given, context)
    return sfn._apply_parameters(state, sfn._apply_input_path(state, given, context), context)


def output_of(state: Mapping[str, Any], given: Json, result: Json, context: JsonObject) -> Json:
    """What the state makes of the result."""
    if is_jsonata(state, context):
        output = sfn._apply_jsonata_output(state, given, context, result=result, default=result)
        sfn._apply_state_assign(state, given, context, result=result)
        return output
    selector = state.get("ResultSelector")
    selected = sfn._resolve_params_obj(selector, result, context) if selector else result
    return sfn._apply_output_path(state, sfn._apply_result_path(state, given, selected), context)


def is_jsonata(state: Mapping[str, Any], context: JsonObject) -> bool:
    """Whether the state is written in JSONata rather than JSONPath."""
    return bool(sfn._state_query_language(state, context) == "JSONata")


def seconds(state: Mapping[str, Any], kind: str, given: Json, context: JsonObject) -> float:
    """TimeoutSeconds or HeartbeatSeconds, literal or by path; infinite where there is none.

    Raises:
        _ExecutionError: States.Runtime, when the path does not lead to a positive number.
    """
    field_name = f"{kind}Seconds"
    if f"{field_name}Path" in state:
        data = sfn._apply_input_path(state, given, context)
        value = seconds_at(state[f"{field_name}Path"], field_name, data, context)
    elif isinstance(state.get(field_name), str):
        value = sfn._jsonata_state_field(state, field_name, "number", given, context)
    else:
        value = state.get(field_name, math.inf)
    return float(value)


def seconds_at(path: str, field_name: str, data: Json, context: JsonObject) -> float:
    """The number of seconds that a path leads to."""
    try:
        value = sfn._resolve_path_or_ctx(path, data, context)
    except PathNotFoundError as missing:
        raise PathNotFoundError(path, data, f"{field_name}Path") from missing
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        cause = f"The {field_name}Path parameter must lead to a positive integer, not to {compact(value)}"
        raise sfn._ExecutionError("States.Runtime", cause)
    return value


def caught(state: Mapping[str, Any], given: Json, context: JsonObject, error: sfn._ExecutionError) -> tuple[Json, str]:
    """Go where a catcher says.

    Raises:
        _ExecutionError: no catcher covers the error.
    """
    catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
    if catcher is None:
        raise error
    language = sfn._state_query_language(state, context)
    cause = "" if error.error == TIMEOUT and error.cause is None else error.cause
    failure = {"Error": error.error, "Cause": cause if cause is None else cause[:LONGEST_CAUSE]}
    return sfn._apply_catcher(catcher, given, context, language, failure), catcher["Next"]


class Retries:
    """How often each retrier of a state has been used."""

    def __init__(self, retriers: Sequence[Mapping[str, Any]]) -> None:
        self._retriers = retriers
        self._used: dict[int, int] = {}

    @property
    def total(self) -> int:
        """How often the state was retried."""
        return sum(self._used.values())

    def delay_after(self, error: str | None) -> float | None:
        """The seconds to wait before the next attempt, or None when there is to be none."""
        retrier, index = sfn._find_matching_retrier(self._retriers, error, self._used)
        if retrier is None:
            return None
        used = self._used.get(index, 0)
        self._used[index] = used + 1
        return delay_of(retrier, used)


def delay_of(retrier: Mapping[str, Any], used: int) -> float:
    """A retrier's wait before its next retry, with its ceiling and its jitter."""
    delay = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** used)
    delay = min(delay, retrier.get("MaxDelaySeconds", math.inf))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay
