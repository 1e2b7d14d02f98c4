"""What subscribers received against what AWS says, outcome by outcome. Pure: no clock, no AWS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from schemas.notification import JobNotification
from tests.chaos.truth import Codes, Execution, Truth
from tests.chaos.wishes import Steered, asked_of
from tests.chaos.workload import Errand, Wanted

Outcome = tuple[str, int]
"""Of a job, or of a message that was rejected, and of which redrive."""


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

    @property
    def outcome(self) -> Outcome:
        """Which outcome of it this is."""
        return self.subject, int(self.notification.id.rsplit(":", 2)[1])


@dataclass(frozen=True)
class Due:
    """One outcome that subscribers must hear of, once: by itself, or where it was redriven sooner, in a later one."""

    subject: str
    errand: Errand
    status: str
    sent_at: float
    codes: Codes = field(default_factory=dict)
    redrive: int = 0
    is_last: bool = True

    @property
    def outcome(self) -> Outcome:
        """Which outcome it is."""
        return self.subject, self.redrive

    @property
    def steered(self) -> tuple[Steered, ...]:
        """Whose wishes made it what it is."""
        wanted, job_id = self.errand.wanted, self.subject
        rerun = [asked_of("rerun", self.errand.retry_of)] if self.errand.retry_of else []
        redrive = [asked_of("redrive", job_id)] if self.redrive and wanted is Wanted.STEERING else []
        by_wish = wanted is Wanted.STEERING or self.errand.may_be_unstarted
        cancel = [asked_of("cancel", job_id)] if by_wish and self.status == "ABORTED" else []
        return (*rerun, *redrive, *cancel)


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
    outlived: tuple[str, ...]
    broken_links: tuple[str, ...]
    seconds: tuple[float, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        broken = (self.lost, self.stuck, self.wrong, self.doubled, self.unexcused, self.executions_beyond)
        return not (any(broken) or self.outlived or self.broken_links or self.dead_lettered)

    def seconds_at(self, share: float) -> float:
        """The time from the first sending to the announcement that this share of all outcomes kept within."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def judge(
    sent: Sequence[Sent],
    told: Sequence[Told],
    truth: Truth,
    excused: Set[str],
    outlived_seconds: float,
    late_stops: Mapping[str, int] | None = None,
) -> Verdict:
    """Compare. `excused`: what may have been announced twice, for trouble met its announcement.

    Nothing that a redrive took the place of may run on beside it for longer than `outlived_seconds`. `late_stops`: how
    often a worker's stop of a job came after its redrive, which is then made good by one redrive more.
    """
    dues = {due.outcome: due for due in outcomes_due(sent, truth)}
    heard: dict[Outcome, list[Told]] = defaultdict(list)
    for item in told:
        heard[item.outcome].append(item)
    missing = [due for due in dues.values() if due.outcome not in heard and due.outcome not in _told_later(told)]
    stuck = [due for due in missing if _is_open(due, truth)]
    repeated = {outcome: copies for outcome, copies in heard.items() if len(copies) > 1}
    twice = {outcome for outcome in heard if outcome in _told_later(told)}
    return Verdict(
        jobs=len(dues),
        lost=tuple(_named(due) for due in missing if due not in stuck),
        stuck=tuple(f"{_named(due)}: Step Functions says {due.status}" for due in stuck),
        wrong=(
            *_wrong(dues, heard),
            *_wrong_of_before(dues, told),
            *_wrong_redrives(dues.values(), late_stops or {}),
        ),
        doubled=tuple(_id(outcome) for outcome, copies in repeated.items() if len({*map(_essence, copies)}) > 1),
        repeats=sum(len(copies) - 1 for copies in repeated.values()) + len(twice),
        unexcused=tuple(_id(outcome) for outcome in (*repeated, *twice) if outcome[0] not in excused),
        dead_lettered=truth.dead_lettered,
        executions_beyond=tuple(_beyond(dues, truth)),
        outlived=tuple(
            f"{task} ran on for {seconds:.0f} s beside a redrive"
            for task, seconds in truth.beside.items()
            if seconds > outlived_seconds
        ),
        broken_links=tuple(f"{item.subject}: {link}" for item in told for link in item.broken),
        seconds=tuple(
            copies[0].at - dues[outcome].sent_at
            for outcome, copies in heard.items()
            if outcome in dues and not dues[outcome].errand.redriven
        ),
    )


def outcomes_due(sent: Iterable[Sent], truth: Truth) -> Iterator[Due]:
    """What must be heard of: each outcome of each job once, however often it was sent, and each rejected message."""
    ran = {execution.job_id: execution for execution in truth.executions}
    first: dict[str, Sent] = {}
    for item in sent:
        subject = item.errand.job_id or item.message_id
        if not item.errand.admissible or _came_second(item, ran.get(subject)):
            yield Due(item.message_id, item.errand, "REJECTED", item.at)
        else:
            first.setdefault(subject, item)
    for subject, item in first.items():
        unstarted = "ABORTED" if item.errand.may_be_unstarted else "never started"
        statuses = ran[subject].statuses if subject in ran else (unstarted,)
        for redrive, status in enumerate(statuses):
            codes = {place: code for place, code in truth.codes.get(subject, {}).items() if place[0] <= redrive}
            is_last = redrive == len(statuses) - 1
            yield Due(subject, item.errand, status, item.at, codes, redrive, is_last)


def _told_later(told: Iterable[Told]) -> dict[Outcome, str | None]:
    """The outcomes that were told of in a later one, for the job was redriven before their announcement."""
    return {
        (item.subject, before.redrive_count): before.status
        for item in told
        for before in item.notification.earlier_outcomes
    }


def _came_second(item: Sent, execution: Execution | None) -> bool:
    """Whether another body with this id was the first to be admitted, as its execution's input tells."""
    return execution is not None and f'"user": "{execution.user}"' not in item.errand.body


def _is_open(due: Due, truth: Truth) -> bool:
    """Whether something could still come of it: its record is open, or a message may be its own."""
    return due.subject in truth.open_records or truth.queued > 0


def _wrong(dues: Mapping[Outcome, Due], heard: Mapping[Outcome, Sequence[Told]]) -> Iterator[str]:
    for outcome, copies in heard.items():
        due = dues.get(outcome)
        if due is None:
            yield f"{_id(outcome)}: announced {copies[0].notification.status}, which nobody is due"
            continue
        for item in copies:
            yield from (f"{_named(due)}: {why}" for why in _disagreements(due, item.notification))


def _wrong_of_before(dues: Mapping[Outcome, Due], told: Sequence[Told]) -> Iterator[str]:
    """What later outcomes say of those that the job was redriven from: true, and the oldest first."""
    for (subject, redrive), status in _told_later(told).items():
        due = dues.get((subject, redrive))
        true = due.status if due else None
        if status != true:
            yield f"{subject}:{redrive}: told of as {status} in a later outcome, Step Functions says {true}"
    for item in told:
        counts = [before.redrive_count for before in item.notification.earlier_outcomes]
        if counts != sorted({*counts}) or any(count >= item.outcome[1] for count in counts):
            yield f"{item.notification.id}: outcomes before it are told of as {counts}"


def _wrong_redrives(dues: Iterable[Due], late_stops: Mapping[str, int]) -> Iterator[str]:
    """Each redrive that was asked for is made once, and no other."""
    for due in dues:
        beyond = due.redrive - len(due.errand.redriven)
        if due.is_last and not 0 <= beyond <= late_stops.get(due.subject, 0):
            yield f"{_named(due)}: redriven {due.redrive} times, {len(due.errand.redriven)} were asked for"


def _disagreements(due: Due, told: JobNotification) -> Iterator[str]:
    if told.status != due.status:
        yield f"announced {told.status}, Step Functions says {due.status}"
    if told.redrive_count != due.redrive:
        yield f"announced as redrive {told.redrive_count}"
    if due.status == "REJECTED":
        return
    if not due.errand.may_end_as(told.status, is_last=due.is_last):
        yield f"announced {told.status}, the producer was to get {due.errand.expected if due.is_last else 'ABORTED'}"
    if told.retry_of != due.errand.retry_of:
        yield f"announced as a rerun of {told.retry_of}, not of {due.errand.retry_of}"
    steered = tuple((item.verb, item.by, item.reason) for item in told.steered)
    if steered != due.steered:
        yield f"announced as steered by {steered}, not by {due.steered}"
    codes = _codes(told)
    if codes != due.codes:
        yield f"announced exit codes {codes}, ECS says {due.codes}"
    if due.errand.exit_codes is not None and tuple(codes.values()) != due.errand.exit_codes:
        yield f"announced exit codes {codes}, the producer was to get {due.errand.exit_codes}"


def _codes(told: JobNotification) -> Codes:
    attempts = ((stage.stage, item) for stage in told.stages for item in stage.attempts)
    return {(item.redrive, stage, item.attempt): item.exit_code for stage, item in attempts}


def _essence(item: Told) -> tuple[object, ...]:
    """What two copies of one outcome must agree in: the id, and all that it says but how links were signed."""
    told = item.notification
    return told.id, told.status, tuple(_codes(told).items())


def _beyond(dues: Mapping[Outcome, Due], truth: Truth) -> Iterator[str]:
    """Executions that are not the one of an admitted job, and tasks beyond one an attempt."""
    jobs = {due.subject: due.errand for due in dues.values() if due.status != "REJECTED"}
    for item in truth.executions:
        if item.name not in jobs or jobs[item.name].wanted is Wanted.CANCEL_BEFORE:
            yield item.name
    if truth.tasks_twice:
        yield f"{truth.tasks_twice} tasks beyond one an attempt"


def _named(due: Due) -> str:
    return f"{_id(due.outcome)} ({due.errand.kind})"


def _id(outcome: Outcome) -> str:
    """As notification ids begin; the redrive is left out where there was none."""
    subject, redrive = outcome
    return f"{subject}:{redrive}" if redrive else subject
