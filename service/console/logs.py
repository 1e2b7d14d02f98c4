"""What is shown of a container's log: some lines, or those that hold a text."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.tracking import LogLines, TrackedAttempt, TrackedJob
from service.console.ansi import Pen, Piece, pieces
from service.tracking.logs import MOST_LINES, LogPlace
from service.tracking.tracker import Tracker

LINES = 500
_MOST_FOUND = 500
# Each look at an archived log reads it from its beginning, so that only so far is searched.
_LOOKS = 8


@dataclass(frozen=True)
class Line:
    """A line with its number."""

    number: int
    pieces: tuple[Piece, ...]


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
    pen = Pen()
    lines = tuple(Line(number, pieces(text, pen)) for number, text in enumerate(found.lines, found.first_line))
    return LogView(choice, lines, found.first_line, found.more, found.complete, _note(found))


async def search(tracker: Tracker, tenant: str, job_id: str, choice: LogChoice, text: str) -> LogView:
    """The lines that hold a text, whichever way it is written, of as much of the log as is looked through."""
    found: list[Line] = []
    first, note = 1, ""
    for _ in range(_LOOKS):
        part = await tracker.log(tenant, job_id, choice.place, first, MOST_LINES)
        found.extend(_holding(part, text))
        first = part.first_line + len(part.lines)
        if not part.more or len(found) >= _MOST_FOUND:
            break
    else:
        note = f"Only the first {first - 1:,} lines were looked through; the raw log has all."
    shown = tuple(found[:_MOST_FOUND])
    count = f"{len(shown)} line{'' if len(shown) == 1 else 's'} hold{'s' if len(shown) == 1 else ''} it."
    return LogView(choice, shown, 1, more=False, complete=True, note=f"{count} {note}".strip(), find=text)


def _holding(part: LogLines, text: str) -> list[Line]:
    wanted = text.casefold()
    return [
        Line(number, pieces(line, Pen()))
        for number, line in enumerate(part.lines, part.first_line)
        if wanted in "".join(piece.text for piece in pieces(line, Pen())).casefold()
    ]


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
