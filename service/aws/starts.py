"""Step Functions: the pace of StartExecution in this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.core.pace import Bucket


@dataclass
class Starts:
    """Whose turn it is to start an execution. Everything here is in the time of the running event loop."""

    bucket: Bucket

    def has_capacity(self) -> bool:
        """Whether an execution may be started now."""
        return self.bucket.has_token(_now())

    async def turn(self) -> None:
        """Wait for a turn; first come, first served."""
        self.bucket, seconds = self.bucket.take(_now())
        if seconds:
            await asyncio.sleep(seconds)

    def throttled(self) -> None:
        """Step Functions would start no more: give way."""
        self.bucket = self.bucket.throttled(_now())


def _now() -> float:
    return asyncio.get_running_loop().time()
