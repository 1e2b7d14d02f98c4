"""Why a job is not running yet, why it is not finished, or where its time went: by its record and by what is usual.

| the record says                               | it waits for                       | since                       |
|-----------------------------------------------|------------------------------------|-----------------------------|
| requested, never started                      | start                              | the request                 |
| ended, a log without a receipt                | archive                            | the end                     |
| ended, everything archived, not announced     | announcement                       | the end                     |
| AWS takes no task on                          | capacity                           | it was refused first        |
| a task has no host yet                        | host                               | the task was made           |
| a task pulls its images, or starts            | image                              | the pull began              |
| a task runs                                   | container                          | it started                  |
| no task is open                               | planner                            | the last task stopped       |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any

from schemas.tracking import Spent, Unusual, Usual, Why
from service.core.policy.outcome import StageOutcome, stages_of
from service.core.record.facts import StageSpent, TaskChanged
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.core.telling.compose import iso, seconds_from
from service.core.telling.letter import in_seconds
from service.core.tracking.job import tracked_status
from service.core.tracking.wishes import wishes

Lately = Sequence[tuple[StageSpent, ...]]
"""Of the last finished jobs of a type: how long each of their stages took."""

MOST_JOBS = 50
# Fewer say little of what is usual.
_FEWEST_JOBS = 5
_SLOWER, _MORE_MEMORY = 3.0, 1.4
# Three times next to nothing is nothing to tell of.
_LEAST_SECONDS = 5.0
_TIMES = ("queued", "starting", "running", "archiving")
_ALWAYS_HIDDEN = Redaction.of()


@dataclass(frozen=True)
class _Wait:
    """What a job waits for now."""

    waits_for: str
    since: float | None
    text: str
    stage: int | None = None
    attempt: int | None = None
    redrive: int | None = None
    tries: int | None = None
    failure_class: str | None = None
    evidence: str | None = None


def why(record: Record, now: float, lately: Lately, redaction: Redaction = _ALWAYS_HIDDEN) -> Why:
    """The answer, as sentences and as fields."""
    status = tracked_status(record)
    if record.rejection is not None:
        return _rejected(record, now, redaction)
    wait = _wait_of(record, redaction)
    spent = _spent(record)
    stage = wait.stage if wait else None
    brief = (
        record.request.stages[stage - 1] if record.request and stage and stage <= len(record.request.stages) else None
    )
    usual = usual_of(stage, brief.image, lately) if stage and brief else None
    unusual = tuple(_unusual(record, lately))
    return Why(
        job_id=record.job_id,
        status=status,
        as_of=iso(now),
        text=(
            *_sentences(record, now, wait, usual, spent, unusual),
            *(wish.sentence(redaction) for wish in wishes(record)),
        ),
        waits_for=wait.waits_for if wait else None,
        since=iso(wait.since) if wait else None,
        waited_seconds=seconds_from(wait.since, now) if wait else None,
        stage=stage,
        stage_name=brief.name if brief else None,
        redrive=wait.redrive if wait else None,
        attempt=wait.attempt if wait else None,
        tries=wait.tries if wait else None,
        failure_class=wait.failure_class if wait else None,
        evidence=wait.evidence if wait else None,
        usual=usual,
        spent=spent,
        unusual=unusual,
    )


def usual_of(stage: int, image: str, lately: Lately) -> Usual | None:
    """How long such a stage ran lately, where it passed; None where too few did to say so."""
    found = [item for spent in lately for item in spent if (item.stage, item.image) == (stage, image) and item.passed]
    ran = sorted(item.running for item in found if item.running is not None)
    if len(ran) < _FEWEST_JOBS:
        return None
    memories = [item.memory for item in found if item.memory is not None]
    return Usual(
        image=image,
        jobs=len(ran),
        p50_seconds=round(median(ran), 3),
        p90_seconds=ran[ceil(0.9 * len(ran)) - 1],
        memory=int(median(memories)) if memories else None,
    )


def _rejected(record: Record, now: float, redaction: Redaction) -> Why:
    assert record.rejection is not None
    problems = (f"{item.field}: {item.message}. {item.remedy}".removeprefix(": ") for item in record.rejection.problems)
    return Why(
        job_id=None if record.rejection.job_id_is_taken else record.rejection.claimed_job_id,
        status="REJECTED",
        as_of=iso(now),
        text=(
            "The request was not accepted, so nothing was run.",
            *map(redaction.text, problems),
            *(wish.sentence(redaction) for wish in wishes(record)),
        ),
    )


def _wait_of(record: Record, redaction: Redaction) -> _Wait | None:
    """What it waits for; None where it is over and told of."""
    request, execution = record.request, record.execution
    assert request is not None, "a job is known by its request"
    if execution is None:
        return _Wait("start", request.submitted_at, "It is admitted, and its execution is not started yet")
    if execution.ended:
        if record.announced:
            return None
        missing = [item.name for task in record.tasks for item in task.containers if not record.receipt(task, item)]
        if missing or record.open_task_arns():
            logs = f": of {', '.join(missing[:3])}" if missing else ""
            return _Wait("archive", execution.stopped_at, f"It ended, and its logs are archived{logs}")
        return _Wait("announcement", execution.stopped_at, "It ended, and its outcome is about to be told")
    if record.waiting is not None:
        waits = record.waiting
        refused = f"{waits.tries} time{'' if waits.tries == 1 else 's'}"
        evidence = redaction.text(waits.why)
        text = (
            f"AWS takes no task of it on, for want of capacity, and has refused it {refused} ({evidence.rstrip('.')})"
        )
        return _Wait(
            "capacity",
            waits.since,
            text,
            waits.stage,
            waits.attempt,
            waits.redrive,
            waits.tries,
            waits.failure_class,
            evidence,
        )
    open_tasks = [task for task in record.tasks if not task.stopped and (task.redrive or 0) == record.redrive_count]
    return _task_wait(open_tasks[-1]) if open_tasks else _between_tasks(record)


def _task_wait(task: TaskChanged) -> _Wait:
    redrive, stage, attempt = task.place
    if task.started_at is not None:
        return _Wait("container", task.started_at, "Its container runs", stage, attempt, redrive)
    if task.pull_started_at is not None:
        text = "Its task pulls its images and starts"
        return _Wait("image", task.pull_started_at, text, stage, attempt, redrive)
    return _Wait("host", task.created_at, "Its task waits for a host", stage, attempt, redrive)


def _between_tasks(record: Record) -> _Wait:
    execution = record.execution
    assert execution is not None
    begun = execution.redriven_at or execution.started_at
    ours = (task for task in record.tasks if (task.redrive or 0) == record.redrive_count)
    since = max((task.stopped_at for task in ours if task.stopped_at is not None), default=begun)
    outcomes = stages_of(record)
    due = next((outcome for outcome in outcomes if not outcome.passed), None)
    text = "No task of it is open: the next is being planned, or waits for its next try"
    return _Wait("planner", since, text, due.number if due else None, None, record.redrive_count)


def _spent(record: Record) -> Spent:
    """All tasks together. What neither a task nor a wait accounts for lies between them."""
    request, execution = record.request, record.execution
    if request is None or execution is None:
        return Spent()
    tasks = record.tasks
    archived = [
        receipt.archived_at
        for task in tasks
        for item in task.containers
        if (receipt := record.receipt(task, item)) is not None and receipt.archived_at is not None
    ]
    end = execution.stopped_at
    held = sum(seconds_from(task.created_at, task.stopped_at) or 0.0 for task in tasks)
    whole = seconds_from(execution.started_at, end)
    last = max(archived, default=None)
    return Spent(
        starting_execution=seconds_from(request.submitted_at, execution.started_at),
        waiting_for_capacity=seconds_from(record.waiting.since, end) if record.waiting else None,
        queued=_sum(seconds_from(task.created_at, task.pull_started_at) for task in tasks),
        starting=_sum(seconds_from(task.pull_started_at, task.started_at) for task in tasks),
        running=_sum(seconds_from(task.started_at, task.stopped_at) for task in tasks),
        between=round(max(0.0, whole - held), 3) if whole is not None and tasks else None,
        archiving=seconds_from(end, last) if end is not None and last is not None else None,
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return round(sum(known), 3) if known else None


def _unusual(record: Record, lately: Lately) -> Iterator[Unusual]:
    """What took three times as long as it did lately, or was given 40 % more memory."""
    for outcome in stages_of(record):
        if (task := outcome.attempts[-1].task if outcome.attempts else None) is None:
            continue
        like = [
            item
            for spent in lately
            for item in spent
            if item.stage == outcome.number and item.image == outcome.brief.image
        ]
        took = {
            "queued": seconds_from(task.created_at, task.pull_started_at),
            "starting": seconds_from(task.pull_started_at, task.started_at),
            "running": seconds_from(task.started_at, task.stopped_at),
        }
        for what, seconds in took.items():
            yield from _compared(outcome, what, seconds, like, _SLOWER, least=_LEAST_SECONDS)
        memory = float(task.memory) if task.memory and task.memory.isdecimal() else None
        yield from _compared(outcome, "memory", memory, like, _MORE_MEMORY, least=0.0)


def _compared(
    outcome: StageOutcome, what: str, value: float | None, like: Sequence[StageSpent], factor: float, *, least: float
) -> Iterator[Unusual]:
    known = [held for item in like if (held := getattr(item, what)) is not None]
    if value is None or value < least or len(known) < _FEWEST_JOBS:
        return
    usual = median(known)
    if usual > 0 and value >= factor * usual:
        found: dict[str, Any] = {"what": what, "stage": outcome.number, "stage_name": outcome.brief.name}
        yield Unusual(**found, value=value, usual=round(usual, 3), times=round(value / usual, 1))


def _sentences(
    record: Record, now: float, wait: _Wait | None, usual: Usual | None, spent: Spent, unusual: Sequence[Unusual]
) -> Iterator[str]:
    if wait is not None:
        since = f", for {in_seconds(now - wait.since)} now" if wait.since is not None else ""
        yield f"{wait.text}{since}{_where(record, wait)}."
    if usual is not None:
        yield (
            f"Lately such a stage ran for {in_seconds(usual.p50_seconds)} (median), and nine of ten for at most "
            f"{in_seconds(usual.p90_seconds)}, in {usual.jobs} finished jobs."
        )
    parts = [
        f"{in_seconds(seconds)} {words}" for name, words in _SPENT_WORDS.items() if (seconds := getattr(spent, name))
    ]
    if parts:
        yield f"Its time so far: {'; '.join(parts)}." if wait is not None else f"Its time went: {'; '.join(parts)}."
    for item in unusual:
        yield _unusual_sentence(item)


_SPENT_WORDS = {
    "starting_execution": "until it was started",
    "waiting_for_capacity": "waiting for capacity",
    "queued": "waiting for hosts",
    "starting": "pulling images and starting",
    "running": "running",
    "between": "between tasks",
    "archiving": "archiving logs",
}


def _unusual_sentence(item: Unusual) -> str:
    of = f"stage {item.stage} ({item.stage_name})"
    if item.what == "memory":
        return (
            f"Unusual: {of} was given {item.value:g} MiB, {item.times:g} times the usual {item.usual:g}; "
            "what it used is not known."
        )
    verb = {"queued": "waited for a host", "starting": "took to start", "running": "ran"}[item.what]
    return (
        f"Unusual: {of} {verb} for {in_seconds(item.value)}, {item.times:g} times the usual {in_seconds(item.usual)}."
    )


def _where(record: Record, wait: _Wait) -> str:
    if wait.stage is None:
        return ""
    stages = record.request.stages if record.request else ()
    name = f" ({stages[wait.stage - 1].name})" if wait.stage <= len(stages) else ""
    attempt = f", attempt {wait.attempt}" if wait.attempt else ""
    return f": stage {wait.stage}{name} of {len(stages)}{attempt}"
