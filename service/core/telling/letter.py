"""The notification for a person: the e-mail's subject and text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from schemas.notification import (
    AttemptReport,
    Cost,
    EarlierOutcome,
    FailureCard,
    JobNotification,
    LogReceipt,
    Rejection,
    StageReport,
    SteeredBy,
)
from schemas.progress import StageProgress
from service.core.diagnosis.ending import was_refused
from service.core.telling.failure_words import SURE, in_words

_LONGEST_SUBJECT = 99  # SNS: less than 100 characters, ASCII, no line breaks [SNS Publish].

_OPENINGS = {
    "SUCCEEDED": "Your job {job} succeeded{took}.",
    "FAILED": "Your job {job} failed{took}.",
    "TIMED_OUT": "Your job {job} ran out of time{took}.",
    "ABORTED": "Your job {job} was stopped{took}, before it was done.",
    "REJECTED": "A request{job_named} was not accepted, so nothing was run.",
}
_UNTIL = re.compile(r", to be opened until [-0-9]+ [:0-9]+ UTC|^  to be opened until .*\n", re.MULTILINE)
_FINGERPRINT_DIGITS = 12
_DONE = {"cancel": "Cancelled by", "redrive": "Redriven by", "rerun": "Rerun by"}
_BEFORE = {"FAILED": "failed", "TIMED_OUT": "ran out of time", "ABORTED": "was stopped"}


def subject(notification: JobNotification) -> str:
    """One line for an inbox."""
    name = notification.job_id or "a request"
    failed = notification.failure
    at = f" at stage {failed.stage} ({failed.failure_class})" if failed and failed.stage else ""
    return subject_line(f"{name}: {notification.status.lower().replace('_', ' ')}{at}")


def subject_line(line: str) -> str:
    """A line as SNS takes it for a subject: whatever a producer chose to call things, it is printable ASCII."""
    return "".join(character if " " <= character <= "~" else "?" for character in line)[:_LONGEST_SUBJECT]


def as_text(notification: JobNotification) -> str:
    """The whole notification as a letter."""
    return "\n".join(_lines(notification)).rstrip() + "\n"


def fingerprint(text: str) -> str:
    """By which a letter is known again, its links apart: they are signed anew for every copy."""
    lines = (line for line in _UNTIL.sub("", text).split("\n") if "://" not in line)
    return hashlib.sha256("\n".join(lines).encode(errors="replace")).hexdigest()[:_FINGERPRINT_DIGITS]


def _lines(notification: JobNotification) -> Iterator[str]:
    named = notification.rejection.claimed_job_id if notification.rejection else notification.job_id
    job = f'"{named}"'
    yield _OPENINGS[notification.status].format(
        job=job, job_named=f" for job {job}" if named else "", took=_took(notification)
    )
    yield ""
    if notification.rejection:
        yield from _rejection(notification.rejection)
    if notification.retry_of:
        yield f'A rerun of "{_on_one_line(notification.retry_of)}".'
        yield ""
    yield from _earlier(notification.earlier_outcomes)
    yield from _steered(notification.steered)
    if notification.failure:
        yield from _failure(notification.failure)
    yield from _stages(notification.stages)
    if notification.left_out:
        yield f"Left out, to keep this short enough to be sent: {'; '.join(notification.left_out)}."
    if notification.cost:
        yield _cost(notification.cost)
    if notification.execution_console_url:
        yield f"The execution: {notification.execution_console_url}"
    yield f"Notification {notification.id}"


def _took(notification: JobNotification) -> str:
    return f" after {in_seconds(notification.duration_seconds)}" if notification.duration_seconds is not None else ""


def in_seconds(seconds: float) -> str:
    """How long something took, for a person."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _moment(iso: str) -> str:
    """To the minute, which is cut and not rounded: a link must not be told to live longer than it does."""
    return f"{iso[:10]} {iso[11:16]} UTC"


def _cost(cost: Cost) -> str:
    held = f"Its tasks held {cost.vcpu_seconds:,.2f} vCPU-seconds and {cost.gb_seconds:,.2f} GB-seconds"
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
        yield f"  to be opened until {_moment(rejection.body_link.expires_at)}:"
        yield f"  {rejection.body_link.url}"
    yield ""


def _earlier(outcomes: tuple[EarlierOutcome, ...]) -> Iterator[str]:
    for ended in outcomes:
        how = _BEFORE[ended.status] if ended.status else "ended in a way that is not known"
        when = f" at {_moment(ended.ended_at)}" if ended.ended_at else ""
        error = f", with {_on_one_line(ended.error)}" if ended.error else ""
        yield f"Before that it {how}{when}{error}, and was redriven before this could be told."
    if outcomes:
        yield ""


def _steered(wishes: tuple[SteeredBy, ...]) -> Iterator[str]:
    for wish in wishes:
        reason = f": {_on_one_line(wish.reason)}" if wish.reason else ""
        yield f"{_DONE[wish.verb]} {_on_one_line(wish.by or 'somebody')}, asked at {_moment(wish.asked_at)}{reason}"
    if wishes:
        yield ""


def _redriven(attempt: AttemptReport) -> str:
    return f" (redrive {attempt.redrive})" if attempt.redrive else ""


def _failure(card: FailureCard) -> Iterator[str]:
    where = f", in stage {card.stage} ({card.stage_name})" if card.stage else ""
    code = f", with exit code {card.exit_code}" if card.exit_code is not None else ""
    yield f"Why: {in_words(card.failure_class)}{where}{code}. This is {SURE[card.confidence]}."
    yield f"  Evidence: {_on_one_line(card.evidence)}"
    yield f"  What to do: {_on_one_line(card.next_action)}"
    if card.log_tail:
        yield "  Its last words:"
        yield from (f"    | {_on_one_line(line)}" for line in card.log_tail)
    yield ""


def _on_one_line(text: str) -> str:
    """Words of a container's or of AWS's: what would break the line, or steer a terminal, becomes a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def _stages(stages: tuple[StageReport, ...]) -> Iterator[str]:
    for stage in stages:
        alone = len(stage.attempts) == 1
        code = "".join(_exit_code(attempt) for attempt in stage.attempts) if alone else ""
        yield f"Stage {stage.stage} ({named(stage)}): {stage.status.lower().replace('_', ' ')}{code}"
        for attempt in stage.attempts:
            if not alone:
                yield f"  Attempt {attempt.attempt}{_redriven(attempt)}: {_ended(attempt)}{_exit_code(attempt)}"
            yield from _attempt(attempt)
        if stage.output_s3_prefix:
            yield f"  Output: {stage.output_s3_prefix}"
        yield ""


def named(stage: StageReport | StageProgress) -> str:
    """A stage by its name, and by its image where that is another one."""
    return stage.name if stage.name == stage.image else f"{stage.name}, image {stage.image}"


def _ended(attempt: AttemptReport) -> str:
    return "passed" if attempt.passed else in_words(attempt.failure_class or "failed")


def _exit_code(attempt: AttemptReport) -> str:
    if attempt.exit_code is not None:
        return f", exit code {attempt.exit_code}"
    refused = was_refused(attempt.error) and attempt.task_arn is None
    return ", no task was started" if refused else ", no exit code"


def _attempt(attempt: AttemptReport) -> Iterator[str]:
    times = attempt.durations
    spent = (
        f"waited for {in_seconds(times.queued)}" if times.queued is not None else "",
        f"took {in_seconds(times.starting)} to pull its images and start" if times.starting is not None else "",
        f"ran for {in_seconds(times.running)}{_on(attempt)}" if times.running is not None else "",
    )
    if any(spent):
        yield f"  It {_joined(*filter(None, spent))}."
    if times.archiving is not None:
        yield f"  Its logs were archived {in_seconds(times.archiving)} after its end."
    for container in attempt.containers:
        if container.log:
            yield from _log(container.log)


def _joined(*parts: str) -> str:
    *most, last = parts
    return f"{', '.join(most)}, and {last}" if most else last


def _on(attempt: AttemptReport) -> str:
    """What it ran on and with, as far as that is known."""
    memory = f" with {attempt.memory} MiB" if attempt.memory else ""
    return f" on {attempt.ran_on}{memory}" if attempt.ran_on else memory


def _log(log: LogReceipt) -> Iterator[str]:
    why = _on_one_line(log.why or "")
    if log.s3_uri is None:
        yield f"  Log of {log.container}: {log.status.replace('_', ' ')}{f' ({why})' if why else ''}"
        return
    note = f"; {log.status.replace('_', ' ')}: {why}" if why else ""
    lines = f"{log.lines:,} line{'' if log.lines == 1 else 's'}"
    until = f", to be opened until {_moment(log.link.expires_at)}" if log.link else ""
    yield f"  Log of {log.container} ({lines}{note}){until}:"
    yield f"    {log.link.url if log.link else log.s3_uri}"
