"""Telling, once more: the notification and its letter, links apart, which are signed anew for every copy."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from schemas.casefile import ReplayedPart
from schemas.notification import JobNotification
from service.core.casefile.differences import differences
from service.core.casefile.files import NOTIFICATION, Case
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.odd import ODD, fails
from service.core.record.record import Record
from service.core.telling.compose import Links, compose
from service.core.telling.letter import subject
from service.core.telling.size_limit import fitted

_NO_LINKS = Links()
_GONE = f"the case has no {NOTIFICATION}, although its record says that an outcome was told of"


def told(notification: JobNotification) -> dict[str, Any]:
    """A notification as a case holds it, with the subject of its letter."""
    return {**notification.model_dump(mode="json"), "subject": subject(notification)}


def telling(case: Case, record: Record, hiding: CaseHiding) -> ReplayedPart:
    """The notification of the outcome, or of the rejection."""
    if case.notification is None:
        why = _GONE if record.announced is not None else "no outcome was told of yet"
        return ReplayedPart(part="telling", decisions=0, not_replayed=(why,))
    then, now = hiding.value(_filled(case.notification)), hiding.value(_now(case, record, hiding))
    return ReplayedPart(part="telling", decisions=1, differences=tuple(differences("notification", then, now)))


def _filled(then: dict[str, Any]) -> dict[str, Any]:
    """With what has come since, as it is where nothing is said."""
    known = {name: then[name] for name in JobNotification.model_fields if name in then}
    try:
        filled = JobNotification.model_validate(known).model_dump(mode="json")
    except ValidationError:
        return then
    return {**filled, **then}


def _now(case: Case, record: Record, hiding: CaseHiding) -> dict[str, Any]:
    try:
        return told(fitted(compose(record, _NO_LINKS, case.manifest.settings.prices, hiding.redaction)))
    except ODD as error:
        return {"status": fails(error)}
