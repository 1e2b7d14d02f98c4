"""What the worker knows of its own health."""

from __future__ import annotations

from tests.support.job_facts import Time
from workers.liveness import LONGEST_WITHOUT_POLL_SECONDS, Liveness


def test_a_queue_is_silent_once_no_poll_succeeded_for_three_minutes() -> None:
    """From when it was expected, and by itself; another one's poll is none of it."""
    time = Time()
    liveness = Liveness(time)
    assert liveness.silent_queues() == {}
    liveness.expects("requests")
    liveness.expects("events")
    time.seconds += LONGEST_WITHOUT_POLL_SECONDS
    assert liveness.silent_queues() == {}
    liveness.polled("events")
    time.seconds += 1
    assert liveness.silent_queues() == {"requests": 181}
    liveness.polled("requests")
    assert liveness.silent_queues() == {}


def test_the_oldest_piece_of_work_tells_how_long_some_is_held() -> None:
    """Each piece has a name of its own, by which it is let go."""
    time = Time()
    liveness = Liveness(time)
    assert (liveness.holding, liveness.longest_held()) == (0, 0)
    first = liveness.took()
    time.seconds += 5
    second = liveness.took()
    time.seconds += 2
    assert (liveness.holding, liveness.longest_held()) == (2, 7)
    liveness.let_go(first)
    assert (liveness.holding, liveness.longest_held()) == (1, 2)
    third = liveness.took()
    assert len({first, second, third}) == 3
    liveness.let_go(second)
    liveness.let_go(third)
    assert (liveness.holding, liveness.longest_held()) == (0, 0)
