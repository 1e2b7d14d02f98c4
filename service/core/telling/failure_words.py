"""What went wrong, and how sure we are of it, as a colleague would say it; the class's name is for filters."""

from __future__ import annotations

from schemas.failures import FAILURES
from schemas.notification import Confidence

SURE: dict[Confidence, str] = {"certain": "certain", "likely": "likely", "guess": "a guess"}


def in_words(failure_class: str) -> str:
    """A class of failure as the words that follow `Why: `; another version's class, by its name."""
    return FAILURES.get(failure_class, failure_class.replace("_", " "))
