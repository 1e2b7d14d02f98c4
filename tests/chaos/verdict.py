"""What subscribers received against what AWS says, job by job. Pure: no clock, no AWS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from schemas.notification import JobNotification
from tests.chaos.truth import Codes, Execution, Truth
from tests.chaos.workload import Errand


@dataclass(frozen=True)
class Sent:
    """One message of a producer, by the id that SQS gave it; `at` in seconds after the start."""

    message_id: str
    errand: Errand
    at: float


@dataclass(frozen=True)
class Told:
    """One notification as a subscriber got it; `broken` are its links that did not give what it says."""

    notification: JobNotification
    at: float
    broken: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The job, or the message that was rejected."""
        return self.notification.id.rsplit(":", 2)[0]


@dataclass(frozen=True)
class Due:
    """One outcome that subscribers must hear of, once."""

    subject: str
    errand: Errand
    status: str
    sent_at: float
    codes: Codes = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Which outcomes went wrong, and how; each line names the job and says what it is."""

    jobs: int
    lost: tuple[str, ...]
    stuck: tuple[str, ...]
    wrong: tuple[str, ...]
    doubled: tuple[str, ...]
    repeats: int
    unexcused: tuple[str, ...]
    dead_lettered: int
    executions_beyond: tuple[str, ...]
    broken_links: tuple[str, ...]
    seconds: tuple[float, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        broken = (self.lost, self.stuck, self.wrong, self.doubled, self.unexcused, self.executions_beyond)
        return not (any(broken) or self.broken_links or self.dead_lettered)

    def seconds_at(self, share: float) -> float:
        """The time from the first sending to the announcement that this share of all outcomes kept within."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def judge(sent: Sequence[Sent], told: Sequence[Told], truth: Truth, excused: Set[str]) -> Verdict:
    """Compare. `excused`: what may have been announced twice under one id, for trouble met its announcement."""
    dues = {due.subject: due for due in outcomes_due(sent, truth)}
    heard: dict[str, list[Told]] = defaultdict(list)
    for item in told:
        heard[item.subject].append(item)
    missing = [due for due in dues.values() if due.subject not in heard]
    stuck = [due for due in missing if _is_open(due, truth)]
    repeated = {subject: copies for subject, copies in heard.items() if len(copies) > 1}
    return Verdict(
        jobs=len(dues),
        lost=tuple(_named(due) for due in missing if due not in stuck),
        stuck=tuple(f"{_named(due)}: Step Functions says {due.status}" for due in stuck),
        wrong=tuple(_wrong(dues, heard)),
        doubled=tuple(subject for subject, copies in repeated.items() if len({_essence(item) for item in copies}) > 1),
        repeats=sum(len(copies) - 1 for copies in repeated.values()),
        unexcused=tuple(subject for subject in repeated if subject not in excused),
        dead_lettered=truth.dead_lettered,
        executions_beyond=tuple(_beyond(dues, truth)),
        broken_links=tuple(f"{item.subject}: {link}" for item in told for link in item.broken),
        seconds=tuple(copies[0].at - dues[subject].sent_at for subject, copies in heard.items() if subject in dues),
    )


def outcomes_due(sent: Iterable[Sent], truth: Truth) -> Iterator[Due]:
    """What must be heard of: each job once, however often it was sent, and each rejected message."""
    ran = {execution.job_id: execution for execution in truth.executions}
    first: dict[str, Sent] = {}
    for item in sent:
        subject = item.errand.job_id or item.message_id
        if not item.errand.admissible or _came_second(item, ran.get(subject)):
            yield Due(item.message_id, item.errand, "REJECTED", item.at)
        else:
            first.setdefault(subject, item)
    for subject, item in first.items():
        execution = ran.get(subject)
        status = execution.status if execution else "never started"
        yield Due(subject, item.errand, status, item.at, truth.codes.get(subject, {}))


def _came_second(item: Sent, execution: Execution | None) -> bool:
    """Whether another body with this id was the first to be admitted, as its execution's input tells."""
    return execution is not None and f'"user": "{execution.user}"' not in item.errand.body


def _is_open(due: Due, truth: Truth) -> bool:
    """Whether something could still come of it: its record is open, or a message may be its own."""
    return due.subject in truth.open_records or truth.queued > 0


def _wrong(dues: Mapping[str, Due], heard: Mapping[str, Sequence[Told]]) -> Iterator[str]:
    for subject, copies in heard.items():
        due = dues.get(subject)
        if due is None:
            yield f"{subject}: announced {copies[0].notification.status}, which nobody is due"
            continue
        for item in copies:
            yield from (f"{_named(due)}: {why}" for why in _disagreements(due, item.notification))


def _disagreements(due: Due, told: JobNotification) -> Iterator[str]:
    if told.status != due.status:
        yield f"announced {told.status}, Step Functions says {due.status}"
    if due.status == "REJECTED":
        return
    if told.status != due.errand.expected:
        yield f"announced {told.status}, the producer was to get {due.errand.expected}"
    codes = _codes(told)
    if codes != due.codes:
        yield f"announced exit codes {codes}, ECS says {due.codes}"
    if due.errand.exit_codes is not None and tuple(codes.values()) != due.errand.exit_codes:
        yield f"announced exit codes {codes}, the producer was to get {due.errand.exit_codes}"


def _codes(told: JobNotification) -> Codes:
    return {(stage.stage, item.attempt): item.exit_code for stage in told.stages for item in stage.attempts}


def _essence(item: Told) -> tuple[object, ...]:
    """What two copies of one outcome must agree in: the id, and all that it says but how links were signed."""
    told = item.notification
    return told.id, told.status, tuple(_codes(told).items())


def _beyond(dues: Mapping[str, Due], truth: Truth) -> Iterator[str]:
    """Executions that are not the one of an admitted job, and tasks beyond one an attempt."""
    admitted = {due.subject for due in dues.values() if due.status != "REJECTED"}
    yield from (item.name for item in truth.executions if item.name not in admitted)
    if truth.tasks_twice:
        yield f"{truth.tasks_twice} tasks beyond one an attempt"


def _named(due: Due) -> str:
    return f"{due.subject} ({due.errand.kind})"
