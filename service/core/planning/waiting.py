"""How long to wait for capacity: what AWS did not take on, it will take on later, and nothing was wrong with the job.

Such waits use up no attempt. They have a budget of time, counted from the first refusal, and each turn costs history:
the run refused, the planner asked, two choices and the wait are 16 of an execution's 25,000 events. So the wait grows
until both budgets last equally long.
"""

from __future__ import annotations

import hashlib

# Of a whole execution, redrives included: 6,080 events. What is left is for MOST_ATTEMPTS, with up to 30 each.
MOST_REFUSALS = 380
# RunTask's bucket is full again after a second, and launches come at 20 a second [ECS guide, throttling quotas].
_FIRST_SECONDS = 4
# Capacity that is freed lies idle until somebody asks again, so no longer than it must be.
_LONGEST_SECONDS = 120
# A wait is half of its limit on average; a little more, so that chance alone does not use up the turns.
_LIMIT_PER_MEAN = 2.5


def wait_seconds(tries: int, refusals: int, seconds_left: float, execution_arn: str) -> int | None:
    """How long to wait after so many tries; None where the budget is used up, of time or of turns.

    Full jitter: anything up to a limit that doubles, so that those who were refused together do not come back together
    [AWS architecture blog, exponential backoff and jitter]. Drawn from the execution's name and the number of refusals:
    a repeated step decides the same.
    """
    turns_left = MOST_REFUSALS - refusals
    if seconds_left < 1 or turns_left < 1:
        return None
    longest = max(_LONGEST_SECONDS, _LIMIT_PER_MEAN * seconds_left / turns_left)
    limit = min(_FIRST_SECONDS << min(tries - 1, 30), longest)
    return min(1 + int(drawn(execution_arn, refusals) * limit), int(seconds_left))


def drawn(execution_arn: str, number: int) -> float:
    """A number from 0 up to 1, another one for each execution and each turn of it, and always the same."""
    digest = hashlib.sha256(f"{execution_arn}:{number}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
