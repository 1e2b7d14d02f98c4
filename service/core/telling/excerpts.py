"""Which parts of a notification are words of others: containers, AWS, producers. They leave without their secrets."""

from __future__ import annotations

from schemas.notification import AttemptReport, ContainerReport, FailureCard, JobNotification, LogReceipt, Rejection
from service.core.redaction import Redaction


def without_secrets(notification: JobNotification, redaction: Redaction) -> JobNotification:
    """The notification, its excerpts redacted; links, names and ids stay, and the text is not made anew."""
    stages = tuple(
        stage.model_copy(
            update={"attempts": tuple(attempt_without_secrets(item, redaction) for item in stage.attempts)}
        )
        for stage in notification.stages
    )
    return notification.model_copy(
        update={
            "failure": failure_without_secrets(notification.failure, redaction) if notification.failure else None,
            "rejection": rejection_without_secrets(notification.rejection, redaction)
            if notification.rejection
            else None,
            "stages": stages,
        }
    )


def failure_without_secrets(card: FailureCard, redaction: Redaction) -> FailureCard:
    """The same, its excerpts redacted."""
    return card.model_copy(
        update={
            "evidence": redaction.text(card.evidence),
            "next_action": redaction.text(card.next_action),
            "log_tail": redaction.lines(card.log_tail),
        }
    )


def rejection_without_secrets(rejection: Rejection, redaction: Redaction) -> Rejection:
    """The same, its excerpts redacted."""
    problems = (
        item.model_copy(update={"field": redaction.text(item.field), "message": redaction.text(item.message)})
        for item in rejection.problems
    )
    return rejection.model_copy(update={"problems": tuple(problems)})


def attempt_without_secrets(attempt: AttemptReport, redaction: Redaction) -> AttemptReport:
    """The same, its excerpts redacted."""
    return attempt.model_copy(
        update={
            "stopped_reason": _maybe(attempt.stopped_reason, redaction),
            "error": _maybe(attempt.error, redaction),
            "containers": tuple(_container(item, redaction) for item in attempt.containers),
        }
    )


def _container(item: ContainerReport, redaction: Redaction) -> ContainerReport:
    return item.model_copy(
        update={
            "reason": _maybe(item.reason, redaction),
            "log": _log(item.log, redaction) if item.log else None,
        }
    )


def _log(log: LogReceipt, redaction: Redaction) -> LogReceipt:
    return log.model_copy(update={"why": _maybe(log.why, redaction)})


def _maybe(text: str | None, redaction: Redaction) -> str | None:
    return None if text is None else redaction.text(text)
