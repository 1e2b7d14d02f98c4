"""ECS scale-in protection: for work that takes longer than a drain, and for so long at most that deployments end.

ECS does not stop a protected task, neither to scale in nor to deploy [UpdateTaskProtection]. What is short needs none
of that: from SIGTERM on it is drained. A worker that renewed its protection whenever it is busy would hold up every
rolling deployment under steady traffic [ecs-task-protection-examples #3].
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog

from workers.liveness import Liveness
from workers.stopping import told_to_stop

log = structlog.stdlib.get_logger()

# The agent's endpoint for its own task [ECS developer guide, task scale-in protection endpoint].
_PATH = "/task-protection/v1/state"
# Work that has taken so long is a large log, whose archive would begin anew if it were cut off.
LONG_SECONDS = 60.0
# Never renewed: ECS itself ends it, whatever becomes of us.
LONGEST_MINUTES = 30
# Between two spells, so that a deployment that waits finds the task without.
PAUSE_SECONDS = 300.0
_LOOK_SECONDS = 1.0
_AGENT_TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass
class Protection:
    """Protects the task while it has long work in hand; without an agent, as outside ECS, it does nothing."""

    agent_uri: str | None
    liveness: Liveness
    stopping: asyncio.Event
    _protected_at: float | None = None
    _ended_at: float | None = None

    async def run(self) -> None:
        """Look at the work every second, until told to stop; then release."""
        if self.agent_uri is None:
            return
        async with aiohttp.ClientSession(timeout=_AGENT_TIMEOUT) as session:
            while not self.stopping.is_set():
                await self.keep_in_step(session)
                await told_to_stop(self.stopping, _LOOK_SECONDS)
            if self._protected_at is not None:
                await self._put(session, protect=False)

    async def keep_in_step(self, session: aiohttp.ClientSession) -> None:
        """One look: protected while something long is in hand, unless a spell has only just ended."""
        now, has_long_work = self.liveness.now(), self.liveness.longest_held() >= LONG_SECONDS
        if self._protected_at is None:
            may_be = self._ended_at is None or now - self._ended_at >= PAUSE_SECONDS
            if has_long_work and may_be and await self._put(session, protect=True):
                self._protected_at = now
        elif self._has_expired(now) or (not has_long_work and await self._put(session, protect=False)):
            self._protected_at, self._ended_at = None, now

    def _has_expired(self, now: float) -> bool:
        return self._protected_at is not None and now - self._protected_at >= LONGEST_MINUTES * 60

    async def _put(self, session: aiohttp.ClientSession, *, protect: bool) -> bool:
        spell = {"ProtectionEnabled": True, "ExpiresInMinutes": LONGEST_MINUTES}
        body = spell if protect else {"ProtectionEnabled": False}
        try:
            async with session.put(f"{self.agent_uri}{_PATH}", json=body) as answer:
                if answer.ok:
                    return True
                log.warning("protection_refused", status=answer.status, why=(await answer.text())[:200])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("protection_failed", why=str(error)[:200])
        return False
