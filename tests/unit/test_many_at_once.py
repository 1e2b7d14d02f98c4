"""How many jobs of a bulk are steered at once, and for how long a stop waits for the bulk that it overtook."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiolimiter import AsyncLimiter

from service.aws.queue import Message
from service.core.record.bulk_facts import BulkAsked
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.metrics import Metrics
from tests.support.builders import NOW
from tests.support.waiting import eventually
from workers.bulks import Steered, SteersMany
from workers.control import Controls
from workers.requests import HeldBack

KEY = RecordKey.of_bulk("web", "b")
BULK = BulkAsked.model_validate(
    {
        "record_key": KEY,
        "bulk_id": "b",
        "tenant": "web",
        "verb": "cancel",
        "jobs": {"status": "OPEN"},
        "asked_at": NOW,
    }
)


@dataclass(frozen=True)
class Waits(SteersMany):
    """Does each job for as long as it takes."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: list[str] = field(default_factory=list)

    async def _do(self, bulk: BulkAsked, job_id: str) -> Steered:
        self.under_way.append(job_id)
        await self.may_end.wait()
        return Steered()


async def test_ten_jobs_of_a_bulk_are_steered_at_once() -> None:
    """As many as others leave room for; the rest come as soon as one is done."""
    nobody = cast(Any, None)
    many = Waits(nobody, nobody, nobody, nobody, asyncio.Event(), 60, lambda: NOW, pace=AsyncLimiter(10_000, 1))
    ids = [f"j-{number}" for number in range(23)]
    steering = asyncio.create_task(many._steer_all(BULK, ids))
    await eventually(lambda: len(many.under_way) >= 10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(many.under_way) == 10
    many.may_end.set()
    assert await steering == dict.fromkeys(ids, Steered())


class Jobs:
    """Records by their keys."""

    def __init__(self, *facts: Fact) -> None:
        self.held: dict[RecordKey, Record] = {}
        for fact in facts:
            self.held[fact.record_key] = merge(Record(fact.record_key), fact)

    async def merge(self, fact: Fact) -> Record:
        self.held[fact.record_key] = merge(self.held.get(fact.record_key, Record(fact.record_key)), fact)
        return self.held[fact.record_key]


async def stopped(receive_count: int, *facts: Fact) -> tuple[Any, list[RecordKey], dict[str, Any]]:
    """What is answered to a stop, what is taken up, and what is counted."""

    async def as_first_sent(message: Message) -> Message:
        return message

    taken: list[RecordKey] = []
    metrics = Metrics()
    reruns = cast(Any, SimpleNamespace(requests=SimpleNamespace(as_first_sent=as_first_sent)))
    controls = Controls(cast(Any, None), "logs", cast(Any, Jobs(*facts)), lambda: NOW, metrics, reruns, taken.append)
    body = json.dumps({"verb": "stop", "tenant": "web", "bulk_id": "b"})
    answer = await controls.hear(Message("m", body, "r", receive_count, NOW))
    return answer, taken, {metric.name: value for metric, value in metrics.drain(NOW).items() if value}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 5), (4, 20), (11, 55), (12, 60), (20, 60)])
async def test_a_stop_that_overtook_its_bulk_comes_again_later_each_time(receives: int, seconds: int) -> None:
    """By five seconds more, a minute at the most, twenty times: SQS keeps no order."""
    assert await stopped(receives) == (HeldBack(seconds), [], {})


async def test_a_stop_of_nothing_is_let_go() -> None:
    """There is no such bulk, and that is counted."""
    assert await stopped(21) == (None, [], {"ControlIgnored": 1})


@pytest.mark.parametrize("receive_count", [1, 21])
async def test_a_bulk_that_is_known_is_stopped_at_once(receive_count: int) -> None:
    """It is taken up, so that its end is noted."""
    assert await stopped(receive_count, BULK) == (None, [KEY], {"ControlHeard": 1})
