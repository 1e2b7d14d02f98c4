"""The notification for a person: the e-mail's subject and text."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.notification import AttemptReport, Cost, FailureCard, JobNotification, LogReceipt, Rejection, StageReport

_LONGEST_SUBJECT = 99  # SNS: less than 100 characters, ASCII, no line breaks [SNS Publish].

_OPENINGS = {
    "SUCCEEDED": "Your job {job} succeeded{took}.",
    "FAILED": "Your job {job} failed{took}.",
    "TIMED_OUT": "Your job {job} ran out of time{took}.",
    "ABORTED": "Your job {job} was stopped before it was done{took}.",
    "REJECTED": "A request{job_named} was not accepted, so nothing was run.",
}


def subject(notification: JobNotification) -> str:
    """One line for an inbox; whatever a producer chose to call things, it is printable ASCII."""
    name = notification.job_id or "a request"
    failed = notification.failure
    at = f" at stage {failed.stage} ({failed.failure_class})" if failed and failed.stage else ""
    line = f"{name}: {notification.status.lower().replace('_', ' ')}{at}"
    return "".join(character if " " <= character <= "~" else "?" for character in line)[:_LONGEST_SUBJECT]


def as_text(notification: JobNotification) -> str:
    """The whole notification as a letter."""
    return "\n".join(_lines(notification)).rstrip() + "\n"


def _lines(told: JobNotification) -> Iterator[str]:
    yield _OPENINGS[told.status].format(
        job=told.job_id, job_named=f" for job {told.job_id}" if told.job_id else "", took=_took(told)
    )
    yield ""
    if told.rejection:
        yield from _rejection(told.rejection)
    if told.failure:
        yield from _failure(told.failure)
    yield from _stages(told.stages)
    if told.cost:
        yield _cost(told.cost)
    if told.execution_console_url:
        yield f"The execution: {told.execution_console_url}"
    yield f"Notification {told.id}"


def _took(told: JobNotification) -> str:
    return f" after {_duration(told.duration_seconds)}" if told.duration_seconds is not None else ""


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _cost(cost: Cost) -> str:
    held = f"It held {cost.vcpu_seconds:,.2f} vCPU-seconds and {cost.gb_seconds:,.2f} GB-seconds"
    return f"{held}, about {cost.estimate:.4f} by your prices." if cost.estimate is not None else f"{held}."


def _rejection(rejection: Rejection) -> Iterator[str]:
    yield "Why:"
    for problem in rejection.problems:
        where = f"{problem.field}: " if problem.field else ""
        yield f"  - {where}{problem.message}. {problem.remedy}"
    yield ""
    if rejection.body_s3_uri:
        yield f"The request as it was sent: {rejection.body_s3_uri}"
    if rejection.body_link:
        yield f"  {rejection.body_link.url}"
        yield f"  (opens until {rejection.body_link.expires_at})"
    yield ""


def _failure(card: FailureCard) -> Iterator[str]:
    where = f"Stage {card.stage} ({card.stage_name})" if card.stage else "The job"
    code = f", exit code {card.exit_code}" if card.exit_code is not None else ""
    yield f"{where}: {card.failure_class.replace('_', ' ')}{code}. This is {card.confidence}."
    yield f"  Evidence: {card.evidence}"
    yield f"  What to do: {card.next_action}"
    if card.log_tail:
        yield "  Its last words:"
        yield from (f"    | {_on_one_line(line)}" for line in card.log_tail)
    yield ""


def _on_one_line(text: str) -> str:
    """A container's own line: what would break the line, or steer a terminal, becomes a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def _stages(stages: tuple[StageReport, ...]) -> Iterator[str]:
    for stage in stages:
        yield f"Stage {stage.stage} ({stage.name}, image {stage.image}): {stage.status.lower().replace('_', ' ')}"
        for attempt in stage.attempts:
            yield from _attempt(attempt, alone=len(stage.attempts) == 1)
        if stage.output_s3_prefix:
            yield f"  output: {stage.output_s3_prefix}"
        yield ""


def _attempt(attempt: AttemptReport, *, alone: bool) -> Iterator[str]:
    code = f"exit code {attempt.exit_code}" if attempt.exit_code is not None else "no exit code"
    ran = f", ran {_duration(attempt.durations.running)}" if attempt.durations.running is not None else ""
    if not alone:
        yield f"  attempt {attempt.attempt}: {code}{ran}"
    for container in attempt.containers:
        if container.log:
            yield from _log(container.log)


def _log(log: LogReceipt) -> Iterator[str]:
    if log.status == "absent" or log.link is None:
        yield f"  log of {log.container}: {log.status.replace('_', ' ')}{f' ({log.why})' if log.why else ''}"
        return
    note = f", {log.status.replace('_', ' ')}: {log.why}" if log.why else ""
    lines = f"{log.lines:,} line{'' if log.lines == 1 else 's'}"
    yield f"  log of {log.container} ({lines}{note}), opens until {log.link.expires_at}:"
    yield f"    {log.link.url}"
