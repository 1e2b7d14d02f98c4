"""How verbs print, and what a job's end makes of a command's status."""

from __future__ import annotations

import sys

import pytest

from service.operator import printing
from service.operator.printing import exit_code, harmless, line, table

ROWS = [("a\x1b]0;x\x07", "FAILED"), ("b", "OPEN")]


@pytest.mark.parametrize(
    ("status", "code"),
    [("SUCCEEDED", 0), ("FAILED", 1), ("TIMED_OUT", 1), ("ABORTED", 1), ("REJECTED", 3)],
)
def test_a_jobs_end_is_the_commands_status(status: str, code: int) -> None:
    """For scripts."""
    assert exit_code(status) == code


def test_what_others_wrote_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a line nor a cell."""
    line("a\x1b[2Jb\nc\u2028d")
    assert capsys.readouterr().out == "a [2Jb c d\n"
    assert harmless("größe") == "größe"


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields between tabs, without a head."""
    table(("id", "status"), ROWS)
    assert capsys.readouterr().out == "a ]0;x \tFAILED\nb\tOPEN\n"


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a head; what others wrote steers it no more than elsewhere."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    table(("id", "status"), ROWS)
    head, first, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "status"]
    assert first.split() == ["a", "]0;x", "FAILED"]


def test_a_terminal_without_rich_gets_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the worker's image."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(printing, "find_spec", lambda _: None)
    table(("id", "status"), ROWS)
    assert capsys.readouterr().out.endswith("b\tOPEN\n")
