"""What can be asked for of a job on its page: what will happen, said beforehand, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from schemas.control import Verb
from schemas.notification import SteeredBy
from schemas.tracking import ListedStatus, TrackedJob, TrackedStage
from service.console.words import seconds_of
from service.core.policy.steering import why_not
from service.core.record.asked import CLOCKS_DIFFER_SECONDS
from service.core.record.record import Record
from service.core.telling.compose import iso
from service.core.telling.steered import unfulfilled
from service.core.tracking.bulk import SUITS

# A worker asks the control queue without a pause; who waits for longer should look whether one runs.
_SOON_SECONDS = 30.0
_HEARD_OF_SECONDS = 600.0


@dataclass(frozen=True)
class Offer:
    """Something that can be asked for: what it is called, the key that opens it, and what will happen."""

    verb: Verb
    name: str
    key: str
    button: str
    will: tuple[str, ...]
    why_not: str | None
    may_change: bool


@dataclass(frozen=True)
class _Kind:
    name: str
    key: str
    button: str
    will: Callable[[TrackedJob], Iterator[str]]
    may_change: bool = False


@dataclass(frozen=True)
class Sent:
    """A wish that this reader has just sent, at this moment, in epoch seconds; of a rerun also the new job's id."""

    verb: Verb
    at: float
    new_job_id: str = ""


@dataclass(frozen=True)
class Note:
    """What has become of a wish, in words. `waits`: something is still to come of it; `job_id`: where that is seen."""

    text: str
    reason: str | None = None
    waits: bool = False
    job_id: str = ""


def offers(job: TrackedJob, record: Record) -> tuple[Offer, ...]:
    """All that there is, in the order in which it is shown; some may be of no use now."""
    return tuple(
        Offer(verb, kind.name, kind.key, kind.button, tuple(kind.will(job)), _why_not(verb, record), kind.may_change)
        for verb, kind in _KINDS.items()
    )


def offer_for_many(verb: Verb) -> Offer:
    """The same for all jobs that match."""
    kind = _KINDS[verb]
    return Offer(verb, kind.name, kind.key, f"{kind.name} all", _OF_MANY[verb], None, kind.may_change)


def offers_for_many(status: ListedStatus | None) -> tuple[Offer, ...]:
    """What can be asked for of a list by the status that it is filtered by."""
    return tuple(offer_for_many(verb) for verb in _KINDS if status is None or status in SUITS[verb])


def _why_not(verb: Verb, record: Record) -> str | None:
    return None if verb == "rerun" else why_not(verb, record)


def notes(job: TrackedJob, record: Record, sent: Sent | None, now: float) -> tuple[Note, ...]:
    """What was asked for: what came of it, what is waited for, and what nobody has heard yet."""
    return tuple(_notes(job, record, sent, now))


def _notes(job: TrackedJob, record: Record, sent: Sent | None, now: float) -> Iterator[Note]:
    for wish in job.steered:
        by = f"by {wish.by or 'somebody'}, asked for at {_at(wish.asked_at)}."
        of = job.retry_of or "" if wish.verb == "rerun" else ""
        yield Note(f"{_DONE[wish.verb]} {by}", wish.reason, job_id=of)
    if job.rerun_as:
        yield Note("It was rerun as", job_id=job.rerun_as)
    waiting = unfulfilled(record)
    for wish in waiting:
        text = f"{_KINDS[wish.verb].name} asked for at {_at(wish.asked_at)} by {wish.by or 'somebody'}; waiting until "
        yield Note(text + _COMES[wish.verb], wish.reason, waits=True)
    if sent is not None and not _is_heard(sent, job, waiting) and now - sent.at <= _HEARD_OF_SECONDS:
        yield _unheard(record, sent, now)


def _is_heard(sent: Sent, job: TrackedJob, waiting: tuple[SteeredBy, ...]) -> bool:
    if sent.verb == "rerun":
        return job.rerun_as == sent.new_job_id
    since = sent.at - CLOCKS_DIFFER_SECONDS
    done = (wish for wish in job.steered if (seconds_of(wish.asked_at) or 0.0) >= since)
    return any(wish.verb == sent.verb for wish in (*waiting, *done))


def _unheard(record: Record, sent: Sent, now: float) -> Note:
    """Of a wish that the record does not show."""
    why = _why_not(sent.verb, record)
    if why is not None:
        return Note(f"Your {sent.verb} of {_at(iso(sent.at))} came to nothing. {why}")
    text = f"Your {sent.verb} was sent at {_at(iso(sent.at))}; waiting for a worker to hear it."
    late = " Is one running?" if now - sent.at >= _SOON_SECONDS else ""
    what = " It makes" if sent.new_job_id else ""
    return Note(f"{text}{late}{what}", waits=True, job_id=sent.new_job_id)


def _at(moment: str | None) -> str:
    return f"{(moment or '')[11:19]} UTC"


def _cancelling(job: TrackedJob) -> Iterator[str]:
    if job.started_at is None and not job.stages_passed and job.execution_arn is None:
        yield "It was not started yet, and will not be."
    else:
        yield f"Its execution is stopped{_and_the_task_of(_under_way(job))}."
        after = _named(stage for stage in job.stages if stage.status == "NOT_RUN")
        yield "What passed so far stays as it is" + (f"; {after} will not run." if after else ".")
    yield "Its logs are archived, and subscribers are told that it was ABORTED, by whom and why."
    if job.execution_arn is not None:
        yield "For 14 days it can be redriven from where it was stopped."


def _and_the_task_of(stage: TrackedStage | None) -> str:
    if stage is None or stage.status != "RUNNING":
        return ""
    return (
        f", and with it the task of {_named((stage,))}: its container is sent SIGTERM, and killed once its stop "
        "timeout is over, 30 s unless its task definition has another"
    )


def _redriving(job: TrackedJob) -> Iterator[str]:
    passed = _named(stage for stage in job.stages if stage.status == "PASSED")
    left = [stage for stage in job.stages if stage.status != "PASSED"]
    first, after = _named(left[:1]), _named(left[1:])
    if first:
        yield f"It goes on under its own id at {first}, from that stage's beginning" + (
            f"; then {after}." if after else "."
        )
    if passed:
        yield f"{passed[:1].upper()}{passed[1:]} passed, and will not run again."
    yield "It has all its time and retries again; only its turns of waiting for capacity are not given back."
    yield "Its next outcome is told to subscribers as another one, with who redrove it and why."


def _rerunning(job: TrackedJob) -> Iterator[str]:
    yield "A new job is made of its request as it was sent, with the changes below, and is judged like any request."
    stages = _named(job.stages[:1])
    if stages:
        yield f"It begins at {stages}, under an id of its own; what this job wrote is not looked at."
    yield "This job stays as it is" + (" and runs on." if job.started_at and not job.ended_at else ".")


def _under_way(job: TrackedJob) -> TrackedStage | None:
    return next((stage for stage in job.stages if stage.status in {"RUNNING", "WAITING"}), None)


def _named(stages: Iterator[TrackedStage] | tuple[TrackedStage, ...] | list[TrackedStage]) -> str:
    """As `stage 2 (resize)`; of many, the first and the last."""
    found = [f"{stage.stage} ({stage.name})" for stage in stages]
    if not found:
        return ""
    if len(found) > 2:
        return f"stages {found[0]} to {found[-1]}"
    return f"stage{'s' if len(found) > 1 else ''} {' and '.join(found)}"


_KINDS: Mapping[Verb, _Kind] = {
    "cancel": _Kind("Cancel", "c", "Cancel the job", _cancelling),
    "redrive": _Kind("Redrive", "r", "Redrive the job", _redriving),
    "rerun": _Kind("Rerun", "R", "Make a new job of it", _rerunning, may_change=True),
}
_ALL = "Each is asked for by itself, page by page; jobs that are requested after this moment are left alone."
_OF_MANY: Mapping[Verb, tuple[str, ...]] = {
    "cancel": (
        "Every open job that matches is ended: its execution is stopped, and its task with it.",
        "Their logs are archived, and subscribers are told of each that it was ABORTED, by whom and why.",
        _ALL,
    ),
    "redrive": (
        "Every job that matches and did not succeed goes on under its own id, at the stage that failed.",
        "What cannot be redriven, since it is older than 14 days or was never started, is left, and counted with why.",
        _ALL,
    ),
    "rerun": (
        "Of every job that matches a new one is made, under an id of its own, from its first stage.",
        "The jobs themselves stay as they are, and those that run run on.",
        _ALL,
    ),
}
_DONE: Mapping[Verb, str] = {"cancel": "Cancelled", "redrive": "Redriven", "rerun": "Made as a rerun"}
_COMES: Mapping[Verb, str] = {"cancel": "it has ended.", "redrive": "it goes on.", "rerun": "it is made."}
