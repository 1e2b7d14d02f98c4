"""How long to wait for capacity: what AWS did not take on, it will take on later, and nothing was wrong with the job.

Such waits use up no attempt. They have a budget of time, counted from the first refusal, and each turn costs history:
the run refused, the planner asked, the word to the workers, two choices and the wait are 21 of an execution's 25,000
events. So the wait grows until both budgets last equally long.
"""

from __future__ import annotations

import hashlib

# Of a whole execution, redrives included: 7,980 events. What is left is for MOST_ATTEMPTS, with up to 30 each.
MOST_REFUSALS = 380
# RunTask's bucket is full again after a second, and launches come at 20 a second [ECS guide, throttling quotas].
_FIRST_SECONDS = 4
# Hosts, Spot and addresses take minutes to come, and each try in vain is one that RunTask would have taken of others.
_FIRST_SECONDS_OF_AN_IMAGE = 30
# Slowly: the fewer are left to wait, the oftener each must ask, or the last ones would wait beside an idle quota.
_GROWTH = 1.3
_MOST_GROWTH = 60  # Turns; by then the limit is a year.
# Where other stages have used up most of the history, the turns that are left must be made to last.
_FEW_TURNS = 100
_FAST_GROWTH = 2.0
# Capacity that is freed lies idle until somebody asks again, so no longer than it must be.
_LONGEST_SECONDS = 120
# A wait is half of its limit on average; a little more, so that chance alone does not use up the turns.
_LIMIT_PER_MEAN = 2.5


def wait_seconds(
    tries: int, refusals: int, seconds_left: float, execution_arn: str, *, account_wide: bool
) -> int | None:
    """How long to wait after so many tries; None where the budget is used up, of time or of turns.

    Full jitter: anything up to a limit that grows, so that those who were refused together do not come back together
    [AWS architecture blog, exponential backoff and jitter]. Drawn from the execution's name and the number of refusals:
    a repeated step decides the same.
    """
    turns_left = MOST_REFUSALS - refusals
    if seconds_left < 1 or turns_left < 1:
        return None
    longest = max(_LONGEST_SECONDS, _LIMIT_PER_MEAN * seconds_left / turns_left)
    growth = _GROWTH if turns_left > _FEW_TURNS else _FAST_GROWTH
    first = _FIRST_SECONDS if account_wide else _FIRST_SECONDS_OF_AN_IMAGE
    limit = min(first * growth ** min(tries - 1, _MOST_GROWTH), longest)
    return min(1 + int(drawn(execution_arn, refusals) * limit), int(seconds_left))


def drawn(execution_arn: str, number: int) -> float:
    """A number from 0 up to 1, another one for each execution and each turn of it, and always the same."""
    digest = hashlib.sha256(f"{execution_arn}:{number}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
