"""The logs of a case: looked through beside whatever else is served, and never shown short without a word."""

from __future__ import annotations

import asyncio
import io
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from schemas.casefile import CaseManifest
from schemas.tracking import LogLines
from service.core.casefile.collecting import Gathered, Wanted
from service.core.casefile.files import LOGS, MANIFEST
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.long_texts import LONGEST_TEXT, shortened
from service.core.record.record import Record
from service.core.redaction import Redaction
from service.tracking import case as case_files
from service.tracking.case import CaseFile
from service.tracking.logs import LogPlace
from service.tracking.tracker import Tracker
from tests.support.builders import NOW, attempt, container, execution, record, requested, task

TOKEN = "ghp_" + "a1" * 18


@dataclass
class Logs:
    """What the containers wrote, by their names."""

    written: Mapping[str, Sequence[str]]

    @property
    def logs(self) -> Logs:
        """As a tracker has them."""
        return self

    async def lines(self, record: Record, place: LogPlace, first: int, count: int) -> LogLines:
        """Some of them."""
        lines = tuple(self.written[place.container])
        shown = lines[first - 1 : first - 1 + count]
        return LogLines(
            job_id=record.job_id,
            stage=place.stage,
            attempt=place.attempt,
            redrive=place.redrive,
            container=place.container,
            status="complete",
            first_line=first,
            lines=shown,
            complete=True,
            more=first - 1 + len(shown) < len(lines),
        )


@dataclass(frozen=True)
class Watched(Redaction):
    """Says in which thread it looks for secrets, and of how many cases at once."""

    seen: set[tuple[bool, int]] = field(default_factory=set)
    at_work: list[str] = field(default_factory=list)

    def lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        """As it does."""
        self.at_work.append("")
        self.seen.add((threading.current_thread() is threading.main_thread(), len(self.at_work)))
        found = super().lines(lines)
        self.at_work.pop()
        return found


def case_of(logs: Mapping[str, Sequence[str]], redaction: Redaction, turn: asyncio.Semaphore | None = None) -> CaseFile:
    """A case of a job of one task with these containers, whose logs are wanted whole."""
    stopped = task(containers=tuple(map(container, logs)))
    facts = record(requested(), execution(attempts=(attempt(),)), stopped)
    gathered = Gathered(facts, NOW + 100, "1.0", Wanted(logs="whole"), redaction=redaction)
    return CaseFile(cast(Tracker, Logs(logs)), gathered, turn or asyncio.Semaphore(1))


async def made(case: CaseFile) -> tuple[dict[str, str], dict[str, str]]:
    """The logs by their containers' names, and what is not known."""
    told: list[CaseManifest] = []
    whole = b"".join([chunk async for chunk in case.chunks(told.append)])
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        names = [name for name in opened.namelist() if name.startswith(LOGS)]
        logs = {name.rpartition("/")[2].partition("-")[0]: opened.read(name).decode() for name in names}
        assert CaseManifest.model_validate_json(opened.read(MANIFEST)) == told[0]
    return logs, {item.what: item.why for item in told[0].not_known}


async def test_secrets_are_looked_for_beside_whatever_else_is_served() -> None:
    """In a thread, and for one case at a time."""
    redaction, turn = Watched(Redaction.of().patterns), asyncio.Semaphore(1)
    logs = {"main": [f"opens {TOKEN}"] * 2000, "side": ["two"]}
    cases = [case_of(logs, redaction, turn) for _ in range(3)]
    found = await asyncio.gather(*map(made, cases))
    assert redaction.seen == {(False, 1)}
    assert all(shown["main"] == "opens [redacted]\n" * 2000 for shown, _ in found)


async def test_the_logs_of_a_case_are_only_so_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest are there, and which are not is said."""
    monkeypatch.setattr(case_files, "_LARGEST_LOG_BYTES", 1_000)
    monkeypatch.setattr(case_files, "_LARGEST_LOGS_BYTES", 1_500)
    logs = {"first": ["x" * 900], "large": ["x" * 1_100], "last": ["y" * 900]}
    shown, lost = await made(case_of(logs, Redaction.of()))
    assert set(shown) == {"last"}
    assert [why for what, why in lost.items() if "/first-" in what] == [
        "with the logs of later containers it is larger than 1,500 bytes"
    ]
    assert [why for what, why in lost.items() if "/large-" in what]


async def test_a_line_that_is_too_long_is_not_cut_in_silence() -> None:
    """It says how much is left out, and so does the manifest; half a word, which may be half a secret, is left out."""
    line = "x " * 12_280 + TOKEN + " y" * 50_000
    shown, lost = await made(case_of({"main": ["before", line, "after"]}, Redaction.of()))
    before, beginning, after, _ = shown["main"].split("\n")
    assert (before, after) == ("before", "after")
    assert beginning == "x " * 12_280 + f" [... {len(line) - 24_560:,} characters left out]"
    assert [what for what in lost if what.startswith("the ends of long texts in logs/")]


async def test_a_member_says_that_a_text_of_it_was_too_long() -> None:
    """As a log does; hidden once more it stays as it is."""
    case = case_of({}, Redaction.of())
    longest: dict[str, Any] = {"note": "z! " * 20_000}
    gathered = Gathered(case.gathered.record, NOW, "1.0", Wanted(logs="none"), stages=(longest,))
    _, lost = await made(CaseFile(case.tracker, gathered, case.turn))
    assert "the ends of long texts in stages.json" in lost
    shown = CaseHiding().object(longest)
    assert shown["note"].endswith(" characters left out]") and CaseHiding().object(shown) == shown


def test_what_is_not_too_long_stays_whole() -> None:
    """To its last character."""
    assert shortened("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert CaseHiding().value("- " * (LONGEST_TEXT // 2)) == "- " * (LONGEST_TEXT // 2)


async def test_a_log_of_very_many_lines_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short they are, and empty ones too: each takes its place in memory."""
    monkeypatch.setattr(case_files, "_MOST_LINES_OF_A_LOG", 6_000)
    logs = {"many": [""] * 7_000, "few": ["x"] * 6_000}
    shown, lost = await made(case_of(logs, Redaction.of()))
    assert set(shown) == {"few"}
    assert [why for what, why in lost.items() if "/many-" in what] == ["it has more than 6,000 lines"]
