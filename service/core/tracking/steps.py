"""An execution's history as the states that it went through: entered, left, what went in and what came out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote

from pydantic import JsonValue

from schemas.tracking import StepLinks, StepView
from service.core.record.hearing import submitted_task_arns
from service.core.record.record import Record
from service.core.redaction import REDACTED, Redaction
from service.core.telling import console
from service.core.telling.compose import iso, seconds_from

HistoryEvent = Mapping[str, Any]
"""One event as GetExecutionHistory gives it, its timestamp in epoch seconds."""

_ALWAYS_HIDDEN = Redaction.of()
# A Lambda's answer has 6 MB at most [quotas], and JSON in JSON needs room.
_LARGEST_PAGE = 2 * 1024 * 1024
_ENTERED, _EXITED = "StateEntered", "StateExited"
_FAILURES = ("Failed", "TimedOut", "Aborted", "SubmitFailed", "StartFailed", "ScheduleFailed")


@dataclass
class _Step:
    """A state while its events are gone through."""

    name: str
    redrive: int
    entered_at: float
    given: str | None
    left_at: float | None = None
    made: str | None = None
    error: str | None = None
    cause: str | None = None
    task_arn: str | None = None
    runs_a_task: bool = False
    failed: bool = False
    known_place: tuple[int | None, int | None] | None = None


@dataclass
class Hiding:
    """Redacts JSON, its names looked at too. What was seen is remembered: states hand on what they were given."""

    redaction: Redaction = _ALWAYS_HIDDEN
    _known: dict[str, str] = field(default_factory=dict)

    def json(self, text: str | None) -> JsonValue:
        """The value that a text holds without its secrets; a text where it is no JSON, or was cut."""
        if text is None:
            return None
        try:
            return self._value(json.loads(text), "")
        except (ValueError, RecursionError):
            return self.text(text)

    def text(self, text: str | None) -> str | None:
        """A text without its secrets."""
        return None if text is None else self._hidden("", text)

    def _value(self, value: Any, name: str) -> JsonValue:
        if isinstance(value, dict):
            # ECS's environment: what a variable holds is a secret by the variable's name.
            named = value.get("Name", value.get("name"))
            return {
                key: self._value(item, named if isinstance(named, str) and key.lower() == "value" else key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._value(item, name) for item in value]
        return self.leaf(value, name)

    def leaf(self, value: str | float | bool | None, name: str) -> str | float | bool | None:
        """A value that has no parts, by the name that it stands under."""
        if isinstance(value, bool) or value is None:
            return value
        shown = self._hidden(name, str(value))
        return shown if isinstance(value, str) or shown == REDACTED else value

    def _hidden(self, name: str, text: str) -> str:
        prefix = f"{name}=" if name and len(name) < 128 else ""
        asked = prefix + text
        if asked not in self._known:
            shown = self.redaction.text(asked)
            # What stands under a secret's name is one secret, whatever characters it has.
            is_secret = bool(prefix) and shown.startswith(prefix + REDACTED)
            self._known[asked] = REDACTED if is_secret else shown.removeprefix(prefix)
        return self._known[asked]


def steps_of(
    record: Record,
    history: Iterable[HistoryEvent],
    redaction: Redaction = _ALWAYS_HIDDEN,
    after: int = 0,
    limit: int = 100,
) -> tuple[tuple[StepView, ...], bool]:
    """Some steps, those after a number, and whether there are more."""
    found = list(_steps(history))
    hiding = Hiding(redaction)
    shown = list(_within_a_page(found[after : after + limit]))
    views = tuple(_view(record, number, step, hiding) for number, step in enumerate(shown, start=after + 1))
    return views, after + len(shown) < len(found)


def heads_of(
    record: Record,
    history: Iterable[HistoryEvent],
    redaction: Redaction = _ALWAYS_HIDDEN,
    first: int | None = None,
    most: int = 100,
) -> tuple[tuple[StepView, ...], int]:
    """The last steps, or those from one on, without what went in and came out; and how many there are in all."""
    found = list(_steps(history))
    begin = max(0, len(found) - most) if first is None else first - 1
    hiding = Hiding(redaction)
    shown = enumerate(found[begin : begin + most], start=begin + 1)
    return tuple(_view(record, number, _head(step), hiding) for number, step in shown), len(found)


def _head(step: _Step) -> _Step:
    """A state without its texts, once it is known by them where it is; JSON that is not shown need not be redacted."""
    stage, attempt = _place(step)
    return replace(step, given=None, made=None, cause=None, known_place=(stage, attempt))


def _within_a_page(steps: Iterable[_Step]) -> Iterator[_Step]:
    """As many as an answer may hold, one at the least: a state's input and output may have 256 KiB each."""
    left = _LARGEST_PAGE
    for number, step in enumerate(steps):
        left -= sum(len(text or "") for text in (step.given, step.made, step.cause))
        if left < 0 and number:
            return
        yield step


def is_whole(history: Sequence[HistoryEvent]) -> bool:
    """Whether it tells the execution's end, so that nothing will be added unless it is redriven."""
    return bool(history) and history[-1]["type"] in {
        "ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted",
    }  # fmt: skip


def _steps(history: Iterable[HistoryEvent]) -> Iterator[_Step]:
    """The states in their order. The machine has no branches, so what happens belongs to the state that was entered."""
    step: _Step | None = None
    redrive = 0
    for event in history:
        kind, at = event["type"], float(event["timestamp"])
        if kind.endswith(_ENTERED):
            if step is not None:
                yield step
            details = event.get("stateEnteredEventDetails", {})
            step = _Step(details.get("name", ""), redrive, at, details.get("input"))
        elif kind == "ExecutionRedriven":
            redrive = int(event.get("executionRedrivenEventDetails", {}).get("redriveCount", redrive + 1))
            # The state that failed goes on without being entered anew.
            if step is not None and step.failed:
                yield step
                step = _Step(step.name, redrive, at, step.given)
        elif step is not None:
            _tell(step, kind, at, event)
    if step is not None:
        yield step


def _tell(step: _Step, kind: str, at: float, event: HistoryEvent) -> None:
    details: Mapping[str, Any] = next((item for name, item in event.items() if name.endswith("EventDetails")), {})
    if kind.endswith(_EXITED):
        step.left_at, step.made = at, details.get("output")
    elif kind == "TaskScheduled":
        step.runs_a_task = details.get("resourceType") == "ecs"
    elif kind == "TaskSubmitted":
        arns = submitted_task_arns(details.get("output", ""))
        step.task_arn = arns[0] if arns else step.task_arn
    elif kind.endswith(_FAILURES):
        step.error, step.cause = details.get("error") or step.error, details.get("cause") or step.cause
        if kind.startswith("Execution") and step.left_at is None:
            step.left_at, step.failed = at, True


def _view(record: Record, number: int, step: _Step, hiding: Hiding) -> StepView:
    stage, attempt = _place(step)
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"]
    status = "RUNNING" if step.left_at is None else "FAILED" if step.failed or step.error else "SUCCEEDED"
    return StepView(
        step=number,
        name=step.name,
        redrive=step.redrive,
        entered_at=iso(step.entered_at),
        left_at=iso(step.left_at),
        seconds=seconds_from(step.entered_at, step.left_at),
        status=status,
        stage=stage,
        attempt=attempt,
        input=hiding.json(step.given),
        output=hiding.json(step.made),
        error=hiding.text(step.error),
        cause=hiding.text(step.cause),
        task_arn=step.task_arn,
        links=StepLinks(
            task_console_url=console.task_url(step.task_arn) if step.task_arn else None,
            logs=tuple(_logs(record, step, stage, attempt)),
        ),
    )


def _place(step: _Step) -> tuple[int | None, int | None]:
    """Which attempt of which stage a step runs, by the plan that it was given."""
    if step.known_place is not None:
        return step.known_place
    if not step.runs_a_task:
        return None, None
    try:
        plan = json.loads(step.given or "{}")["lambda_result"]["next_stage"]
        return int(plan["stage"]), int(plan["attempt"])
    except (ValueError, KeyError, TypeError):
        return None, None


def _logs(record: Record, step: _Step, stage: int | None, attempt: int | None) -> Iterator[str]:
    task = next((item for item in record.tasks if item.arn == step.task_arn), None)
    if task is None or record.request is None or stage is None:
        return
    where = f"/tenants/{record.request.tenant}/jobs/{record.job_id}/logs/{stage}/{attempt}"
    for container in task.containers:
        yield f"{where}/{quote(container.name, safe='')}?redrive={task.redrive or 0}"
