"""Why a stage failed, how sure we are, and what to do about it: one table, read from the top.

Reasons are matched by their beginnings: AWS words and cuts them as it likes, so the raw text is always kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.notification import Confidence
from service.core.diagnosis_table import ROWS
from service.core.ending import Ending, TaskCause, ending_of_cause, ending_of_task, one_line, read_task_cause
from service.core.evidence import Remedy, names_in

__all__ = [
    "Diagnosis",
    "Ending",
    "Remedy",
    "TaskCause",
    "diagnose",
    "ending_of_cause",
    "ending_of_task",
    "read_task_cause",
    "retryable",
]

# Nothing was wrong with these jobs, though the planner must not start them again by itself.
_WORTH_SENDING_AGAIN = frozenset({"stopped_by_person", "cancelled"})


@dataclass(frozen=True)
class Diagnosis:
    """One row of the table, filled in."""

    failure_class: str
    confidence: Confidence
    evidence: str
    next_action: str
    remedy: Remedy


def diagnose(ending: Ending) -> Diagnosis:
    """The first row of the table that matches; the last row matches everything, and says that it does not know."""
    row, shown = next((row, shown) for row in ROWS if (shown := row.evidence(ending)) is not None)
    return Diagnosis(
        failure_class=row.failure_class,
        confidence=row.confidence,
        evidence=one_line(shown) or "nothing that can be shown",
        next_action=one_line(row.next_action.format_map(names_in(ending))),
        remedy=row.remedy,
    )


def retryable(diagnosis: Diagnosis) -> bool:
    """Whether sending the same job again may help, once the planner has given up."""
    return diagnosis.remedy.startswith("again") or diagnosis.failure_class in _WORTH_SENDING_AGAIN
