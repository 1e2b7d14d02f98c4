"""A bug of ours is no trouble of AWS's: wherever trouble is borne, a KeyError out of our own code is seen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from service.aws import jobs_table
from service.aws.errors import AwsError, aws_errors
from service.aws.jobs_table import JobsTable
from service.aws.pace import Pace
from service.core.policy.actions import Action, TellProgress
from service.core.policy.owed import Patience
from service.core.record.facts import Claimed, Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.metrics import UNMETERED
from service.perform import Performer
from service.settle import Settling
from tests.support.builders import JOB, KEY, NOW, claim, execution, record, requested
from tests.support.consuming import consumer as consumer_of
from tests.support.scripted_queue import ScriptedSqs, queue_of
from tests.support.waiting import eventually
from workers.liveness import Liveness
from workers.sweeper import Sweeper

NOTHING: Any = None


def buggy(*_: object, **__: object) -> Any:
    """Our own code, with a bug."""
    raise KeyError("a bug")


class Buggy:
    """A client, a queue or a table in whose place there is a bug of ours."""

    async def close(self, *_: object) -> None:
        buggy()

    receive = set_visibility = merge = due = close


def test_only_the_call_and_its_answer_pass_for_trouble_of_aws() -> None:
    """What the SDK raises is one exception, with its cause and its name."""
    with pytest.raises(AwsError) as raised, aws_errors():
        raise KeyError("Attributes")
    assert raised.value.code == "KeyError"
    assert isinstance(raised.value.__cause__, KeyError)


async def test_composing_a_step_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a warning once, and the step was never told."""
    monkeypatch.setattr("service.perform.compose_progress", buggy)
    job = record(requested(progress=True), execution("RUNNING"))
    performer = Performer(
        NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, 1, {}, Redaction.of(), 60, lambda: NOW, UNMETERED
    )
    with pytest.raises(KeyError):
        await performer.perform(TellProgress(JOB, ("0:STARTED",)), job, "me")


@dataclass
class RenewalFails:
    """A table that merges all but the renewal of a claim, where there is a bug."""

    job: Record
    renewed: bool = False

    async def merge(
        self, fact: Fact, carrying: Claimed | None = None, *, is_last: bool = False, known: Record | None = None
    ) -> Record:
        self.renewed = isinstance(fact, Claimed) and fact.renews is not None
        return buggy() if self.renewed else self.job

    async def read(self, key: RecordKey) -> Record:
        return self.job

    async def read_whole(self, key: RecordKey) -> Record:
        return self.job


async def test_renewing_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work that holds the claim ends, once it can."""
    job = record(requested(), claim("announce#0", "me", NOW, seconds=0.03))
    table = RenewalFails(job)

    class Slow:
        async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
            await eventually(lambda: table.renewed)
            return ()

    with pytest.raises(KeyError):
        await Settling(table, Slow(), Patience(), lambda: NOW).settle(job, "me")


async def test_renewing_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is not deleted, and comes again."""
    sqs = ScriptedSqs()
    sqs.put("a")
    queue = queue_of(sqs)
    [message] = await queue.receive(1, 0)
    renewed = asyncio.Event()

    async def renews(*_: object) -> None:
        renewed.set()
        buggy()

    monkeypatch.setattr(type(queue), "set_visibility", renews)
    object.__setattr__(queue, "visibility_seconds", 0.03)
    with pytest.raises(KeyError):
        async with queue.lease(message):
            await renewed.wait()


@pytest.mark.parametrize("method", ["receive", "set_visibility"])
async def test_polling_and_giving_back(method: str) -> None:
    """The consumer ends, and with it the worker: ECS starts another."""
    sqs = ScriptedSqs()
    sqs.put("a")
    queue = queue_of(sqs)

    class Queue:
        url, visibility_seconds = queue.url, queue.visibility_seconds
        receive, lease, delete, set_visibility = queue.receive, queue.lease, queue.delete, queue.set_visibility

    setattr(Queue, method, Buggy().receive)

    async def fails(_: object) -> None:
        raise AwsError

    consumer = consumer_of(cast(Any, Queue()), fails, 1, poll_seconds=0)
    async with asyncio.timeout(10):
        with pytest.raises((KeyError, ExceptionGroup)) as raised:
            await consumer.run()
    assert "a bug" in repr(raised.value)


async def test_looking_for_silent_jobs() -> None:
    """The sweeper ends, and with it the worker."""

    class Now:
        now = staticmethod(lambda: NOW)
        new_work = staticmethod(lambda: "me")

    pace, liveness = Pace.even(9), Liveness(lambda: NOW)
    sweeper = Sweeper(
        cast(Any, Buggy()),
        cast(Any, Now()),
        pace,
        1,
        1,
        asyncio.Event(),
        liveness,
        UNMETERED,
        lambda _: None,
        lambda: None,
    )
    async with asyncio.timeout(10):
        with pytest.raises(KeyError):
            await sweeper.run()


async def test_reading_what_aws_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter takes an answer apart; what the pure core makes of it is no answer of AWS's."""

    class Client:
        async def get_item(self, **_: object) -> dict[str, Any]:
            return {"Item": {}}

    client: Any = Client()
    monkeypatch.setattr(jobs_table, "record_of", buggy)
    with pytest.raises(KeyError):
        await JobsTable(client, "jobs", 1, 1, 1, lambda: NOW).read(KEY)
