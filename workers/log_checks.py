"""The loop that has small logs looked at again, some time after they were read together with others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.logs.lanes import LogLanes
from workers.stopping import told_to_stop

_LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class LogChecks:
    """Checks what it is time for, until told to stop. What is not checked by then is not missed: it is a sample."""

    lanes: LogLanes
    stopping: asyncio.Event

    async def run(self) -> None:
        """Look every now and then; where nothing is read together, there is nothing to look at."""
        while not self.stopping.is_set():
            await self.lanes.check()
            await told_to_stop(self.stopping, _LOOK_SECONDS)
