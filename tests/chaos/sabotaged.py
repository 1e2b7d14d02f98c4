"""A worker that breaks one promise, to prove that a drill sees it: `CHAOS_SABOTAGE` names which."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from schemas.control import ControlMessage
from service.aws.executions import Executions, Started
from service.aws.topic import Topic
from service.core.policy import owed, steering
from service.core.policy.actions import Action
from service.core.policy.owed import Moment
from service.core.policy.steering import Unheard
from service.core.record.facts import Fact
from service.core.record.record import Record
from service.core.telling import compose as announce
from workers import control
from workers.__main__ import main
from workers.consumer import Consumer
from workers.guard import failure_of
from workers.redrives import Redrives
from workers.sweeper import Sweeper

SABOTAGE = "CHAOS_SABOTAGE"
_LONGER_THAN_A_NOTE_TAKES = 0.5
# A claim holds for longer; and what comes meanwhile is heard of before it is over, on a busy machine too.
_LONG_TO_PUBLISH = 2.0


def delete_before_effect() -> None:
    """Promise 1: a message is deleted only after its effects are durable."""

    async def handle_at_risk(self: Consumer, message: Any) -> None:
        await self.queue.delete([message])
        await failure_of(self._handle(message), "message_failed")

    _replace(Consumer, "_handle_or_retry", handle_at_risk)


def start_anew() -> None:
    """Promise 2: a job gets exactly one execution."""
    start = Executions.start

    async def start_twice(
        self: Executions, job_id: str, execution_input: str, trace_header: str | None
    ) -> Started | None:
        await start(self, f"{job_id}-again", execution_input, trace_header)
        return await start(self, job_id, execution_input, trace_header)

    _replace(Executions, "start", start_twice)


def announce_without_claim() -> None:
    """Promise 3: a job gets exactly one announcement an outcome, also where SNS takes its time to answer."""
    publish = Topic.publish

    def once_claimed(_job: Record, _at: Moment, _what: str, *work: Action) -> Iterator[Action]:
        yield from work

    async def publish_slowly(self: Topic, **members: Any) -> None:
        await publish(self, **members)
        await asyncio.sleep(_LONG_TO_PUBLISH)

    _replace(owed, "_once_claimed", once_claimed)
    _replace(Topic, "publish", publish_slowly)


def note_before_publishing() -> None:
    """Promise 3 from its other side: what is noted as announced was announced."""
    publish = Topic.publish
    publishing: set[asyncio.Task[None]] = set()

    async def after_the_note(self: Topic, **members: Any) -> None:
        await asyncio.sleep(_LONGER_THAN_A_NOTE_TAKES)
        await publish(self, **members)

    async def publish_later(self: Topic, **members: Any) -> None:
        task = asyncio.create_task(after_the_note(self, **members))
        publishing.add(task)
        task.add_done_callback(publishing.discard)

    _replace(Topic, "publish", publish_later)


def never_sweep() -> None:
    """Promise 4: with every event lost, every job still ends right."""

    async def rest(_: Sweeper) -> int:
        return 0

    _replace(Sweeper, "sweep", rest)


def never_look_for_redrives() -> None:
    """Promise 4 again: a redrive of which every event is lost is found by ListExecutions, or by nothing."""

    async def rest(_: Redrives) -> int:
        return 0

    _replace(Redrives, "look", rest)


def let_tasks_of_before_run_on() -> None:
    """Promise 4: nothing of before a redrive outlives it by more than the grace time."""
    _replace(owed, "_is_outlived", lambda _job, _task, _at: False)


def tell_nothing_of_before() -> None:
    """Promise 3: an outcome that was redriven before its announcement is told of in the next one."""
    _replace(announce, "_earlier_outcomes", lambda _record: ())


def hear_everybody() -> None:
    """Promise 10: nothing that another tenant asks for happens."""
    hear = steering.hear_control

    def hear_as_its_own(asked: ControlMessage, job: Record, asked_at: float, sent_by: str | None) -> Fact | Unheard:
        tenant = job.request.tenant if job.request else asked.tenant
        return hear(asked.model_copy(update={"tenant": tenant}), job, asked_at, sent_by)

    _replace(control, "hear_control", hear_as_its_own)


def call_all_a_success() -> None:
    """Promise 9: success means an explicit exit code 0."""
    _replace(announce, "status_of", lambda _record: "SUCCEEDED")


SABOTAGES: Mapping[str, Callable[[], None]] = {
    sabotage.__name__: sabotage
    for sabotage in (
        delete_before_effect,
        start_anew,
        announce_without_claim,
        note_before_publishing,
        never_sweep,
        never_look_for_redrives,
        let_tasks_of_before_run_on,
        tell_nothing_of_before,
        hear_everybody,
        call_all_a_success,
    )
}


def _replace(owner: Any, name: str, replacement: Any) -> None:
    """What is replaced must be there, or a renaming would quietly turn the sabotage into none."""
    getattr(owner, name)
    setattr(owner, name, replacement)


if __name__ == "__main__":
    SABOTAGES[os.environ[SABOTAGE]]()
    sys.exit(main())
