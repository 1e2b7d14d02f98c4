"""The walk through a state machine, state by state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from deploy.local.fills.responses import Json
from deploy.local.fills.runs import ExecutionOverError, Run
from deploy.local.stepfunctions.states_language import PathNotFoundError, compact, require_fitting

Context = dict[str, Any]


def context_of(run: Run, machine: Mapping[str, Any]) -> Context:
    """The context object (`$$`) of a run, with what ministack keeps in it besides."""
    execution = run.execution
    return {
        "QueryLanguage": run.definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution["executionArn"],
            "Input": sfn.json.loads(execution["input"]),
            "Name": execution["name"],
            "RoleArn": machine["roleArn"],
            "StartTime": execution["startDate"],
            "RedriveCount": execution.get("redriveCount", 0),
        },
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": {},
    }


def through(run: Run, context: Context) -> Json:
    """Walk from the state a run stands at to the end, and give the output.

    Raises:
        ExecutionOverError: the execution was ended from outside.
    """
    following: str | None = run.state
    while following is not None:
        if run.is_over:
            raise ExecutionOverError
        run.state = following
        run.input, following = one_state(run, context)
    return run.input


def one_state(run: Run, context: Context) -> tuple[Json, str | None]:
    """Enter, execute and leave the state that a run stands at."""
    name, given = run.state, run.input
    state = run.definition.get("States", {}).get(name)
    if state is None:
        raise sfn._ExecutionError("States.Runtime", f"State '{name}' not found in definition")
    kind = state["Type"]
    context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
    details = {"stateEnteredEventDetails": {"name": name, "input": compact(given)}}
    entered = sfn._add_event(run.execution, f"{kind}StateEntered", details)
    try:
        output, following = execute(state, given, run, context)
    except PathNotFoundError as missing:
        where = f"An error occurred while executing the state '{name}' (entered at the event id #{entered['id']}). "
        raise sfn._ExecutionError(missing.error, where + missing.cause) from missing
    require_fitting(name, output)
    details = {"stateExitedEventDetails": {"name": name, "output": compact(output)}}
    sfn._add_event(run.execution, f"{kind}StateExited", details)
    return output, following


def execute(state: Mapping[str, Any], given: Json, run: Run, context: Context) -> tuple[Json, str | None]:
    """Execute one state: its output, and the state that follows."""
    match state["Type"]:
        case "Succeed":
            return sfn._apply_output_path(state, sfn._apply_input_path(state, given, context), context), None
        case "Fail":
            raise sfn._ExecutionError(*told_by_fail(state, given, context))
        case "Task" | "Parallel" | "Map" as kind:
            handlers = {"Task": sfn._execute_task, "Parallel": sfn._execute_parallel, "Map": sfn._execute_map}
            output, following = handlers[kind](state, given, run.execution, context)
        case "Pass" | "Choice" | "Wait" as kind:
            simple = {"Pass": sfn._execute_pass, "Choice": sfn._execute_choice, "Wait": sfn._execute_wait}
            output, following = simple[kind](state, given, context)
        case kind:
            raise sfn._ExecutionError("States.Runtime", f"Unknown state type: {kind}")
    return output, following


def told_by_fail(state: Mapping[str, Any], given: Json, context: Context) -> tuple[str | None, str | None]:
    """What a Fail state says; gap: ministack gives a name to one that gives none."""
    error, cause = sfn._fail_state_error(state, given, context)
    return error if {"Error", "ErrorPath"} & state.keys() else None, cause or None
