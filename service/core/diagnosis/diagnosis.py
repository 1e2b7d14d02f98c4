"""Why a stage failed, how sure we are, and what to do about it: one table, read from the top.

Reasons are matched by their beginnings: AWS words and cuts them as it likes, so the raw text is always kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.notification import Confidence
from service.core.diagnosis.ending import Ending, TaskEnd, ending_of_cause, one_line, read_task, read_task_cause
from service.core.diagnosis.evidence import Remedy, Row, names_in
from service.core.diagnosis.table import ROWS

__all__ = [
    "Budget",
    "Diagnosis",
    "Ending",
    "Remedy",
    "TaskEnd",
    "budget_of",
    "budget_of_class",
    "diagnose",
    "diagnose_as_classified",
    "ending_of_cause",
    "is_account_wide",
    "read_task",
    "read_task_cause",
    "retryable",
]

Budget = Literal["transient", "out_of_memory", "application"]
"""Which of the catalogue's retries an attempt uses up; waiting for capacity uses up none, but time."""

_BUDGETS: Mapping[Remedy, Budget] = {
    "again": "transient",
    "again_on_demand": "transient",
    "bigger": "out_of_memory",
    "application": "application",
}
# An attempt on the record has its class alone. One that was tried again had a remedy, and every class has one budget.
_BUDGETS_BY_CLASS = {row.failure_class: _BUDGETS[row.remedy] for row in ROWS if row.remedy in _BUDGETS}

# Refusals that meet every start of the account. All other waits concern one image, one kind of host or some subnets.
_ACCOUNT_WIDE = frozenset({"throttled", "quota_used_up"})

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
    return _filled_in(row, row.confidence, shown, ending)


def diagnose_as_classified(ending: Ending, failure_class: str, evidence: str) -> Diagnosis:
    """What the table says of an ending that somebody has judged who knew more of it: his class and evidence hold.

    What to do is then the last of the class's rows, which supposes the least.
    """
    found = diagnose(ending)
    rows = [row for row in ROWS if row.failure_class == failure_class]
    if found.failure_class == failure_class or not rows:
        return found
    return _filled_in(rows[-1], "guess" if rows[-1].confidence == "guess" else "likely", evidence, ending)


def _filled_in(row: Row, confidence: Confidence, shown: str, ending: Ending) -> Diagnosis:
    return Diagnosis(
        failure_class=row.failure_class,
        confidence=confidence,
        evidence=one_line(shown) or "nothing that can be shown",
        next_action=_sentence(one_line(row.next_action.format_map(names_in(ending)))),
        remedy=row.remedy,
    )


def _sentence(text: str) -> str:
    """With a capital where it begins with what could not be named; a name stays as it is."""
    return f"The {text[4:]}" if text.startswith("the ") else text


def budget_of(remedy: Remedy) -> Budget | None:
    """Which budget pays for another attempt; None where none may be made."""
    return _BUDGETS.get(remedy)


def budget_of_class(failure_class: str | None) -> Budget | None:
    """Which budget paid for the attempt that followed one of this class."""
    return _BUDGETS_BY_CLASS.get(failure_class or "")


def is_account_wide(failure_class: str) -> bool:
    """Whether a start that was refused so tells how other jobs' starts would fare."""
    return failure_class in _ACCOUNT_WIDE


def retryable(diagnosis: Diagnosis) -> bool:
    """Whether sending the same job again may help, once the planner has given up."""
    return diagnosis.remedy.startswith(("again", "wait")) or diagnosis.failure_class in _WORTH_SENDING_AGAIN
