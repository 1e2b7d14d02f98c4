"""What was asked for, and what reached us: the simulation's own books, which the judge compares with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
    """Requests by message id, the tokens of those that ask for progress, and what EventBridge passed on."""

    asked: dict[str, Asked] = field(default_factory=dict)
    wants_progress: set[str] = field(default_factory=set)
    heard_of_redrives: set[tuple[str, int]] = field(default_factory=set)
    heard_of_tasks: set[str] = field(default_factory=set)

    def note_event(self, event: dict[str, Any]) -> None:
        """An event is on its way to the queue, so it will be heard of."""
        detail = event["detail"]
        if event["source"] == "aws.states":
            self.heard_of_redrives.add((detail["name"], detail["redriveCount"]))
        else:
            self.heard_of_tasks.add(detail["taskArn"].rsplit("/", 1)[-1])

    def jobs(self) -> dict[str, set[str]]:
        """The tokens that each job id was asked for with."""
        found: dict[str, set[str]] = {}
        for asked in self.asked.values():
            if asked.job_id is not None and asked.token is not None:
                found.setdefault(asked.job_id, set()).add(asked.token)
        return found
