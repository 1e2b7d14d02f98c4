"""One clock for all workers: DynamoDB's, whose answers say when they were made.

Claims hold until a moment, and which moment it is must be the same for whoever holds one and whoever waits for it. AWS
takes calls that are signed up to five minutes off [Signature Version 4], so a machine's own clock may be as wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from service.clock import Clock, wall_clock

_SENT = "jobferry_sent_at"
_RESOLUTION_SECONDS = 1.0  # Of HTTP's Date, which is cut and not rounded [RFC 9110, 5.6.7].


@dataclass
class CommonClock:
    """The time in epoch seconds: this machine's, put right by each answer that cannot have been made at that time."""

    local: Clock = wall_clock
    ahead: float = 0.0

    def __call__(self) -> float:
        return self.local() + self.ahead

    def heed(self, client: Any) -> None:
        """Go by the answers that a client gets."""
        client.meta.events.register("before-call", self._note_sent)
        client.meta.events.register("after-call", self._note_answer)

    def _note_sent(self, context: dict[str, Any], **_: object) -> None:
        context[_SENT] = self.local()

    def _note_answer(self, http_response: Any, context: dict[str, Any], **_: object) -> None:
        answered_at = _time_of(getattr(http_response, "headers", {}).get("date"))
        if answered_at is not None and _SENT in context:
            # What is under way was sent by a clock that another answer may have put right since.
            self.ahead += correction(answered_at, context[_SENT] + self.ahead, self())


def correction(answered_at: float, sent: float, received: float) -> float:
    """By how much a clock is wrong at least that saw a call from `sent` to `received`, and whose answer says `told`.

    Nothing where it may be right: an answer that took long does not say when on its way it was made.
    """
    if answered_at > received:
        return answered_at - received
    return min(0.0, answered_at + _RESOLUTION_SECONDS - sent)


@lru_cache(maxsize=8)  # There is a new one a second.
def _time_of(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
