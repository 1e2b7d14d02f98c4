"""When the lease of a message is renewed: at each third of its span, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.aws.queue import Message, Queue
from tests.support.connecting import refusal
from tests.support.loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


@dataclass
class Sqs:
    """SQS, which refuses the renewals of some seconds."""

    loop: VirtualLoop
    refuses_at: tuple[int, ...] = ()
    renewed: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    async def change_message_visibility(self, **given: Any) -> None:
        second = round(self.loop.time())
        self.renewed.append((second, given))
        if second in self.refuses_at:
            raise refusal("Throttled")


async def worked(sqs: Sqs, seconds: float, *, fails: bool = False) -> None:
    """Work on a message of a lease of a minute, for so long; and what comes after it."""
    queue = Queue(cast(Any, sqs), "https://queue", visibility_seconds=60)
    try:
        async with queue.lease(Message("m", "body", "receipt")):
            await asyncio.sleep(seconds)
            if fails:
                raise ValueError("a bug")
    finally:
        await asyncio.sleep(300)


@pytest.mark.parametrize(("seconds", "renewals"), [(19, []), (21, [20]), (70, [20, 40, 60])])
@pytest.mark.parametrize("refuses_at", [(), (20, 40)], ids=["each is taken", "some are refused"])
def test_a_lease_is_renewed_at_each_third_of_its_span(
    loop: VirtualLoop, seconds: float, renewals: list[int], refuses_at: tuple[int, ...]
) -> None:
    """Two renewals may fail before another worker gets the message; it is renewed no longer than the work lasts."""
    sqs = Sqs(loop, refuses_at)
    loop.run_until_complete(worked(sqs, seconds))
    assert [second for second, _ in sqs.renewed] == renewals
    renewal = {"QueueUrl": "https://queue", "ReceiptHandle": "receipt", "VisibilityTimeout": 60}
    assert all(given == renewal for _, given in sqs.renewed)


def test_work_that_fails_holds_no_lease(loop: VirtualLoop) -> None:
    """The message is to come again."""
    sqs = Sqs(loop)
    with pytest.raises(ValueError, match="a bug"):
        loop.run_until_complete(worked(sqs, 30, fails=True))
    assert [second for second, _ in sqs.renewed] == [20]


def test_no_message_is_put_off_for_longer_than_SQS_takes(loop: VirtualLoop) -> None:
    """Twelve hours."""
    sqs = Sqs(loop)
    queue = Queue(cast(Any, sqs), "https://queue", visibility_seconds=60)
    loop.run_until_complete(queue.set_visibility(Message("m", "body", "receipt"), 50_000))
    assert [given["VisibilityTimeout"] for _, given in sqs.renewed] == [43_200]
