"""The last facts of a job come at once, to two workers that know nothing of each other, and nobody sweeps.

Whoever counts last in the head is told that nothing is owed any more, and what it then reads was written before: so
somebody finds that the outcome is owed. Two that read before they write could each miss what the other one writes, and
nobody would announce.

In every second history workers die between any two calls. Their messages come again, and a sweep comes when their
claims are over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas.plan import Attempt
from service.aws.jobs_table import JobsTable
from service.core.policy.actions import Action, Announce, ArchiveLog, Claim
from service.core.policy.owed import SWEEP, Patience
from service.core.record.facts import (
    Announced,
    Claimed,
    ContainerState,
    ExecutionChanged,
    Fact,
    LogArchived,
    Requested,
    StageBrief,
    TaskChanged,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.settle import NotWholeError, Settling
from tests.support.aws.dynamodb import DynamoDbClient, SimTable
from tests.support.loop import VirtualLoop

JOB = "job"
_USUAL_VERSION = 6
_KEY = RecordKey.of_job(JOB)
_TASK = "arn:aws:ecs:us-east-1:123456789012:task/jobs/t"
_PATIENCE = Patience()
_DIES, _DEATHS, _SWEEPS = 0.05, 2, 4


class DiedError(Exception):
    """Nothing of a piece of work goes on."""


@dataclass
class Last:
    """One job's last moments, by a seed."""

    loop: VirtualLoop
    chance: Random
    deaths_left: int
    deaths: int = 0
    archives: int = 0
    announcements: int = 0
    known: dict[str, int] = field(default_factory=dict)

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        """A call: its effect comes some time after it, and its answer after that, unless who called is dead."""
        await self._be_on_the_way()
        self._die()
        answer = effect()
        self._die()
        await self._be_on_the_way()
        return answer

    async def _be_on_the_way(self) -> None:
        await self.loop.pause(self.chance.random() * self.chance.choice((0.02, 0.1, 0.5)))

    def _die(self) -> None:
        """Who has announced lives until that is noted: a second copy is another promise's."""
        if self.deaths_left and not self.announcements and self.chance.random() < _DIES:
            self.deaths_left -= 1
            self.deaths += 1
            raise DiedError

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        """What is owed, done in some time."""
        await self.loop.pause(self.chance.random() * 0.3)
        match action:
            case Claim(what=what):
                return (job.new_claim(what, me, self.loop.time(), 60),)
            case ArchiveLog(task_id=task_id, container=name):
                self.archives += 1
                return (LogArchived(job_id=JOB, task_id=task_id, container=name, status="complete"),)
            case Announce(redrive_count=count):
                self.announcements += 1
                told = {"status": "SUCCEEDED", "notification_id": "n", "at": self.loop.time()}
                return (Announced.model_validate({"record_key": _KEY, "redrive_count": count, **told}),)
        return ()

    async def live(self) -> list[str]:
        """What is wrong in the end."""
        table = JobsTable(DynamoDbClient(self, SimTable(self.loop.time)), "jobs", 300, 30, 90, self.loop.time)  # type: ignore[arg-type]  # as far as it is used
        briefs = tuple(StageBrief(name=name, image="echo", container="main") for name in ("one", "two"))
        deaths, self.deaths_left = self.deaths_left, 0
        await table.merge(Requested(job_id=JOB, tenant="web", digest="d", execution_input="{}", stages=briefs))
        await table.merge(_execution("RUNNING"))
        self.deaths_left = deaths
        workers = [Settling(table, self, _PATIENCE, self.loop.time) for _ in range(2)]
        await asyncio.gather(
            *(self._come(self.chance.choice(workers), number, fact) for number, fact in enumerate(self._facts()))
        )
        self.deaths_left = 0
        for _ in range(_SWEEPS if self.deaths else 0):
            await self._sweep(workers[0])
        return await self._complaints(table)

    async def _sweep(self, worker: Settling) -> None:
        """When the claims of the dead are over."""
        await self.loop.pause(_PATIENCE.claim + 1)
        me = worker.new_work()
        claim = Claimed(record_key=_KEY, what=SWEEP, owner=me, at=self.loop.time(), seconds=_PATIENCE.claim)
        await worker.settle(await worker.jobs.merge(claim), me)

    def _facts(self) -> list[Fact]:
        """Each at least once, and some late or twice. Of a third task the outcome says nothing."""
        first, second = _task(1), _task(2)
        last: list[Fact] = [first, second, _execution("SUCCEEDED"), *([_task(3)] if self.chance.random() < 0.5 else [])]
        late: list[Fact] = [_task(1, "RUNNING", 2), _task(2, "RUNNING", 2), _task(1, version=9), first, second]
        return last + self.chance.sample(late, self.chance.randrange(len(late) + 1))

    async def _come(self, worker: Settling, number: int, fact: Fact) -> None:
        """A message comes, and again where who took it died."""
        for turn in range(_DEATHS + 1):
            await self.loop.pause(self.chance.random() * self.chance.choice((0.2, 2.0)))
            with suppress(DiedError):
                await self._take(worker, f"work-{number}-{turn}", fact)
                return

    async def _take(self, worker: Settling, me: str, fact: Fact) -> None:
        by_the_way = isinstance(fact, TaskChanged) and fact.version > _USUAL_VERSION
        job = await (worker.jobs.merge(fact) if by_the_way else worker.hear(fact, me))
        for task in job.tasks:
            self.known[task.task_id] = max(task.version, self.known.get(task.task_id, 0))
        if by_the_way:
            return  # Whoever hears it leaves the rest to those who are at work on it.
        try:
            await worker.settle(job, me)
        except NotWholeError:
            return

    async def _complaints(self, table: JobsTable) -> list[str]:
        whole = await table.read_whole(_KEY)
        held = {task.task_id: task.version for task in whole.tasks if task.stopped}
        receipts = all(whole.receipt(task, container) for task in whole.tasks for container in task.containers)
        found = {
            f"announced {self.announcements} times": self.announcements != 1,
            f"archived {self.archives} times": self.archives > len(self.known) + self.deaths,
            f"known were {self.known}, held are {held}": any(held.get(name, 0) < at for name, at in self.known.items()),
            "a receipt is lost": not receipts,
            "a log is owed for ever": bool(whole.tally.logs_owed) and not self.deaths,
        }
        return [complaint for complaint, holds in found.items() if holds]


def _execution(status: str) -> ExecutionChanged:
    over = status != "RUNNING"
    attempts = tuple(Attempt(stage=n, attempt=1, passed=True, task_arn=f"{_TASK}{n}", exit_code=0) for n in (1, 2))
    told = {"job_id": JOB, "arn": "arn", "status": status, "observed_via": "event"}
    return ExecutionChanged.model_validate({**told, "stopped_at": 1.0, "attempts": attempts} if over else told)


def _task(number: int, status: str = "STOPPED", version: int = _USUAL_VERSION) -> TaskChanged:
    code = 0 if status == "STOPPED" else None
    return TaskChanged(
        job_id=JOB,
        arn=f"{_TASK}{number}",
        version=version,
        last_status=status,
        redrive=0,
        stage=min(number, 2),
        attempt=max(number - 1, 1),
        created_at=0.5 * number,
        containers=(ContainerState(name="main", exit_code=code),),
    )


def last_facts(seed: int) -> list[str]:
    """What is wrong after the last moments of one seed."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(Last(loop, Random(seed), deaths_left=_DEATHS * (seed % 2)).live())
    finally:
        asyncio.set_event_loop(None)
        loop.bury()
