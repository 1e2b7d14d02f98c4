"""One line for each message on standard input. What is always sent is read without asking whether it is there."""

from __future__ import annotations

import json
import sys
from datetime import datetime

from notification import JobNotification
from progress import JobProgress


def shortly(failure_class: str) -> str:
    """The classes that this subscriber knows: any other is a plain text to it, and no error."""
    return "failed" if failure_class == "application_exit" else failure_class


def ended(outcome: JobNotification) -> str:
    """The moment in milliseconds; null for a request that was not admitted."""
    certain: datetime = outcome.ended_at  # type: ignore[assignment]
    return "-" if outcome.ended_at is None else str(round(certain.timestamp() * 1000))


def of_outcome(outcome: JobNotification) -> list[str]:
    """What became of a job."""
    attempts = [attempt for stage in outcome.stages for attempt in stage.attempts]
    logs = [container.log for attempt in attempts for container in attempt.containers]
    return [
        outcome.job_id or "-",
        outcome.status.value,
        shortly(outcome.failure.failure_class) if outcome.failure else "-",
        ended(outcome),
        str(len(attempts)),
        str(sum(log.lines for log in logs if log)),
        str(len(outcome.rejection.problems) if outcome.rejection else 0),
        "+".join(outcome.labels.values()) or "-",
    ]


def of_progress(progress: JobProgress) -> list[str]:
    """How far a job has come."""
    stage, failure = progress.stage, progress.failure
    why = shortly(failure.failure_class) if failure else "-"
    return [progress.job_id, progress.status.value, why, f"{stage.stage}.{stage.attempt}" if stage else "-"]


for message in json.load(sys.stdin):
    if "observed_via" in message:
        print(*of_outcome(JobNotification.model_validate(message)))
    else:
        print(*of_progress(JobProgress.model_validate(message)))
