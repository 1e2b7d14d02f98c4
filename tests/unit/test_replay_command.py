"""`jobferry replay`, as it is typed: what it prints, and its status."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from schemas.casefile import Replay
from service.core.telling import letter
from service.operator import cli
from tests.casefiles.corpus import CASES


def test_a_case_is_replayed_where_there_is_no_aws(tmp_path: Path) -> None:
    """Nor any setting, nor the folder in which it was made; status 0 where all is as it was."""
    shutil.copy(CASES["swells"], tmp_path / "sent.zip")
    command = [str(Path(sys.executable).parent / "jobferry"), "replay", "sent.zip"]
    run = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    head, by, *parts = run.stdout.splitlines()
    assert head.startswith("swells: FAILED, a case of 20") and by.startswith("decided by Jobferry ")
    assert [line.split()[0] for line in parts] == ["admission", "planning", "diagnosis", "policy", "telling"]
    assert all(line.endswith(", as then") for line in parts)


def test_what_is_decided_otherwise_is_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what it was and what it is; the status is 1. What a container wrote steers no terminal."""
    monkeypatch.setitem(letter._OPENINGS, "FAILED", "It failed\x1b[31m: {job}.")
    assert cli.main(["replay", str(CASES["swells"])]) == 1
    said = capsys.readouterr().out
    [row] = [line.split("\t") for line in said.splitlines() if "\t" in line]
    assert row[:2] == ["telling", "notification.text, line 1"]
    assert row[2].startswith('Your job "swells" failed after ') and row[3] == 'It failed [31m: "swells".'
    assert "  telling    1 decision, 1 difference" in said


def test_a_program_reads_the_contract(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that comes by standard input."""
    standard_input = io.TextIOWrapper(io.BytesIO(CASES["malformed"].read_bytes()))
    monkeypatch.setattr(sys, "stdin", standard_input)
    assert cli.main(["replay", "-", "--json"]) == 0
    found = Replay.model_validate_json(capsys.readouterr().out)
    assert (found.status, found.job_id, found.differs) == ("REJECTED", "malformed", False)
    assert found.parts[1].not_replayed == ("no execution was started, so that nothing was planned",)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing.zip", "nothing.zip cannot be replayed: No such file or directory.\n"),
        (".", ". cannot be replayed: Is a directory.\n"),
        ("text.zip", "text.zip cannot be replayed: it is no zip that can be read: File is not a zip file.\n"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, with status 2."""
    monkeypatch.chdir(tmp_path)
    Path("text.zip").write_text(json.dumps({}))
    assert cli.main(["replay", name]) == 2
    assert capsys.readouterr().err == says


def test_where_nothing_is_decided_again_nothing_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that a pipeline does not take a case that was emptied for one that is as it was."""
    record = {"kind": "job", "id": "x", "registers": {}}
    with zipfile.ZipFile(CASES["swells"]) as whole, zipfile.ZipFile(tmp_path / "empty.zip", "w") as emptied:
        emptied.writestr("manifest.json", whole.read("manifest.json"))
        emptied.writestr("record.json", json.dumps(record))
    assert cli.main(["replay", str(tmp_path / "empty.zip")]) == 2
    said = capsys.readouterr()
    assert said.out.count("nothing to decide again") == 5 and said.err.startswith("Nothing of ")


def test_a_file_is_not_read_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its size alone."""
    with (tmp_path / "large.zip").open("wb") as file:
        file.truncate(512 * 1024 * 1024 + 1)
    assert cli.main(["replay", str(tmp_path / "large.zip")]) == 2
    assert "it is larger than the 536,870,912 bytes" in capsys.readouterr().err
