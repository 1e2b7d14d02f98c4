"""The planner, once more: each question that it was asked, by its own clock; and how it and we judge what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue, ValidationError

from schemas.casefile import PlannerDecision, ReplayedPart
from schemas.notification import FailureCard
from schemas.plan import LambdaResult, PlanRequest, Stage
from service.core.casefile.decisions import was_planned
from service.core.casefile.differences import differences
from service.core.casefile.files import Case
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.odd import ODD, fails
from service.core.casefile.requests import frozen_stages
from service.core.planning.planning import failure, plan
from service.core.policy.outcome import stages_of, status_of
from service.core.record.record import Record
from service.core.telling.excerpts import failure_without_secrets
from service.core.telling.failure_card import failure_card

_NO_EXECUTION = "no execution was started, so that nothing was planned"
_NO_HISTORY = "the case has no decision of the planner: the manifest's not_known says why"


@dataclass(frozen=True)
class Answered:
    """One decision, made again: where it stands, and both answers, fit to be shown."""

    where: str
    then: JsonValue
    now: JsonValue
    of_a_failure: bool


def planning(case: Case, record: Record, again: Sequence[Answered]) -> ReplayedPart:
    """Each plan, or the error that it let the execution fail with."""
    found = [item for made in again for item in differences(made.where, made.then, made.now)]
    return ReplayedPart(
        part="planning", decisions=len(again), differences=tuple(found), not_replayed=tuple(_not_replayed(case, record))
    )


def _not_replayed(case: Case, record: Record) -> Iterator[str]:
    if not case.decisions:
        yield _NO_HISTORY if record.execution and record.execution.arn else _NO_EXECUTION
    for decision in case.decisions:
        if not was_planned(decision):
            yield f"the planner gave no answer, but Lambda an error: {decision.error or 'none that is known'}"[:200]


def answered_again(case: Case, hiding: CaseHiding) -> Iterator[Answered]:
    """Every decision of the planner, made again."""
    stages = frozen_stages(case.stages)
    for decision in filter(was_planned, case.decisions):
        then = _answer(decision)
        now = _answer_now(decision, stages)
        asked_at, step = decision.request.get("now"), decision.request.get("step")
        yield Answered(f"{step} at {asked_at}", hiding.value(then), hiding.value(now), step == "handle_error_step")


def _answer(decision: PlannerDecision) -> dict[str, Any]:
    if decision.result is None:
        return {"error": decision.error, "cause": decision.cause}
    try:  # Of an older planner's answer, what has come since is as it is where nothing is said.
        return LambdaResult.model_validate(decision.result).model_dump(mode="json")
    except ValidationError:
        return decision.result


def _answer_now(decision: PlannerDecision, stages: Sequence[Stage]) -> dict[str, Any]:
    try:
        request = PlanRequest.model_validate(decision.request)
        if (outcome := failure(request)) is not None:
            return {"error": outcome.error, "cause": outcome.cause}
        return plan(request, request.input.lambda_result.config.stages or stages).model_dump(mode="json")
    except ODD as error:
        return {"error": fails(error)}


def diagnosis(case: Case, record: Record, answers: Sequence[Answered], hiding: CaseHiding) -> ReplayedPart:
    """What each failure was taken for, by the planner and on the failure card, and what was done about it."""
    again = [made for made in answers if made.of_a_failure]
    found = [
        item for made in again for item in differences(_of_which(made), _judgement(made.then), _judgement(made.now))
    ]
    card = _cards(case, record, hiding)
    if card is not None:
        found.extend(differences("failure card", *card))
    why = () if again or card else ("nothing failed",)
    return ReplayedPart(
        part="diagnosis", decisions=len(again) + (card is not None), differences=tuple(found), not_replayed=why
    )


def _of_which(made: Answered) -> str:
    return made.where.replace("handle_error_step", "failure")


def _judgement(answer: JsonValue) -> dict[str, JsonValue]:
    """What a plan says of the failure that it was asked about."""
    try:
        answered = LambdaResult.model_validate(answer)
    except ValidationError:
        return {"decision": answer.get("error") if isinstance(answer, dict) else None}
    following, outcome = answered.next_stage, answered.outcome
    attempts = outcome.attempts if outcome else answered.attempts
    waits = following.waiting if following else None
    return {
        "failure_class": waits.failure_class if waits else attempts[-1].failure_class if attempts else None,
        "decision": answered.decision,
        "attempt": following.attempt if following else None,
        "memory": following.memory if following else None,
        "cpu": following.cpu if following else None,
        "launch": following.launch if following else None,
        "wait_seconds": answered.wait_seconds,
        "evidence": outcome.cause if outcome else None,
    }


def _cards(case: Case, record: Record, hiding: CaseHiding) -> tuple[JsonValue, JsonValue] | None:
    """The failure card then and now; None where the notification has none."""
    card = (case.notification or {}).get("failure")
    execution = record.execution
    if not isinstance(card, dict) or execution is None:
        return None
    return hiding.value(card), hiding.value(_card_now(record, hiding))


def _card_now(record: Record, hiding: CaseHiding) -> dict[str, Any] | None:
    execution = record.execution
    assert execution is not None, "who failed was started"
    try:
        if status_of(record) == "SUCCEEDED":
            return None
        card: FailureCard = failure_card(record, execution, stages_of(record))
        return failure_without_secrets(card, hiding.redaction).model_dump(mode="json")
    except ODD as error:
        return {"failure_class": fails(error)}
