"""What was asked for: the simulation's own books, which the judge compares with."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.base import DEFAULT_TENANT


@dataclass(frozen=True)
class Asked:
    """One message on the request queue. A good one asks for a job; its token says which of rival bodies it is."""

    body: str
    job_id: str | None = None
    token: str | None = None

    @property
    def good(self) -> bool:
        return self.token is not None


@dataclass(frozen=True)
class Wish:
    """One message on the control queue, and when it was sent, in virtual seconds."""

    verb: str
    tenant: str
    job_id: str
    asked_at: float
    asked_by: str
    reason: str


@dataclass
class Ledger:
    """Requests and wishes by message id, job ids' tokens, who asks for progress, reruns; bulks and stops."""

    asked: dict[str, Asked] = field(default_factory=dict)
    jobs: dict[str, set[str]] = field(default_factory=dict)
    wants_progress: set[str] = field(default_factory=set)
    wishes: dict[str, Wish] = field(default_factory=dict)
    made_of: dict[str, str] = field(default_factory=dict)
    bulks: set[str] = field(default_factory=set)
    stops: set[str] = field(default_factory=set)

    def note_request(self, message_id: str, asked: Asked) -> None:
        """A producer is about to send this."""
        self.asked[message_id] = asked
        if asked.job_id is not None and asked.token is not None:
            self.jobs.setdefault(asked.job_id, set()).add(asked.token)

    def wishes_of(self, job_id: str, verb: str, tenant: str = DEFAULT_TENANT) -> list[Wish]:
        """What was asked for of a job in its own tenant's name, oldest first."""
        return [
            item for item in self.wishes.values() if (item.job_id, item.verb, item.tenant) == (job_id, verb, tenant)
        ]
