"""What shows a failure: small matchers over an Ending. Each answers with the words that show it, or with None."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Literal, NamedTuple

from schemas.notification import Confidence
from service.core.diagnosis.ending import Ending, parsed, timed_out
from service.core.redaction import redact

Remedy = Literal["wait", "again", "again_on_demand", "bigger", "application", "none"]
"""What the planner may do: wait until AWS takes it on, which is no failure; try the same again, on demand instead of
Spot, with more memory, if the catalogue allows retrying the application's own failures, or nothing."""

Evidence = Callable[[Ending], str | None]


class Row(NamedTuple):
    """One failure of the table. `next_action` may hold the names that `names_in` fills in."""

    failure_class: str
    confidence: Confidence
    remedy: Remedy
    evidence: Evidence
    next_action: str


# A name stands at or near the beginning of a reason; before it there may be "Task failed to start: ", a service's
# name, or who was refused. Further on, a reason quotes others.
_NEAR_THE_BEGINNING = 300
_AWS_ERROR = re.compile(r"(ECS|AmazonECS|States|Lambda)\.")
# ARNs, URLs, and images: with their registry, or where a registry names one.
_A_NAME = re.compile(
    r"\barn:aws[\w-]*:[^\s\"',;]+|\bhttps?://[^\s\"',;]+|\b[\w-]+(?:\.[\w-]+)+(?::\d+)?/[\w.:@/-]+"
    r"|(?<=\bfor )[\w.-]+/[\w./-]+|(?<=\brepository )[\w.-]+/[\w./-]+",
    re.IGNORECASE,
)
# The reason of a stop that somebody asked for is his; ECS writes these itself.
_AWS_WROTE = re.compile(r"Host EC2|Container instance deregist", re.IGNORECASE)
_ENDED_BY_ITSELF = "EssentialContainerExited"
_SIGTERM_OR_SIGKILL = frozenset({143, 137})
_DWORD = 0xFFFFFFFF
_NAMELESS = "the container reported a failure without a name"


def said(name: str, *details: str) -> Evidence:
    """AWS said it: the name near the beginning, and the details anywhere in the same reason, in any case.

    It said it of the job's own container or of the task; or, where the job's own never ran, of another container.
    Names are no details: an image may be called `throttler`, and a secret `access-denied-page`.
    """
    return _said(_words_about_the_start, name, *details)


def said_of_own(name: str) -> Evidence:
    """As `said`, of the job's own container or of the task alone."""
    return _said(_words_of_aws, name)


def _said(words: Callable[[Ending], Iterator[str]], name: str, *details: str) -> Evidence:
    first, *others = (re.compile(pattern, re.IGNORECASE) for pattern in (name, *details))

    def evidence(ending: Ending) -> str | None:
        for text in words(ending):
            if first.search(text, 0, _NEAR_THE_BEGINNING) and _all_in(others, text):
                return text
        return None

    return evidence


def _all_in(patterns: list[re.Pattern[str]], text: str) -> bool:
    nameless = _A_NAME.sub("name", text) if patterns else text
    return all(pattern.search(nameless) for pattern in patterns)


def others_said(name: str) -> Evidence:
    """A reason of another container says it."""
    pattern = re.compile(name, re.IGNORECASE)
    return lambda ending: next((text for text in ending.other_reasons if pattern.search(text)), None)


def failed_with(error: str, *details: str) -> Evidence:
    """The error has this name (case counts, from its beginning), and the cause holds the details."""
    first = re.compile(error)
    others = [re.compile(pattern, re.IGNORECASE) for pattern in details]

    def evidence(ending: Ending) -> str | None:
        found = first.match(ending.error or "") and all(pattern.search(ending.cause or "") for pattern in others)
        return _error_and_cause(ending) if found else None

    return evidence


def stop_code(*codes: str) -> Evidence:
    """ECS gave one of these stop codes, in whatever case."""
    known = {code.lower() for code in codes}

    def evidence(ending: Ending) -> str | None:
        shown = f"{ending.stop_code}: {ending.stopped_reason}" if ending.stopped_reason else ending.stop_code
        return shown if (ending.stop_code or "").lower() in known else None

    return evidence


def exited(code: int, meaning: str) -> Evidence:
    """The job's own container exited with this code."""
    return lambda ending: f"exit code {code}: {meaning}" if ending.exit_code == code else None


def exited_on_windows(code: int, meaning: str) -> Evidence:
    """The job's own container exited with this NTSTATUS, which is told as a number with or without a sign."""

    def evidence(ending: Ending) -> str | None:
        said_by_aws = ending.exit_code
        return (
            f"exit code {said_by_aws} (0x{code:08X}): {meaning}"
            if said_by_aws is not None and said_by_aws & _DWORD == code
            else None
        )

    return evidence


def signalled(ending: Ending) -> str | None:
    """The job's own container was ended by a signal, as a shell counts it: 128 and the signal's number."""
    number = (ending.exit_code or 0) - 128
    if not 0 < number <= 64:
        return None
    known = {item.value: f" ({item.name})" for item in signal.Signals}
    return f"exit code {ending.exit_code}: ended by signal {number}{known.get(number, '')}"


def with_its_reason(evidence: Evidence) -> Evidence:
    """The evidence, and what AWS says of the container besides, in words that no row knows."""

    def both(ending: Ending) -> str | None:
        shown = evidence(ending)
        return f"{shown}; {ending.container_reason}" if shown and ending.container_reason else shown

    return both


def when(condition: Callable[[Ending], bool], evidence: Evidence) -> Evidence:
    """The evidence, if the condition holds as well."""
    return lambda ending: evidence(ending) if condition(ending) else None


def any_of(*evidences: Evidence) -> Evidence:
    """The first of these that shows it."""
    return lambda ending: next((shown for item in evidences if (shown := item(ending)) is not None), None)


def reported_without_a_name(ending: Ending) -> str | None:
    """The container reported a failure that it gave no name, and its cause if it gave one."""
    if not ending.callback or ending.error != "":
        return None
    cause = ending.cause or ""
    return cause if cause.startswith(_NAMELESS) else f"{_NAMELESS}: {cause}" if cause else _NAMELESS


def others_failed(ending: Ending) -> str | None:
    """Something else than the job's own container went wrong, and what."""
    said_by_aws = "; ".join(ending.other_reasons)
    codes = ", ".join(f"another container's exit code {code}" for code in ending.other_exit_codes if code)
    own = "its own container has no exit code" if ending.exit_code is None else f"own exit code {ending.exit_code}"
    return f"{own}; {said_by_aws or codes}" if said_by_aws or codes else None


def nothing_better(ending: Ending) -> str:
    """All that there is, raw, and each thing once: the cause may be the planner's evidence, which is this same line."""
    parts = (
        ("error", ending.error),
        ("stop code", ending.stop_code),
        ("stopped reason", ending.stopped_reason),
        ("container reason", ending.container_reason),
        ("exit code", ending.exit_code),
        ("other containers", "; ".join(ending.other_reasons)),
    )
    said_by_aws = [f"{name} {value}" for name, value in parts if value not in (None, "")]
    cause = ending.cause or ""
    if any(cause.startswith(item) for item in said_by_aws):
        said_by_aws = [cause, *(item for item in said_by_aws if item not in cause)]
    elif cause:
        said_by_aws.insert(1 if ending.error else 0, f"cause {cause}")
    return "; ".join(said_by_aws) or "nothing was said: no error, no stop code, no reason, no exit code"


# Conditions.


def ran_out_of_time(ending: Ending) -> bool:
    """Whether the state's clock ended the attempt, and not a container that had failed before, unheard."""
    return timed_out(ending) and not (ending.stop_code == _ENDED_BY_ITSELF and ending.exit_code)


def never_reported(ending: Ending) -> bool:
    """Whether a container that had to report back ended well and did not."""
    return ran_out_of_time(ending) and ending.exit_code == 0 and ending.callback


def missed_a_heartbeat(ending: Ending) -> bool:
    """Whether the attempt ended too early for its timeout, so that only a heartbeat can be meant."""
    if not ending.callback or ending.duration_seconds is None or not ending.timeout_seconds:
        return False
    inaccuracy = max(5.0, ending.timeout_seconds * 0.02)
    return ran_out_of_time(ending) and ending.duration_seconds < ending.timeout_seconds - inaccuracy


def may_have_missed_a_heartbeat(ending: Ending) -> bool:
    """Whether heartbeats were due, and the duration does not tell."""
    return ran_out_of_time(ending) and ending.callback and ending.duration_seconds is None


def used_up_its_timeout(ending: Ending) -> bool:
    """Whether only the timeout can be meant: no heartbeat was due."""
    return ran_out_of_time(ending) and not ending.callback and ending.timeout_seconds is not None


def stopped_with_the_task(ending: Ending) -> bool:
    """Whether a signal that ECS sends came after another container had failed."""
    return _another_led(ending) and ending.exit_code in _SIGTERM_OR_SIGKILL


def _another_led(ending: Ending) -> bool:
    """Whether another container failed by itself, and ended the task by it."""
    failed = any(code not in _SIGTERM_OR_SIGKILL and code != 0 for code in ending.other_exit_codes)
    return failed and ending.stop_code in (None, _ENDED_BY_ITSELF)


def never_ran(ending: Ending) -> bool:
    """Whether the job's own container has no exit code, in a task that never ran or that another one ended.

    So ends a container that waits for its log router, which fails [amazon-ecs-agent #5084].
    """
    return failed_to_start(ending) or (ending.exit_code is None and _another_led(ending))


def failed_to_start(ending: Ending) -> bool:
    """Whether the task ended before the job's own container did."""
    return ending.exit_code is None and (not ending.started or ending.stop_code == "TaskFailedToStart")


def was_a_task(ending: Ending) -> bool:
    """Whether ECS said anything at all of how the task ended."""
    return bool(ending.stop_code or ending.stopped_reason or ending.container_reason or ending.launch_type)


def is_ours_to_name(ending: Ending) -> bool:
    """Whether the error is neither AWS's nor Jobferry's, so that our planner or a container chose its name."""
    error = (ending.error or "").strip()
    return bool(error) and not _AWS_ERROR.match(error) and not error.startswith(("Jobferry.", "Execution."))


def reported_back(ending: Ending) -> bool:
    """Whether it is certain that the container chose the error's name: a container ran, or had to report back."""
    return is_ours_to_name(ending) and (ending.callback or ending.exit_code is not None or was_a_task(ending))


def out_of_time(ending: Ending) -> str:
    """The timeout in numbers, as far as they are known: AWS gives no cause."""
    numbers = (
        ("after", ending.duration_seconds),
        ("timeout", ending.timeout_seconds),
        ("heartbeat every", ending.heartbeat_seconds),
    )
    known = ", ".join(f"{name} {_seconds(value, '')}" for name, value in numbers if value is not None)
    # The planner's evidence is this same line, from what was known then.
    more = "" if (ending.cause or "").startswith(ending.error or "") else ending.cause
    return " ".join(filter(None, (ending.error, f"({known})" if known else "", more)))


def _error_and_cause(ending: Ending) -> str:
    error, cause = ending.error or "", _in_prose(ending.cause or "")
    return cause if error in cause else f"{error}: {cause}" if cause else error


def _in_prose(cause: str) -> str:
    """What the JSON of a cause says: RunTask's failures [botocore, Failure], or a Lambda function's error message."""
    said_by_aws = parsed(cause)
    if not isinstance(said_by_aws, dict):
        return cause
    failures = said_by_aws.get("Failures")
    listed = [item for item in failures if isinstance(item, dict)] if isinstance(failures, list) else []
    reasons = (", ".join(str(item[key]) for key in ("Reason", "Detail", "Arn") if item.get(key)) for item in listed)
    return "; ".join(filter(None, reasons)) or str(said_by_aws.get("errorMessage") or cause)


def _words_about_the_start(ending: Ending) -> Iterator[str]:
    yield from _words_of_aws(ending)
    if failed_to_start(ending):
        yield from ending.other_reasons


def _words_of_aws(ending: Ending) -> Iterator[str]:
    """Reasons, and the cause of an error of AWS's; not what a person or a container said, nor a task as JSON."""
    yield from filter(None, (ending.container_reason, _reason_by_aws(ending)))
    if _AWS_ERROR.match(ending.error or ""):
        yield (ending.error or "") if _is_of_a_task(ending) else _error_and_cause(ending)


def _is_of_a_task(ending: Ending) -> bool:
    """Whether the cause is a task as JSON, the planner's evidence of one that is known, or a container's own words."""
    told_otherwise = (ending.cause or "").lstrip().startswith("{") or ending.callback or was_a_task(ending)
    return ending.error == "States.TaskFailed" and told_otherwise


def _reason_by_aws(ending: Ending) -> str | None:
    reason = ending.stopped_reason or ""
    is_a_persons = (ending.stop_code or "").lower() == "userinitiated" and not _AWS_WROTE.match(reason)
    return None if is_a_persons else reason


# What a sentence may name: where to find it in AWS's words, and what to say where it is not there.
_NAMES = (
    (
        "image",
        "the image",
        r"(?:\bref|\breference|denied for|manifest for|pull) \W?(?!(?:linux|windows)/)([\w.-]+(?:[/:@][\w.-]+)+)",
    ),
    ("secret", "the secret or parameter", r"(arn:aws[\w-]*:(?:secretsmanager|ssm):[\w:/+=.@-]+)"),
    ("subnet", "the task's subnets", r"(subnet-[0-9a-f]+)"),
    ("action", "the action that the message names", r"not authorized to perform:? ([\w-]+:\w+)"),
    ("role", "the role", r"(arn:aws[\w-]*:iam::\d*:role/[\w+=,.@/-]+)"),
)


def names_in(ending: Ending) -> dict[str, str]:
    """The names and numbers that a next action may fill in."""
    text = redact("\n".join((*_words_of_aws(ending), *ending.other_reasons)))
    found = {name: re.search(pattern, text) for name, _, pattern in _NAMES}
    named = {name: str(match[1]) if (match := found[name]) else default for name, default, _ in _NAMES}
    return {
        **named,
        "exit_code": str(ending.exit_code),
        "memory": f"{ending.memory} MiB" if ending.memory else "the memory it had",
        "timeout": _seconds(ending.timeout_seconds, "its timeout"),
        "heartbeat": _seconds(ending.heartbeat_seconds, "its heartbeat interval"),
        "duration": _seconds(ending.duration_seconds, "an unknown time"),
        "error": ending.error or "no error",
    }


def _seconds(value: float | None, default: str) -> str:
    return default if value is None else f"{round(value, 1) if isfinite(value) else value:g} s"
