"""What we hold about one job: its registers, and the views that decisions are made on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

from schemas.arn import task_id_of
from service.core.record.facts import (
    Announced,
    Claimed,
    ContainerState,
    EndedBefore,
    ExecutionChanged,
    Fact,
    LogArchived,
    Rejected,
    Requested,
    TaskChanged,
    WaitsForCapacity,
)
from service.core.record.keys import RecordKey
from service.core.record.register_names import (
    announced_register,
    claim_register,
    ended_before_register,
    progress_register,
    receipt_register,
    task_of_register,
)
from service.core.record.registers import Registers

_TASKS = "task#"
_CLAIMS = "claim#"


@dataclass(frozen=True, slots=True)
class Tally:
    """What a head says of the tasks beside it: of how many was heard that they stopped, and when the last was made.

    `changes` counts whatever was written of them. `logs_owed` are the markers of those whose logs are not all archived:
    while there are any, it is too soon to look whether the job may be announced.
    """

    changes: int = 0
    stops: int = 0
    last_made_at: float = 0
    logs_owed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Record:
    """A job, or a request that was rejected, as far as it is known: of each register the fact that knows most.

    A task that stopped lies beside the head, with its receipts and who archives its logs. Those that are held here all
    the same are `kept_beside`, and `seen` are as many of the changes that the head counts as are known here.
    `known_at`, where it is said, is the moment before it was read, by this process's own clock.
    """

    key: RecordKey
    registers: Mapping[str, Fact] = field(default_factory=dict)
    tally: Tally = field(default=Tally(), compare=False)
    seen: int = field(default=0, compare=False)
    kept_beside: frozenset[str] = field(default=frozenset(), compare=False)
    known_at: float | None = field(default=None, compare=False)

    @classmethod
    def of_job(cls, job_id: str) -> Record:
        """The record of a job of which nothing is known."""
        return cls(RecordKey.of_job(job_id))

    @property
    def job_id(self) -> str:
        """The job's id. A rejection's record has none: what it is of is no job of ours."""
        assert self.key.kind == "job", f"{self.key} is the record of no job"
        return self.key.id

    @cached_property
    def request(self) -> Requested | None:
        return cast("Requested | None", self.registers.get("request"))

    @property
    def is_whole(self) -> bool:
        """Whether it has all that is kept of the job, and not only what most decisions need."""
        return (self.request is None or not self.request.is_brief) and self.has_every_task

    @property
    def has_every_task(self) -> bool:
        """Whether it has all that is known of every task that stopped, and every attempt of the outcome.

        Others may write of a task at any moment, and then count it in the head: so whoever has seen all that the head
        counts has missed nothing of which the writer does not yet have to look at the whole.
        """
        if self.execution is not None and self.execution.is_brief:
            return False
        return self.seen == self.tally.changes

    @cached_property
    def rejection(self) -> Rejected | None:
        return cast("Rejected | None", self.registers.get("rejection"))

    @cached_property
    def execution(self) -> ExecutionChanged | None:
        return cast("ExecutionChanged | None", self.registers.get("execution"))

    @cached_property
    def tasks(self) -> tuple[TaskChanged, ...]:
        """Every task heard of, oldest first."""
        return tuple(sorted(cast("list[TaskChanged]", self._named(_TASKS)), key=_by_place))

    @property
    def last_wait(self) -> WaitsForCapacity | None:
        """The last wait for capacity that was heard of, be it over, or of a redrive that was not heard of."""
        return cast("WaitsForCapacity | None", self.registers.get("waiting"))

    @property
    def waiting(self) -> WaitsForCapacity | None:
        """What the job waits for, as far as is known; a task made since, the end, or a redrive ends it."""
        held = self.last_wait
        if held is None or held.redrive < self.redrive_count or (self.execution and self.execution.ended):
            return None
        made = (*(task.created_at or 0 for task in self.tasks), self.tally.last_made_at)
        return None if any(at > held.at for at in made) else held

    @property
    def redrive_count(self) -> int:
        return self.execution.redrive_count if self.execution else 0

    @property
    def announced(self) -> Announced | None:
        """The announcement of the present outcome, if it was made."""
        return cast("Announced | None", self.registers.get(announced_register(self.redrive_count)))

    def ended_before(self, redrive_count: int) -> EndedBefore | None:
        """How the job had ended for a redrive count before the present one, where nobody was told of it."""
        return cast("EndedBefore | None", self.registers.get(ended_before_register(redrive_count)))

    @property
    def untold_redrives(self) -> tuple[int, ...]:
        """The redrive counts before the present one whose outcome was not announced."""
        return tuple(count for count in range(self.redrive_count) if announced_register(count) not in self.registers)

    def was_told(self, step: str) -> bool:
        """Whether subscribers were told of this step of the job's progress."""
        return progress_register(step) in self.registers

    def receipt(self, task: TaskChanged, container: ContainerState) -> LogArchived | None:
        """What became of a container's log, once that is known."""
        return cast("LogArchived | None", self.registers.get(receipt_register(task.task_id, container.name)))

    def was_asked_by(self, message_id: str, digest: str | None) -> bool:
        """Whether this job's request is one of this digest, or where no body can be read, came in this message."""
        if self.request is None:
            return False
        assert not self.request.is_brief, "by what is left out of a head"
        return self.request.message_id == message_id if digest is None else self.request.digest == digest

    def claim(self, what: str) -> Claimed | None:
        """Who is at work on this, or was last."""
        return cast("Claimed | None", self.registers.get(claim_register(what)))

    def claims_of(self, owner: str) -> tuple[Claimed, ...]:
        """What this owner is at work on."""
        claims = cast("list[Claimed]", self._named(_CLAIMS))
        return tuple(claim for claim in claims if claim.owner == owner)

    def new_claim(self, what: str, owner: str, at: float, seconds: float) -> Claimed:
        """A claim to be made; it remembers since when there have been tries."""
        held = self.claim(what)
        since = held.began_at if held else at
        return Claimed(record_key=self.key, what=what, owner=owner, at=at, seconds=seconds, since=since)

    def holding(self, *facts: Fact) -> Record:
        """This record with these facts in the places of what their registers held."""
        news = {fact.register_name: fact for fact in facts}
        held = self.registers
        told = held | news if isinstance(held, Registers) else {**held, **news}
        return Record(self.key, told, self.tally, self.seen, self.kept_beside, self.known_at)

    def having_seen(self, changes: int) -> Record:
        """The same, of whoever has seen so many of the changes that the head counts."""
        return replace(self, seen=changes)

    def beside(self, known: Record) -> Record:
        """This head, which a write was answered with, together with what was known of what is beside it before."""
        return replace(self.joined(known), seen=self.seen + known.seen) if self.request else self

    def joined(self, other: Record) -> Record:
        """The same, with what another pass knew of what is beside the head."""
        if self.request is None:
            return self
        record = replace(self, kept_beside=self.kept_beside | other.kept_beside)
        return record.holding(*(fact for fact in other._kept_beside() if self._lacks(fact)))

    def _lacks(self, fact: Fact) -> bool:
        held = self.registers.get(fact.register_name)
        if isinstance(held, Requested | ExecutionChanged):
            return held.is_brief and held.rank <= fact.rank
        return held is None or held.rank < fact.rank

    def _kept_beside(self) -> Iterator[Fact]:
        """What is held here of what lies beside the head."""
        if self.request is not None and not self.request.is_brief:
            yield self.request
        if self.execution is not None and self.execution.is_long:
            yield self.execution
        for name in self.registers:
            if task_of_register(name) in self.kept_beside:
                yield self.registers[name]

    def _named(self, prefix: str) -> list[Fact]:
        """The facts in the registers whose names begin like this; the others are not looked at."""
        return [self.registers[name] for name in self.registers if name.startswith(prefix)]

    def open_task_arns(self) -> tuple[str, ...]:
        """Tasks that are not known to have stopped: heard of from ECS, or only named by the execution's outcome."""
        stopped = {task.task_id for task in self.tasks if task.stopped}
        heard_of = [task.arn for task in self.tasks]
        named = [item.task_arn for item in self.execution.attempts if item.task_arn] if self.execution else []
        arns = {task_id_of(arn): arn for arn in (*heard_of, *named)}
        return tuple(arn for task_id, arn in arns.items() if task_id not in stopped)


def _by_place(task: TaskChanged) -> tuple[int, int, int, float]:
    return task.redrive or 0, task.stage or 0, task.attempt or 0, task.created_at or 0


def merge(record: Record, fact: Fact) -> Record:
    """The record after hearing a fact: commutative, idempotent and monotone, since only the rank decides."""
    held = record.registers.get(fact.register_name)
    if held is not None and held.rank >= fact.beats_below:
        return record
    return record.holding(fact)
