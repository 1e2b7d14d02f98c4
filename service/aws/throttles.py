"""How often AWS told a client to slow down, the tries that botocore made again by itself included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What botocore's standard retries take for a throttle [botocore, retries/standard.py].
_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


def on_throttle(client: Any, throttled: Callable[[], None], operation: str = "") -> None:
    """Call `throttled` at every answer of a client that is a throttle, or of one operation: `.sfn.StartExecution`.

    It is heard of as it comes: the SDK repeats such a call for half a minute before it raises.
    """

    def note(response: Any = None, **_: object) -> None:
        # A pair of the HTTP answer and what was parsed from it; None where the connection failed.
        code = response[1].get("Error", {}).get("Code") if response else None
        if code in _CODES:
            throttled()

    client.meta.events.register(f"needs-retry{operation}", note)
