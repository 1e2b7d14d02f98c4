"""A job's life on a terminal: a line each from the worker's log, with what its containers print beside it."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

Event = Mapping[str, Any]
Tell = Callable[[Event], str]

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
STYLES = {"warning": "yellow", "error": "red", "critical": "red"}
OUTPUT = "|"
_JOB_WIDTH, _WHAT_WIDTH = 16, 9
# What a line of the log holds beside what it is about.
_FRAME = frozenset({"event", "level", "timestamp", "job_id", "tenant", "exception"})


@dataclass(frozen=True)
class Line:
    """One line to be shown: whose, what happened, and what there is to know of it."""

    at: str
    job_id: str | None
    what: str
    told: str
    style: str = ""


class JobLife:
    """Shows lines as they come, from several threads, in a colour for each job where there are colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._showing = threading.Lock()

    def worker(self, source: Iterable[bytes]) -> None:
        """Show what a worker's log tells, until it ends."""
        for raw in source:
            line = of_worker(raw.decode(errors="replace").rstrip("\n"))
            if line is not None:
                self._show(line)

    def containers(self, source: Iterable[bytes]) -> None:
        """Show what containers print, until there is no more of it."""
        for raw in source:
            self._show(of_container(json.loads(raw)))

    def tell_all(self, what: str, sentences: Iterable[str]) -> None:
        """Show what is of no job."""
        for told in sentences:
            self._show(Line(clock(time.time()), None, what, told))

    def _show(self, line: Line) -> None:
        with self._showing:
            self._console.print(shown(line), soft_wrap=True)


def shown(line: Line) -> Text:
    """A line with its colours."""
    job = short(line.job_id or "")
    own = colour_of(line.job_id) if line.job_id else ""
    text = Text()
    text.append(line.at + "  ", style="dim")
    text.append(f"{job:<{_JOB_WIDTH}}  ", style=own)
    text.append(f"{line.what:<{_WHAT_WIDTH}}  ", style=own if line.what == OUTPUT else line.style or "bold")
    text.append(harmless(line.told), style=own if line.what == OUTPUT else line.style)
    text.rstrip()
    return text


def short(job_id: str) -> str:
    """What of a job's id there is room for in each line; the line of its admission has the whole."""
    return job_id if len(job_id) <= _JOB_WIDTH else f"{job_id[: _JOB_WIDTH - 1]}…"


def colour_of(job_id: str) -> str:
    """The same colour for the same job, whenever and wherever."""
    return COLOURS[zlib.crc32(job_id.encode()) % len(COLOURS)]


def harmless(text: str) -> str:
    """Without what would move the cursor or change the terminal: containers may print anything."""
    return "".join(character if character.isprintable() else " " for character in text)


def of_container(output: Event) -> Line:
    """What a container printed, a line of it; or what is to be known of all that begin."""
    if "told" in output:
        return Line(clock(output["at"]), None, "images", output["told"])
    return Line(clock(output["at"]), output["job_id"], OUTPUT, output["message"])


def of_worker(raw: str) -> Line | None:
    """A line of the worker's log as a person reads it; None for what tells a person nothing."""
    try:
        event = json.loads(raw)
    except ValueError:
        return Line(" " * 8, None, "", raw)  # Python's own, as of a crash.
    name, level = event["event"], event["level"]
    if name in QUIET or (name == "execution_changed" and event["status"] == "RUNNING" and not event["redrive_count"]):
        return None
    style = STYLES.get(level, "")
    at = clock(datetime.fromisoformat(event["timestamp"]).timestamp())
    job_id = event.get("job_id")
    if name in LIFE:
        what, tell = LIFE[name]
        return Line(at, job_id, what, tell(event), style or _style_of(event))
    last_words = event.get("exception", "").strip().rpartition("\n")[2:]
    told = " ".join([name, *(f"{key}={value}" for key, value in event.items() if key not in _FRAME), *last_words])
    return Line(at, job_id, level if style else "worker", told, style)


def clock(at: float) -> str:
    """The time of day here."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def _style_of(event: Event) -> str:
    if event["event"] == "job_rejected":
        return "red"
    return {"SUCCEEDED": "bold green"}.get(event["status"], "bold red") if event["event"] == "job_announced" else ""


def _admitted(event: Event) -> str:
    stages = event["stages"]
    of = f", a {event['job_type']}" if event.get("job_type") else ""
    whole = f"{event['job_id']}, " if len(event["job_id"]) > _JOB_WIDTH else ""
    more = f" and {len(stages) - 3} more" if stages[3:] else ""
    return f"{whole}for {event['tenant']}{of}: {', '.join(stages[:3])}{more}"


def _rejected(event: Event) -> str:
    return "; ".join(problem.removeprefix(": ") for problem in event["problems"])


def _task(event: Event) -> str:
    which = f"stage {event['stage']}" + (f", attempt {event['attempt']}" if (event["attempt"] or 1) > 1 else "")
    if event["status"] != "STOPPED":
        return f"{which}: {event['status']}"
    codes = ", ".join(f"{name} exit {_code(code)}" for name, code in event["exit_codes"].items())
    why = "" if event["stop_code"] in (None, "EssentialContainerExited") else f" ({event['stop_code']})"
    return f"{which}: STOPPED{why}, {codes}{_after(event)}"


def _code(code: int | None) -> str:
    return "unknown" if code is None else str(code)


def _execution(event: Event) -> str:
    again = f" in redrive {event['redrive_count']}" if event["redrive_count"] else ""
    return f"{event['status']}{again}{_after(event)}"


def _archived(event: Event) -> str:
    if event["status"] == "absent":
        return f"log of {event['container']} is absent: {event['why']}"
    lines = f"{event['lines']} line{'' if event['lines'] == 1 else 's'}"
    lossy = "" if event["status"] == "complete" else f", {event['status']}: {event['why']}"
    return f"log of {event['container']}: {lines}, {event['bytes']} bytes{lossy}"


def _announced(event: Event) -> str:
    return f"{event['status']}{_after(event)}"


def _after(event: Event) -> str:
    return "" if event.get("seconds") is None else f" after {event['seconds']:.1f} s"


# What a person wants to read of a job: the word for it, and the rest of the line.
LIFE: Mapping[str, tuple[str, Tell]] = {
    "job_admitted": ("admitted", _admitted),
    "job_rejected": ("rejected", _rejected),
    "job_started": ("started", lambda event: ""),
    "task_changed": ("task", _task),
    "execution_changed": ("execution", _execution),
    "log_archived": ("archived", _archived),
    "job_announced": ("announced", _announced),
}
# It is said in another way already, or happens all the time.
QUIET = frozenset({"event_ignored", "worker_started", "worker_stopped", "draining"})
