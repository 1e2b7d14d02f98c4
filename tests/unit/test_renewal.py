"""When a claim is renewed: at each third of its span, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from service.aws.errors import AwsError
from service.core.policy.actions import Action, Announce, ArchiveLog, Claim
from service.core.policy.owed import Patience
from service.core.record.facts import Claimed, Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.settle import Settling
from tests.support.builders import NOW, announced, attempt, execution, receipt, record, requested, task
from tests.support.loop import VirtualLoop

SPAN = 60.0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop of virtual time."""
    made = VirtualLoop()
    yield made
    made.bury()


@dataclass
class Work:
    """A record, and a log whose archive takes its time; DynamoDB refuses the renewals at some moments."""

    loop: VirtualLoop
    takes: float
    job: Record
    refuses_at: tuple[float, ...] = ()
    renewals: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + 100 + self.loop.time()

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        if isinstance(fact, Claimed) and fact.renews is not None:
            self.renewals.append(round(self.loop.time(), 3))
            if self.renewals[-1] in self.refuses_at:
                raise AwsError
        self.job = merge(self.job, fact)
        return self.job

    async def read(self, key: RecordKey) -> Record:
        return self.job

    async def read_whole(self, key: RecordKey) -> Record:
        return self.job

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        match action:
            case Claim(what=what):
                return (job.new_claim(what, me, self.now(), SPAN),)
            case ArchiveLog():
                await asyncio.sleep(self.takes)
                return (receipt(),)
            case Announce():
                return (announced(),)
        raise AssertionError(action)


def renewals(loop: VirtualLoop, takes: float, refuses_at: tuple[float, ...] = ()) -> list[float]:
    """When the claim on an archive is renewed that takes so long."""
    ended = record(requested(), execution(attempts=(attempt(),)), task())
    work = Work(loop, takes, ended, refuses_at)
    job = loop.run_until_complete(Settling(work, work, Patience(), work.now).settle(ended, "me"))
    assert job.announced is not None
    return work.renewals


def test_a_claim_is_renewed_at_each_third_of_its_span(loop: VirtualLoop) -> None:
    """Two renewals may fail before another may take the work: at three times the span it would be long lost."""
    assert renewals(loop, 3 * SPAN + 1) == [20, 40, 60, 80, 100, 120, 140, 160, 180]


def test_a_renewal_that_fails_is_tried_again_at_the_next_third(loop: VirtualLoop) -> None:
    """An outage of DynamoDB that is shorter than a claim costs nobody his work."""
    assert renewals(loop, SPAN + 31, refuses_at=(20, 40)) == [20, 40, 60, 80]


def test_short_work_renews_nothing(loop: VirtualLoop) -> None:
    """A renewal is a write that somebody pays for."""
    assert renewals(loop, SPAN / 3 - 1) == []
