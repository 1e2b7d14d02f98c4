"""How the worker's process begins: with its log, and with a sentence where its settings cannot work."""

from __future__ import annotations

import gc
import importlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service.settings import SettingsError
from workers import __main__ as program


class Stream(io.StringIO):
    """Standard error, a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def _log_of_before() -> Iterator[None]:
    """What this process logs by is put back."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """What is written of a line for a person, of one for a developer, and of an error beside a token."""
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    program.configure_logging()
    log: Any = structlog.stdlib.get_logger()
    with structlog.contextvars.bound_contextvars(queue="requests"):
        log.debug("not_told")
        log.info("told", job_id="thumbs-42")
    try:
        token = "a-secret-token"
        raise ValueError(len(token))
    except ValueError:
        log.error("broken", exc_info=True)
    return stream.getvalue()


def test_machines_read_a_line_of_JSON_for_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its level, its time in UTC, and what it is about; a traceback names no local variable."""
    told, broken = (json.loads(line) for line in logged(monkeypatch, terminal=False).splitlines())
    assert told.pop("timestamp").endswith("Z")
    assert told == {"event": "told", "level": "info", "queue": "requests", "job_id": "thumbs-42"}
    assert "ValueError: 14" in broken["exception"]
    assert "a-secret-token" not in json.dumps(broken)


def test_a_person_reads_colours_and_a_plain_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a terminal; its local variables are shown nowhere."""
    text = logged(monkeypatch, terminal=True)
    assert "\x1b[" in text
    assert "ValueError: 14" in text
    assert "not_told" not in text
    assert "│" not in text


def test_settings_that_cannot_work_are_a_sentence_each_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ECS shows the exit code, and the log the remedy."""

    def wrong() -> None:
        raise SettingsError("A is missing.\nB is wrong.")

    monkeypatch.setattr("service.settings.read_settings", wrong)
    assert program.main() == 2
    assert capsys.readouterr().err == "A is missing.\nB is wrong.\n"


def test_a_worker_that_was_told_to_stop_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ran on the settings that were read, and its log tells of what matters."""
    ran: list[object] = []

    async def run(settings: object) -> None:
        ran.append(settings)

    monkeypatch.setattr("service.settings.read_settings", lambda: "the settings")
    monkeypatch.setattr("workers.worker.run_worker", run)
    assert program.main() == 0
    assert ran == ["the settings"]
    assert structlog.get_logger().bind().is_enabled_for(logging.INFO)
    assert not structlog.get_logger().bind().is_enabled_for(logging.DEBUG)


def test_a_package_is_done_without_unless_it_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes for missing; who has imported it keeps it."""
    monkeypatch.setitem(sys.modules, "nowhere_to_be_found", None)
    del sys.modules["nowhere_to_be_found"]
    program._do_without("nowhere_to_be_found")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nowhere_to_be_found")
    program._do_without("json")
    assert sys.modules["json"] is json


def test_a_worker_starts_without_rich_and_without_looking_for_rubbish(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded by then stays, and is looked through no more; from then on rubbish is taken away as ever."""
    begun: list[object] = []

    async def run(_settings: object) -> None:
        begun.append((gc.isenabled(), gc.get_freeze_count() > 0))

    def read() -> str:
        return "the settings"

    monkeypatch.setattr(program, "_do_without", begun.append)
    monkeypatch.setattr(gc, "disable", lambda: begun.append("no rubbish"))
    monkeypatch.setattr("service.settings.read_settings", read)
    monkeypatch.setattr("workers.worker.run_worker", run)
    gc.unfreeze()
    assert program.main() == 0
    gc.unfreeze()
    assert begun == ["rich", "no rubbish", (True, True)]
