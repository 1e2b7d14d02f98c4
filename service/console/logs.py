"""What is shown of a container's log: some lines, or those that hold a text."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.tracking import LogLines, TrackedAttempt, TrackedJob
from service.console.ansi import Pen, Piece, pieces
from service.tracking.logs import LogPlace, Wanted
from service.tracking.tracker import Tracker

LINES = 250
_MOST_FOUND = 100
# So many logs are offered beside one; the graph leads to the others.
_MOST_OFFERED = 12


@dataclass(frozen=True)
class Line:
    """A line with its number, and when it was written, where that is known."""

    number: int
    pieces: tuple[Piece, ...]
    at: str = ""


@dataclass(frozen=True)
class LogChoice:
    """A log that can be looked at."""

    place: LogPlace
    label: str
    lines: int | None
    archived: bool


@dataclass(frozen=True)
class LogView:
    """One page of a log."""

    choice: LogChoice
    lines: tuple[Line, ...]
    first: int
    more: bool
    complete: bool
    note: str
    find: str = ""
    look_on: int | None = None

    @property
    def is_timed(self) -> bool:
        """Whether it is known of some lines when they were written."""
        return any(line.at for line in self.lines)

    @property
    def before(self) -> int:
        """Where the page before this one begins."""
        return max(1, self.first - LINES)

    @property
    def last_page(self) -> int | None:
        """Where the last page begins, of a log whose length is known."""
        begin = max(1, (self.choice.lines or 0) - LINES + 1)
        return begin if begin > self.first else None

    @property
    def following(self) -> int:
        """The number of the line after these."""
        return self.lines[-1].number + 1 if self.lines else self.first

    @property
    def is_page(self) -> bool:
        """Whether it is a run of lines, which others may follow."""
        return not self.find


def choices_of(job: TrackedJob) -> tuple[LogChoice, ...]:
    """The logs of all attempts, oldest first."""
    return tuple(
        _choice(job, stage.stage, attempt, container.name, container.log.lines if container.log else None)
        for stage in job.stages
        for attempt in stage.attempts
        for container in attempt.containers
    )


def _choice(job: TrackedJob, stage: int, attempt: TrackedAttempt, container: str, lines: int | None) -> LogChoice:
    of = f" \u00b7 redrive {attempt.redrive}" if attempt.redrive else ""
    label = f"{stage}.{attempt.attempt} {container}{of}"
    return LogChoice(LogPlace(stage, attempt.attempt, container, attempt.redrive), label, lines, lines is not None)


def chosen(choices: tuple[LogChoice, ...], job: TrackedJob, place: LogPlace | None) -> LogChoice | None:
    """The log that is asked for; else the last of the job's own containers, since that is where it is or ended."""
    if place is not None:
        alike = [item for item in choices if item.place == place or _is_like(item.place, place)]
        return alike[-1] if alike else None
    own = {stage.stage: stage.container for stage in job.stages}
    return next((item for item in reversed(choices) if item.place.container == own[item.place.stage]), None)


def offered(choices: tuple[LogChoice, ...], choice: LogChoice | None) -> tuple[LogChoice, ...]:
    """Those that are offered beside the one that is shown: all, or of many those that were written before and after."""
    at = choices.index(choice) if choice is not None else len(choices)
    first = max(0, min(at - _MOST_OFFERED // 2, len(choices) - _MOST_OFFERED))
    return choices[first : first + _MOST_OFFERED]


def _is_like(held: LogPlace, asked: LogPlace) -> bool:
    """A redrive or a container that is not named is any."""
    return (
        (held.stage, held.attempt) == (asked.stage, asked.attempt)
        and asked.redrive in (None, held.redrive)
        and asked.container in ("", held.container)
    )


def beginning(choice: LogChoice, first: int | None) -> int:
    """The line to begin with: the one that is asked for, else so that the end is seen."""
    return first or max(1, (choice.lines or 0) - LINES + 1)


async def page_of(tracker: Tracker, tenant: str, job_id: str, choice: LogChoice, first: int) -> LogView:
    """Lines from one on."""
    found = await tracker.log(tenant, job_id, choice.place, first, LINES)
    pen, times = Pen(), found.times or (None,) * len(found.lines)
    lines = tuple(
        Line(number, pieces(text, pen), at or "")
        for number, (text, at) in enumerate(zip(found.lines, times, strict=True), found.first_line)
    )
    return LogView(choice, lines, found.first_line, found.more, found.complete, _note(found))


async def search(tracker: Tracker, tenant: str, job_id: str, choice: LogChoice, text: str, first: int) -> LogView:
    """The lines from one on that hold a text, whichever way it is written."""
    wanted = Wanted(text, lambda line: "".join(piece.text for piece in pieces(line, Pen())))
    found = await tracker.log_search(tenant, job_id, choice.place, wanted, first, _MOST_FOUND)
    shown = tuple(Line(number, pieces(line, Pen())) for number, line in found.lines)
    count = len(shown)
    note = f"{count} line{'' if count == 1 else 's'} hold{'s' if count == 1 else ''} it"
    note += f", from line {first:,}" if first > 1 else ""
    note += f" to line {found.following - 1:,}." if found.following else "."
    return LogView(choice, shown, first, False, found.complete, note, find=text, look_on=found.following)


def _note(found: LogLines) -> str:
    words = {
        "running": "It is being written.",
        "archiving": "The container has ended, and its log is being archived.",
        "complete": "",
        "possibly_lossy": "It may lack lines",
        "absent": "There is none",
    }[found.status]
    if not found.why:
        return words
    return f"{words.rstrip('.')}: {found.why}." if words else f"{found.why}."
