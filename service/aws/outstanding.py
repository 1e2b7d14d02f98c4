"""Starts that ECS may have still to take on, and how many there may be. All times are the running event loop's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.core.window import Window


@dataclass(frozen=True, slots=True)
class _Start:
    """A start, or a wait, of which a refusal would be heard until then."""

    until: float
    refused: bool = False


@dataclass
class Outstanding:
    """What is outstanding, by job, within a window."""

    window: Window = field(default_factory=Window)
    _starts: dict[str, _Start] = field(default_factory=dict)

    def has_room(self) -> bool:
        """Whether one more may be started."""
        self.forget_the_answered()
        return self.window.has_room(len(self._starts))

    def any_waits(self) -> bool:
        """Whether any of them was refused, and waits."""
        self.forget_the_answered()
        return any(item.refused for item in self._starts.values())

    def is_empty(self) -> bool:
        """Whether nothing is outstanding."""
        return not self._starts

    def started(self, job_id: str, seconds: float) -> None:
        """It was started; a refusal would be heard of within so many seconds."""
        self._starts[job_id] = _Start(_now() + seconds)

    def refused(self, job_id: str, tries: int, seconds: float) -> None:
        """It was refused for so many times; the next refusal would be heard of within so many seconds."""
        self._starts[job_id] = _Start(_now() + seconds, refused=True)
        self.window = self.window.refused(tries, _now())

    def taken(self, job_id: str) -> None:
        """ECS took it on. Once for each start: what is heard of the job later is no news."""
        before = len(self._starts)
        if self._starts.pop(job_id, None):
            self.window = self.window.taken(1, before)

    def over(self, job_id: str) -> None:
        """It asks no more, which tells nothing of what ECS takes on."""
        self._starts.pop(job_id, None)

    def forget_the_answered(self) -> int:
        """Those of which nothing more was heard in time are taken on, as far as we know; answers with how many."""
        now, before = _now(), len(self._starts)
        over = {job_id: item for job_id, item in self._starts.items() if item.until <= now}
        taken_on = sum(not item.refused for item in over.values())
        if over:
            self._starts = {job_id: item for job_id, item in self._starts.items() if job_id not in over}
            self.window = self.window.taken(taken_on, before)
        return taken_on


def _now() -> float:
    return asyncio.get_running_loop().time()
