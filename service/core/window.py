"""How many starts ECS may have still to take on: the pace follows what RunTask takes, as TCP follows a network.

A start that is refused waits inside its execution, and says so each time. RunTask's throttle and a quota that is used
up meet all starts of the account, so they hold back all, in one window. Missing hosts, Spot or addresses meet the jobs
of one image: it gets a window of its own for as long as any of them waits, and no other's start is held back for them.
The image is the key, since it is what the catalogue ties to a task definition, a launch type, capacity providers and
placement constraints. What two images share, each of them finds out.

A start is outstanding for as long as its first refusal would take to be heard of, and from each refusal on until the
next one would be. There may be so many of them. What is beyond waits in the queue. For the account's window it is not
received, and costs nothing. Which image a request is for is known when it was read: it is handed back to the queue for
a while that grows, but only so often, since SQS counts how often a message is received and sets it aside in the end.
Then it is started, and waits in its execution.

Each worker has a window of its own. The queue of events gives each refusal to one of them, which looks after that
wait: so each has its share, and none need know of the others. What is never heard of counts as taken on, so that lost
messages hold up nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Fargate's bucket of launches [ECS guide, throttling quotas]: so many at once are not too many.
FIRST_SIZE = 100.0
# Enough to notice soon that there is capacity again: of so many that wait one asks every few seconds.
LEAST_SIZE = 20.0
# From a start, or a try, until its refusal is heard of: the planner twice, RunTask, and the queue.
ANSWER_SECONDS = 3.0
# To be refused once or twice is to stand in a short queue, which keeps RunTask busy; more often, the queue is too long.
MANY_TRIES = 3
# Refusals come in bunches: those of one moment are one piece of news.
ONE_CUT_SECONDS = 10.0
# A request is handed back for about so long as its image has been waited for.
_FIRST_HOLD_SECONDS = 15
_LONGEST_HOLD_SECONDS = 600
_CUT = 0.8
# For each start that was taken on; in the steady state, for a whole window of them.
_FIRST_GROWTH = 2.0
_STEADY_GROWTH = 4.0


def hold_seconds(receive_count: int, chance: float) -> int:
    """For how long a request is handed back that was received so often; half of it by chance, from 0 up to 1."""
    limit = min(_FIRST_HOLD_SECONDS << min(receive_count - 1, 10), _LONGEST_HOLD_SECONDS)
    return limit - int(chance * limit / 2)


@dataclass(frozen=True, slots=True)
class Window:
    """How many may be outstanding; the moments are seconds of any clock that only goes forward."""

    size: float = FIRST_SIZE
    steady: bool = False
    cut_at: float | None = None

    def has_room(self, outstanding: int) -> bool:
        """Whether one more may be started beside so many."""
        return outstanding < self.size

    def taken(self, starts: int, outstanding: int) -> Window:
        """So many starts were not refused. A window that is hardly used is no evidence for a larger one.

        Until somebody is refused each start that was taken on lets two more through; from then on it is TCP's pace.
        """
        if outstanding < self.size / 2:
            return self
        return replace(self, size=self.size + starts * (_STEADY_GROWTH / self.size if self.steady else _FIRST_GROWTH))

    def refused(self, tries: int, now: float) -> Window:
        """An execution was refused for so many times."""
        if tries < MANY_TRIES or (self.cut_at is not None and now < self.cut_at + ONE_CUT_SECONDS):
            return replace(self, steady=True)
        return Window(max(LEAST_SIZE, self.size * _CUT), steady=True, cut_at=now)
