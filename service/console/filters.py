"""The filter of a list as a line of text: `status:failed type:thumbs since:2h`, and a part of an id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from schemas.base import DEFAULT_TENANT, NAME_PATTERN
from schemas.bulk import BulkFilter
from schemas.failures import FAILURES
from schemas.tracking import ListedStatus
from service.core.tracking.listing import JobFilter

# A line of 512 is typed at most; its moments as they are now are longer.
MOST_CHARACTERS = 1024
_TOKEN = re.compile(r'(?:([A-Za-z_]+):)?("[^"]*"|\S+)')
_WORD = re.compile(r"(?:([A-Za-z_]+):)?(.+)", re.DOTALL)
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_STATUSES = {status.lower(): status for status in get_args(ListedStatus)}
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC).timestamp()
_MOMENTS = ("5m", "1h", "2h", "1d", "7d")
_CALLED = {"failure_class": "class"}
NAMES = ("status", "type", "class", "since", "until", "user", "label", "tenant", "id")


@dataclass(frozen=True)
class Asked:
    """What a line asks for, and what of it cannot be understood."""

    tenant: str
    wanted: JobFilter
    text: str
    slips: tuple[str, ...] = ()


@dataclass
class _Reading:
    now: float
    fields: dict[str, Any] = field(default_factory=dict)
    tenant: str = DEFAULT_TENANT
    slips: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)


def read_filter(text: str, now: float) -> Asked:
    """What a line asks for. Moments that are so long ago move by whole minutes, so that a page is asked for once."""
    reading = _Reading(now)
    for name, value in _tokens(text[:MOST_CHARACTERS]):
        _take(reading, name.lower(), value)
    if len(text) > MOST_CHARACTERS:
        reading.slips.append(f"The filter is longer than {MOST_CHARACTERS:,} characters, of which no more are read.")
    return _asked(reading, text[:MOST_CHARACTERS].strip())


def read_words(words: Iterable[str], now: float) -> Asked:
    """The same of words that a shell has parted already: a value is whatever stands behind its name."""
    reading = _Reading(now)
    for word in words:
        name, value = _part(word)
        _take(reading, name.lower(), value.strip('"'))
    return _asked(reading, " ".join(words))


def _asked(reading: _Reading, text: str) -> Asked:
    return Asked(reading.tenant, JobFilter(**reading.fields), text, tuple(reading.slips))


def _part(word: str) -> tuple[str, str]:
    read = _WORD.fullmatch(word)
    return (read[1] or "", read[2]) if read else ("", word)


def anchored(asked: Asked) -> str:
    """The line with its moments as they are now: the pages that follow are pages of this list."""
    parts = [f"{name}:{value}" if name else value for name, value in _raw(asked.text)]
    moments = {"since": asked.wanted.since, "until": asked.wanted.until}
    for number, part in enumerate(parts):
        name = part.partition(":")[0].lower()
        if (at := moments.get(name)) is not None:
            parts[number] = f"{name}:{datetime.fromtimestamp(at, UTC).isoformat().replace('+00:00', 'Z')}"
    return " ".join(parts)


def criteria(wanted: JobFilter) -> BulkFilter:
    """The same jobs, as something is asked for of all of them. Raises ValueError where nothing is named."""
    label = (
        wanted.label if wanted.label is None or wanted.label_value is None else f"{wanted.label}={wanted.label_value}"
    )
    return BulkFilter(
        status=wanted.status,
        type=wanted.job_type,
        user=wanted.user,
        label=label,
        failure_class=wanted.failure_class,
        since=_from_epoch(wanted.since),
        until=_from_epoch(wanted.until),
        id=wanted.text,
    )


def in_words(jobs: BulkFilter) -> str:
    """Which jobs, as a line that would be typed for them."""
    named = jobs.model_dump(mode="json", exclude_none=True)
    words = ((_CALLED.get(name, name), str(value)) for name, value in named.items())
    return " ".join(f"{name}:{_quoted(value.lower() if name == 'status' else value)}" for name, value in words)


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value


def _from_epoch(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at is not None else None


def suggestions(text: str, types: Iterable[str]) -> tuple[str, ...]:
    """Lines that a line may become, by its last word."""
    before, space, last = text[:MOST_CHARACTERS].rpartition(" ")
    name, colon, begun = last.partition(":")
    if not colon:
        found = [f"{known}:" for known in NAMES if known.startswith(last.lower())]
    else:
        values = {"status": _STATUSES, "class": FAILURES, "since": _MOMENTS, "until": _MOMENTS, "type": tuple(types)}
        found = [f"{name}:{value}" for value in values.get(name.lower(), ()) if value.startswith(begun)]
    return tuple(f"{before}{space}{item}" for item in found[:20])


def _raw(text: str) -> Iterator[tuple[str, str]]:
    for token in _TOKEN.finditer(text):
        yield token[1] or "", token[2]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for name, value in _raw(text):
        yield name, value.strip('"')


def _take(reading: _Reading, name: str, value: str) -> None:
    called = name or "id"
    if called in reading.named:
        what = f"{name}:{value} is a second {name}" if name else f"{value} is a second part of an id"
        reading.slips.append(f"{what}, and a filter has one. What holds a space stands in quotes.")
        return
    reading.named.add(called)
    match name:
        case "" | "id":
            reading.fields["text"] = value
        case "status" if value.lower() in _STATUSES:
            reading.fields["status"] = _STATUSES[value.lower()]
        case "status":
            reading.slips.append(f"status:{value} is none of {', '.join(_STATUSES)}.")
        case "type":
            reading.fields["job_type"] = value
        case "user":
            reading.fields["user"] = value
        case "class":
            reading.fields["failure_class"] = value
        case "label":
            label, equals, wanted = value.partition("=")
            if not label:
                reading.slips.append(f"label:{value} names no label: label:team=web, or label:team.")
                return
            reading.fields.update(label=label, label_value=wanted if equals else None)
        case "tenant" if re.search(NAME_PATTERN, value):
            reading.tenant = value
        case "since" | "until":
            at = _moment(value, reading.now)
            reading.fields[name] = at
            if at is None:
                reading.slips.append(f"{name}:{value} is no time: 30m, 2h, 7d, or 2026-11-24T18:00Z.")
        case _:
            reading.slips.append(f"{name}:{value} cannot be asked for: {', '.join(NAMES)} can.")


def _moment(value: str, now: float) -> float | None:
    if ago := _AGO.fullmatch(value):
        at = (now - int(ago[1]) * _SECONDS[ago[2]]) // 60 * 60
    else:
        try:
            read = datetime.fromisoformat(value)
            at = (read if read.tzinfo else _in_utc(read)).timestamp()
        except (ValueError, OverflowError):
            return None
    # What lies outside of this no calendar has, once it is told in UTC.
    return at if 0 <= at <= _LAST_MOMENT else None


def _in_utc(at: datetime) -> datetime:
    """A moment without a zone is meant in UTC, as all that is shown is."""
    return at.replace(tzinfo=UTC)
