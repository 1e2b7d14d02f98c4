"""The pace of starts: a bucket that gives way when it is throttled and wins its rate back; many that share a quota."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aws.pace import Pace
from service.core.pace import LEAST_SHARE, ONE_CUT_SECONDS, RECOVERY_SECONDS, Bucket
from tests.support.loop import VirtualLoop
from tests.support.virtual_worker import on_virtual_time

RATE = 128.0


def emptied(rate: float = RATE, at: float = 0.0) -> Bucket:
    """A bucket at this rate of RATE, without a token."""
    return Bucket(capacity=10, configured_rate=RATE, tokens=0, rate=rate, at=at)


def taken(bucket: Bucket, now: float, times: int) -> list[float]:
    """The waits of so many who come at one moment."""
    waits = []
    for _ in range(times):
        bucket, seconds = bucket.take(now)
        waits.append(seconds)
    return waits


def test_a_full_bucket_serves_a_burst_and_then_its_rate() -> None:
    """Whoever comes after the burst waits for his own token, in the order of coming."""
    assert taken(Bucket.full(3, 2), 1000.0, 6) == [0, 0, 0, 0.5, 1.0, 1.5]


def test_a_bucket_holds_no_more_than_its_capacity() -> None:
    """However long nothing was started."""
    assert Bucket.full(3, 2).refilled(10_000).tokens == 3
    assert emptied().refilled(10_000).tokens == 10


@pytest.mark.parametrize(("now", "has"), [(0.0, False), (0.5 / RATE, False), (1.01 / RATE, True), (99.0, True)])
def test_there_is_a_token_as_soon_as_a_whole_one_is_in(now: float, has: bool) -> None:
    """The gate of the queue opens then."""
    assert emptied().has_token(now) is has


RATES: dict[str, tuple[Bucket, float]] = {
    "never throttled": (Bucket.full(10, RATE), RATE),
    "throttled now": (Bucket.full(10, RATE).throttled(0), RATE / 2),
    "twice in one moment": (Bucket.full(10, RATE).throttled(0).throttled(ONE_CUT_SECONDS / 2), RATE / 2),
    "throttled to the least": (emptied(RATE * LEAST_SHARE).throttled(0), RATE * LEAST_SHARE),
    "a quarter, after half of the recovery": (emptied(RATE / 4).refilled(RECOVERY_SECONDS / 2), RATE * 3 / 4),
    "whole again": (emptied(RATE / 2).refilled(RECOVERY_SECONDS / 2), RATE),
    "no more than configured": (emptied(RATE / 2).refilled(RECOVERY_SECONDS * 9), RATE),
    "a clock that goes back": (emptied(RATE / 2, at=50).refilled(10), RATE / 2),
}


@pytest.mark.parametrize(("bucket", "rate"), RATES.values(), ids=RATES)
def test_the_rate(bucket: Bucket, rate: float) -> None:
    """Halved by a throttle, won back in a straight line, between the least and what is configured."""
    assert bucket.rate == pytest.approx(rate, rel=0.02)


def test_a_throttle_empties_the_bucket_but_keeps_what_was_promised() -> None:
    """The account's bucket is empty, whatever ours says; who waits already goes on waiting for his own token."""
    assert Bucket.full(10, RATE).throttled(5.0).tokens == 0
    owing, _ = emptied().take(0.0)
    assert owing.throttled(0.0).tokens == -1


def test_throttles_of_different_moments_cut_again() -> None:
    """An account that is far too small for the rate is found in a few seconds."""
    bucket = Bucket.full(10, RATE)
    for second in range(5):
        bucket = bucket.throttled(second * ONE_CUT_SECONDS * 1.01)
    assert bucket.rate < RATE / 16


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=40), st.floats(0.1, 1000), st.floats(1, 2000))
def test_the_rate_and_the_tokens_stay_in_their_bounds(
    happens: list[tuple[float, bool]], rate: float, capacity: float
) -> None:
    """Whatever comes, in whatever order."""
    bucket, now = Bucket.full(capacity, rate), 0.0
    for after, throttled in happens:
        now += after
        bucket = bucket.throttled(now) if throttled else bucket.take(now)[0]
        assert rate * LEAST_SHARE <= bucket.rate <= rate
        assert bucket.tokens <= capacity


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers_share_a_quota_without_knowing_of_each_other(workers: int) -> None:
    """Each is configured as if the account were its own; together they use most of it, and few calls are throttled."""
    quota, seconds, step = 150.0, 240, 0.02
    buckets = [Bucket.full(800, quota)] * workers
    left, started, throttled = 800.0, 0, 0
    for tick in range(int(seconds / step)):
        now = tick * step
        left = min(800.0, left + quota * step)
        for number in range(workers):
            while buckets[number].has_token(now):
                buckets[number], _ = buckets[number].take(now)
                if left < 1:
                    throttled += 1
                    buckets[number] = buckets[number].throttled(now)
                else:
                    left, started = left - 1, started + 1
    assert started > 0.9 * (800 + quota * seconds)
    assert throttled < 0.08 * started


EDGES: dict[str, tuple[Bucket, float]] = {
    "just before the next cut": (Bucket.full(10, RATE).throttled(0).throttled(ONE_CUT_SECONDS * 0.99), RATE / 2),
    "at the next cut": (Bucket.full(10, RATE).throttled(0).throttled(ONE_CUT_SECONDS), RATE / 4),
    "a first throttle late": (Bucket.full(10, RATE).throttled(10_000), RATE / 2),
}


@pytest.mark.parametrize(("bucket", "rate"), EDGES.values(), ids=EDGES)
def test_a_bunch_of_throttles_lasts_half_a_second(bucket: Bucket, rate: float) -> None:
    """What comes after it is news, and the rate is won back only a little in between."""
    assert bucket.rate == pytest.approx(rate, rel=0.01)


def test_one_whole_token_is_enough() -> None:
    """Exactly one opens the gate, and leaves none."""
    bucket = Bucket(capacity=10, configured_rate=RATE, tokens=1, rate=RATE)
    assert bucket.has_token(0)
    left, seconds = bucket.take(0)
    assert (left.tokens, seconds, left.has_token(0)) == (0, 0, False)


def test_what_came_in_is_the_mean_of_the_rates() -> None:
    """The rate rises meanwhile in a straight line, and the moment is kept."""
    bucket = Bucket(capacity=1e9, configured_rate=RATE, tokens=5, rate=RATE / 2, at=10).refilled(160)
    assert RECOVERY_SECONDS == 300
    assert (bucket.tokens, bucket.rate, bucket.at) == (5 + 150 * RATE * 3 / 4, RATE, 160)


def test_who_waited_while_aws_throttled_is_served_when_it_takes_calls_again() -> None:
    """At the pace that comes back, and not at that of the moment in which they came."""
    served: list[float] = []

    async def story(loop: VirtualLoop) -> None:
        pace = Pace.even(10)
        for _ in range(40):
            pace.throttled()
            await asyncio.sleep(0.5)

        async def reads() -> None:
            await pace.turn()
            served.append(loop.time())

        await asyncio.gather(*(reads() for _ in range(30)))

    on_virtual_time(story)
    assert served == sorted(served) and len(served) == 30
    assert served[-1] < 20 + 60
