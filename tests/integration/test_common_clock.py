"""Workers whose machines' clocks are wrong go by one clock all the same."""

from __future__ import annotations

import time as machine
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from service.aws.common_clock import CommonClock, correction
from tests.support.connecting import Connect

# DynamoDB said 100, which is any moment from there to 101; what the machine's clock said when the call was sent and
# when its answer came; and how wrong that is at least.
CALLS = {
    "right": (100.2, 100.8, 0.0),
    "right, over a full second": (99.9, 100.1, 0.0),
    "ahead": (390.0, 390.1, -289.0),
    "behind": (-190.1, -190.0, 290.0),
    "a slow answer": (100.5, 135.0, 0.0),
    "a slow call": (70.0, 100.5, 0.0),
    "ahead, and a slow answer": (390.0, 425.0, -289.0),
    "behind, and a slow call": (-225.0, -190.0, 290.0),
}


@pytest.mark.parametrize(("sent", "received", "wrong_by"), CALLS.values(), ids=CALLS)
def test_a_clock_is_put_right_only_by_what_it_cannot_have_seen(sent: float, received: float, wrong_by: float) -> None:
    """A slow answer is no wrong clock."""
    assert correction(100.0, sent, received) == wrong_by


@pytest.mark.parametrize("off", [-290.0, 0.0, 290.0])
async def test_one_answer_puts_a_clock_right(connect: Connect, off: float) -> None:
    """Before any claim is made: whoever claims has read or written something first."""
    clock, client = CommonClock(lambda: machine.time() + off), await connect("dynamodb")
    clock.heed(client)
    for _ in range(3):
        await client.list_tables()
        assert abs(clock() - machine.time()) < 5


def test_answers_of_one_moment_put_a_clock_right_once() -> None:
    """Each call was sent by the clock as it was wrong: what one answer mends is no error of the others."""
    clock = CommonClock(lambda: 1100.0)
    calls: list[dict[str, float]] = [{} for _ in range(8)]
    for call in calls:
        clock._note_sent(context=call)
    answer = SimpleNamespace(headers={"date": formatdate(1000, usegmt=True)})
    for call in calls:
        clock._note_answer(http_response=answer, context=call)
        assert clock() == 1001.0


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 25:61:61 GMT"])
def test_a_date_that_is_none_changes_nothing(date: str | None) -> None:
    """Nor does an answer without one."""
    clock, answer = CommonClock(lambda: 1.0), SimpleNamespace(headers={"date": date})
    call: dict[str, float] = {}
    clock._note_sent(context=call)
    clock._note_answer(http_response=answer, context=call)
    assert clock() == 1.0
