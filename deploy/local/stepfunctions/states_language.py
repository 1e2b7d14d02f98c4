"""JSONPath, intrinsic functions and error matching where ministack is more lenient than Step Functions.

Gaps in ministack 1.5.33: a path that leads nowhere gives null where AWS fails the execution with States.Runtime;
`IsPresent` takes a null for absent; some `...Path` comparisons are missing; `States.Format` writes True and None; a
failing intrinsic ends as States.Runtime; a ResultSelector has no context object; `States.ALL` catches what AWS says
nothing catches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import Json
from deploy.local.fills.runs import CURRENT

RUNTIME_ERROR = "States.Runtime"
# "A retry or catch on States.ALL won't catch States.Runtime errors" (SFN guide). It says the same of
# States.DataLimitExceeded, yet the one of a Task was recorded as caught (localstack's snapshots).
UNCATCHABLE_BY_ALL = frozenset({RUNTIME_ERROR})
LARGEST_PAYLOAD = 262_144  # bytes of a state's input or output (SFN guide, quotas)
COMPARED_WITH_A_PATH = tuple(
    f"{kind}{comparison}Path"
    for kind in ("String", "Timestamp")
    for comparison in ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
)


class PathNotFoundError(sfn._ExecutionError):  # type: ignore[misc]
    """A path leads nowhere. Worded as AWS does, but for the state's name, which the executor puts before it."""

    def __init__(self, path: str, data: Json, field: str | None = None) -> None:
        where = f" specified for the field '{field}'" if field else ""
        cause = f"The JSONPath '{path}'{where} could not be found in the input '{compact(data)}'"
        super().__init__(RUNTIME_ERROR, cause)


def install() -> None:
    """Put the strict reading in the place of the lenient one."""
    replace(sfn, "_resolve_path", resolve_path)
    replace(sfn, "_resolve_ctx_path", resolve_context_path)
    replace(sfn, "_resolve_params_obj", resolve_template)
    replace(sfn, "_error_matches", error_matches)
    replace(sfn, "_apply_result_selector", apply_result_selector)
    replace(sfn, "_evaluate_rule", choice_rules(sfn._evaluate_rule))
    replace(sfn, "_exec_intrinsic", intrinsics(sfn._exec_intrinsic))


def compact(value: Json) -> str:
    """JSON as Step Functions writes it: no spaces, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def resolve_path(path: str, data: Json) -> Json:
    """What a reference path selects; with a wildcard, the list of all it selects.

    Raises:
        PathNotFoundError: it selects nothing.
    """
    if not path or path == "$" or not path.startswith("$"):
        return data
    tokens = sfn._parse_jsonpath_tokens(path)
    if tokens is None:
        raise PathNotFoundError(path, data)
    selected = [data]
    for kind, key in tokens:
        selected = [found for current in selected for found in step(kind, key, current)]
    if any(kind == "wildcard" for kind, _ in tokens):
        return selected
    if not selected:
        raise PathNotFoundError(path, data)
    return selected[0]


def step(kind: str, key: Any, current: Json) -> Sequence[Json]:
    """One token of a path applied to one value."""
    match kind, current:
        case "field", dict() if key in current:
            return [current[key]]
        case "index", list() if key < len(current):
            return [current[key]]
        case "wildcard", list():
            return current
        case "wildcard", dict():
            return list(current.values())
        case _:
            return []


def resolve_context_path(path: str, context: Mapping[str, Any]) -> Json:
    """What a path into the context object (`$$.`) selects."""
    shown = {key: value for key, value in context.items() if key[0].isupper() and key != "QueryLanguage"}
    return resolve_path(path[1:], shown)


def resolve_template(template: Json, data: Json, context: Mapping[str, Any] | None = None) -> Json:
    """A payload template (Parameters, ResultSelector, ItemSelector) filled in.

    Raises:
        PathNotFoundError: one of its paths leads nowhere.
    """
    if isinstance(template, list):
        return [resolve_template(each, data, context) for each in template]
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): (
            resolve_field(key, value, data, context) if key.endswith(".$") else resolve_template(value, data, context)
        )
        for key, value in template.items()
    }


def resolve_field(key: str, expression: Json, data: Json, context: Mapping[str, Any] | None) -> Json:
    """One `name.$` field of a payload template."""
    if not isinstance(expression, str):
        return expression
    if expression.startswith("States."):
        return sfn._evaluate_intrinsic(expression, data, context)
    try:
        if expression.startswith("$$"):
            return resolve_context_path(expression, context or {})
        return resolve_path(expression, data)
    except PathNotFoundError as missing:
        raise PathNotFoundError(expression, data, key) from missing


def apply_result_selector(state: Mapping[str, Any], result: Json) -> Json:
    """A state's ResultSelector filled in; it may name the context object (SFN guide, input-output-contextobject)."""
    run = CURRENT.get()
    template = state.get("ResultSelector")
    return resolve_template(template, result, run.context if run else None) if template else result


def require_fitting(name: str, output: Json) -> None:
    """Refuse a result that no state may have.

    Raises:
        _ExecutionError: States.DataLimitExceeded.
    """
    if len(compact(output).encode("utf-8", "surrogatepass")) > LARGEST_PAYLOAD:
        raise sfn._ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )


def error_matches(error_equals: Sequence[str], error: str | None) -> bool:
    """Whether a retrier's or catcher's ErrorEquals covers an error, which need not have a name."""
    if error in error_equals:
        return True
    if error in UNCATCHABLE_BY_ALL:
        return False
    return "States.ALL" in error_equals or ("States.TaskFailed" in error_equals and error != "States.Timeout")


def choice_rules(plain: Callable[..., bool]) -> Callable[..., bool]:
    """Choice rules with a true IsPresent and every `...Path` comparison."""

    def evaluate(rule: Mapping[str, Any], data: Json, ctx: Mapping[str, Any] | None = None) -> bool:
        if "IsPresent" in rule:
            return is_present(rule["Variable"], data, ctx) is bool(rule["IsPresent"])
        return plain(without_path(rule, data, ctx), data, ctx)

    return evaluate


def is_present(variable: str, data: Json, context: Mapping[str, Any] | None) -> bool:
    """Whether a path selects something, null included."""
    try:
        sfn._resolve_path_or_ctx(variable, data, context)
    except PathNotFoundError:
        return False
    return True


def without_path(rule: Mapping[str, Any], data: Json, context: Mapping[str, Any] | None) -> dict[str, Any]:
    """A rule that compares with a path, as the rule that compares with the value found there."""
    return {
        key.removesuffix("Path") if key in COMPARED_WITH_A_PATH else key: (
            sfn._resolve_path_or_ctx(value, data, context) if key in COMPARED_WITH_A_PATH else value
        )
        for key, value in rule.items()
    }


def intrinsics(plain: Callable[..., Json]) -> Callable[..., Json]:
    """Intrinsic functions that format JSON as JSON and fail as States.IntrinsicFailure."""

    def execute(node: tuple[str, str, list[Any]], data: Json, ctx: Mapping[str, Any] | None) -> Json:
        kind, name, arguments = node
        values = [sfn._eval_intrinsic_arg(argument, data, ctx) for argument in arguments]
        if name == "States.Format":
            values = [value if isinstance(value, str) else compact(value) for value in values]
        try:
            return plain((kind, name, [("str", value) for value in values]), data, ctx)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise sfn._ExecutionError("States.IntrinsicFailure", f"{name} failed: {error}") from error

    return execute
