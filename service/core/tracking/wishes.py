"""What people asked for of a job, whatever came of it: the last wish of each kind, and every redrive that was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from schemas.control import Verb
from schemas.notification import SteeredBy
from service.core.record.record import Record
from service.core.record.register_names import REDRIVE_REGISTER, RERUN_REGISTER, cancel_register
from service.core.record.wishes import CancelAsked, RedriveAsked, Redriven, Rerun
from service.core.redaction import Redaction
from service.core.telling.steered import steered_by

_ALWAYS_HIDDEN = Redaction.of()


@dataclass(frozen=True)
class WishHeard:
    """That somebody asked for something; of a rerun also what it made."""

    verb: Verb
    fact: CancelAsked | RedriveAsked | Redriven | Rerun

    @property
    def asked_at(self) -> float:
        """When SQS took the message."""
        return self.fact.asked_at

    def sentence(self, redaction: Redaction = _ALWAYS_HIDDEN) -> str:
        """The same for a person."""
        made = f", as {self.fact.new_job_id}," if isinstance(self.fact, Rerun) else ""
        reason = f": {one_line(self.fact.reason).rstrip('.')}" if self.fact.reason else ""
        by = one_line(self.fact.asked_by or "somebody")
        return redaction.text(f"A {self.verb}{made} was asked for by {by}{reason}.")

    def told(self) -> SteeredBy:
        """The same as fields."""
        return steered_by(self.verb, self.fact)


def wishes(record: Record) -> tuple[WishHeard, ...]:
    """Oldest first; of other tenants nothing is heard."""
    found: dict[tuple[str, float], WishHeard] = {}
    for wish in _wishes(record):
        found.setdefault((wish.verb, wish.asked_at), wish)
    return tuple(sorted(found.values(), key=lambda wish: wish.asked_at))


def rerun_of_it(record: Record) -> Rerun | None:
    """The last rerun that was made of a job, or of a rejected request."""
    return cast("Rerun | None", record.registers.get(RERUN_REGISTER))


def _wishes(record: Record) -> list[WishHeard]:
    tenant = record.request.tenant if record.request else None
    named = [cancel_register(tenant)] if tenant else []
    named += [REDRIVE_REGISTER, RERUN_REGISTER, *(name for name in record.registers if name.startswith("redriven#"))]
    found = []
    for fact in (record.registers[name] for name in named if name in record.registers):
        match fact:
            case CancelAsked():
                found.append(WishHeard("cancel", fact))
            case RedriveAsked() | Redriven():
                found.append(WishHeard("redrive", fact))
            case Rerun():
                found.append(WishHeard("rerun", fact))
    return found


def one_line(text: str) -> str:
    """What may come from anybody, without what would break a line."""
    return "".join(character if character.isprintable() else " " for character in text)
