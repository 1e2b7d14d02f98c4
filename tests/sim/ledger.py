"""What was asked for: the simulation's own books, which the judge compares with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One message on the request queue. A good one asks for a job; its token says which of rival bodies it is."""

    body: str
    job_id: str | None = None
    token: str | None = None

    @property
    def good(self) -> bool:
        return self.token is not None


@dataclass
class Ledger:
    """Requests by message id, job ids' tokens, and who asks for progress."""

    asked: dict[str, Asked] = field(default_factory=dict)
    jobs: dict[str, set[str]] = field(default_factory=dict)
    wants_progress: set[str] = field(default_factory=set)

    def note_request(self, message_id: str, asked: Asked) -> None:
        """A producer is about to send this."""
        self.asked[message_id] = asked
        if asked.job_id is not None and asked.token is not None:
            self.jobs.setdefault(asked.job_id, set()).add(asked.token)
