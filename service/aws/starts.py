"""Step Functions: the pace of StartExecution in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.core.pace import Bucket

# The name of the SDK's event after each try of the call, those that it will repeat by itself among them.
_EVENT = "needs-retry.sfn.StartExecution"
# [botocore, retries.standard: the codes of throttling that Step Functions may answer with]
_THROTTLES = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})


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

    def watch(self, client: Any) -> None:
        """Hear of each throttle as it comes. The SDK repeats such a call for half a minute before it raises."""
        client.meta.events.register(_EVENT, self._answered, unique_id="jobferry-starts")

    def _answered(self, response: tuple[object, Mapping[str, Any]] | None = None, **_: object) -> None:
        if response is not None and response[1].get("Error", {}).get("Code") in _THROTTLES:
            self.throttled()


def _now() -> float:
    return asyncio.get_running_loop().time()
