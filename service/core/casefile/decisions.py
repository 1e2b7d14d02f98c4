"""The planner's decisions, out of an execution's history: what it was asked, and what it said.

The state machine asks by `lambda:invoke`: its question is the payload of a TaskScheduled event, its answer that of a
TaskSucceeded, and an execution that it lets fail the error of a TaskFailed, whose cause is Lambda's JSON with
`errorMessage` [Lambda guide, python-exceptions].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.base import json_object
from schemas.casefile import PlannerDecision
from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED
from service.core.tracking.steps import HistoryEvent

_PLANNED_FAILURES = frozenset({STAGE_FAILED, JOB_TIMED_OUT})
_ANSWER = "taskSucceededEventDetails"
_NO_ANSWER = {"TaskFailed": "taskFailedEventDetails", "TaskTimedOut": "taskTimedOutEventDetails"}


def decisions_of(history: Iterable[HistoryEvent]) -> Iterator[PlannerDecision]:
    """What the planner decided, oldest first. A question that has no answer yet is no decision."""
    question: dict[str, Any] | None = None
    for event in history:
        details: Mapping[str, Any] = next((item for name, item in event.items() if name.endswith("EventDetails")), {})
        if details.get("resourceType") != "lambda":
            continue
        if event["type"] == "TaskScheduled":
            question = _payload(details.get("parameters"))
        elif question is not None and (decision := _decided(question, event)) is not None:
            yield decision
            question = None


def _payload(text: str | None) -> dict[str, Any] | None:
    payload = json_object(text).get("Payload")
    return payload if isinstance(payload, dict) and "step" in payload else None


def _decided(question: dict[str, Any], event: HistoryEvent) -> PlannerDecision | None:
    if event["type"] == "TaskSucceeded":
        answer = json_object(event.get(_ANSWER, {}).get("output")).get("Payload")
        return PlannerDecision(request=question, result=answer) if isinstance(answer, dict) else None
    if event["type"] not in _NO_ANSWER:
        return None
    details = event.get(_NO_ANSWER[event["type"]], {})
    error, cause = details.get("error") or "", details.get("cause") or ""
    said = json_object(cause).get("errorMessage") if error in _PLANNED_FAILURES else None
    return PlannerDecision(request=question, error=error, cause=said if isinstance(said, str) else cause)


def was_planned(decision: PlannerDecision) -> bool:
    """Whether the answer is the planner's; Lambda's own troubles are nobody's decision."""
    return decision.result is not None or decision.error in _PLANNED_FAILURES
