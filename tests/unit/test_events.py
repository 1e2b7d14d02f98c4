"""The way back: what an event makes of a job's record, and which events are nobody's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.aws.queue import Message
from service.core.record.facts import ExecutionChanged, Fact, TaskChanged
from service.core.record.record import Record, merge
from service.metrics import EVENTS_HEARD, EVENTS_IGNORED, EVENTS_UNREADABLE, Metrics
from tests.support.builders import JOB, KEY, MACHINE, execution_event, record, requested, task_event
from workers.events import Events

COUNTED = (EVENTS_HEARD, EVENTS_IGNORED, EVENTS_UNREADABLE)


@dataclass
class Jobs:
    """One job's record, and the facts that it learnt."""

    job: Record = field(default_factory=lambda: record(requested()))
    learnt: list[Fact] = field(default_factory=list)

    async def hear(self, fact: Fact, me: str) -> Record:
        self.learnt.append(fact)
        self.job = merge(self.job, fact)
        return self.job


async def heard(jobs: Jobs, body: str) -> tuple[Record | None, list[int]]:
    """What comes of a message, and what was counted: heard, ignored, unreadable."""
    metrics = Metrics()
    job = await Events(MACHINE, jobs.hear, metrics).hear(Message("m", body, "r"), "me")
    told = metrics.drain(0)
    return job, [round(cast(float, told[metric])) for metric in COUNTED]


@pytest.mark.parametrize(
    ("event", "fact"), [(task_event(), TaskChanged), (execution_event(), ExecutionChanged)], ids=["task", "execution"]
)
async def test_an_event_is_learnt_and_its_job_looked_after(event: dict[str, Any], fact: type[Fact]) -> None:
    """The record that comes back is the one that knows of it."""
    jobs = Jobs()
    job, counted = await heard(jobs, json.dumps(event))
    assert job is jobs.job
    assert job.key == KEY
    assert [type(item) for item in jobs.learnt] == [fact]
    assert jobs.learnt[0].record_key.id == JOB
    assert counted == [1, 0, 0]


NOBODYS: dict[str, tuple[str, list[int]]] = {
    "of another state machine": (json.dumps(execution_event(stateMachineArn=f"{MACHINE}-2")), [0, 1, 0]),
    "of a service's task": (json.dumps(task_event(group="service:web")), [0, 1, 0]),
    "no JSON": ("{", [0, 0, 1]),
    "of a kind that is not read": ('{"Records": []}', [0, 1, 0]),
    "without what is needed of it": (json.dumps(task_event(lastStatus=None)), [0, 0, 1]),
    "a list": ("[]", [0, 0, 1]),
}


@pytest.mark.parametrize(("body", "counted"), NOBODYS.values(), ids=NOBODYS)
async def test_an_event_of_nobodys_is_counted_and_let_go(body: str, counted: list[int]) -> None:
    """No record learns of it, and it is not tried again: it would be no better the next time."""
    jobs = Jobs()
    assert await heard(jobs, body) == (None, counted)
    assert jobs.learnt == []
