"""ECS scale-in protection: taken while there is work in hand, released when idle."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import structlog

from workers.liveness import Liveness

log = structlog.stdlib.get_logger()

# The agent's endpoint for its own task [ECS developer guide, task scale-in protection endpoint].
_PATH = "/task-protection/v1/state"
_MINUTES = 10
_RENEW_AFTER_SECONDS = 300.0
_IDLE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_AGENT_TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass
class Protection:
    """Keeps the task's protection in step with the work; without an agent, as outside ECS, it does nothing."""

    agent_uri: str | None
    liveness: Liveness
    stopping: asyncio.Event
    _protected_at: float | None = None

    async def run(self) -> None:
        """Look at the work every second, until told to stop; then release."""
        if self.agent_uri is None:
            return
        async with aiohttp.ClientSession(timeout=_AGENT_TIMEOUT) as session:
            while not self.stopping.is_set():
                await self._keep_in_step(session)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), _LOOK_SECONDS)
            if self._protected_at is not None:
                await self._put(session, protect=False)

    async def _keep_in_step(self, session: aiohttp.ClientSession) -> None:
        now = self.liveness.now()
        busy = self.liveness.holding > 0 or now - self.liveness.last_busy_at < _IDLE_SECONDS
        due = self._protected_at is None or now - self._protected_at > _RENEW_AFTER_SECONDS
        if busy and due and await self._put(session, protect=True):
            self._protected_at = now
        elif not busy and self._protected_at is not None and await self._put(session, protect=False):
            self._protected_at = None

    async def _put(self, session: aiohttp.ClientSession, *, protect: bool) -> bool:
        body = {"ProtectionEnabled": True, "ExpiresInMinutes": _MINUTES} if protect else {"ProtectionEnabled": False}
        try:
            async with session.put(f"{self.agent_uri}{_PATH}", json=body) as answer:
                if answer.ok:
                    return True
                log.warning("protection_refused", status=answer.status, why=(await answer.text())[:200])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("protection_failed", why=str(error)[:200])
        return False
