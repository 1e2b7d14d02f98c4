"""What a shell completes, as real shells do it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from service.operator import cli
from service.operator.arguments import SHELLS, command_line
from service.operator.completion import script

# As readline calls it: the words so far, and that the last one is to be completed.
_ASK_BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
[[ $(complete -p jobferry) == *" -F "* ]] || exit 1
_shtab_jobferry jobferry "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
COMPLETED = {
    "sh": ["show"],
    "redr": ["redrive"],
    "dlq re": ["replay"],
    "catalog ": ["check", "new"],
    "completion ": list(SHELLS),
    "jobs --status F": ["FAILED"],
    "submit --fo": ["--follow"],
    "dlq drop --y": ["--yes"],
    "submit -f req": ["request.json"],
    "local --keep st": ["state"],
}


def needs(shell: str) -> pytest.MarkDecorator:
    """For tests that a shell runs."""
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"needs {shell}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with each shell's script, a file and a folder."""
    for shell in SHELLS:
        (tmp_path / f"{shell}.sh").write_text(script(command_line({}), shell))
    (tmp_path / "request.json").touch()
    (tmp_path / "state").mkdir()
    return tmp_path


def said(folder: Path, *command: str) -> list[str]:
    """What a command prints, line by line."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


@needs("bash")
@pytest.mark.parametrize(("typed", "completed"), COMPLETED.items(), ids=COMPLETED)
def test_bash_completes_verbs_options_choices_and_files(folder: Path, typed: str, completed: list[str]) -> None:
    """By the script alone, without Jobferry."""
    words = ("jobferry", *typed.split(" "))
    assert sorted(said(folder, "bash", "--norc", "-c", _ASK_BASH, "-", "bash.sh", *words)) == sorted(completed)


@needs("fish")
@pytest.mark.parametrize(("typed", "completed"), COMPLETED.items(), ids=COMPLETED)
def test_fish_completes_the_same(folder: Path, typed: str, completed: list[str]) -> None:
    """With a description beside each, which is left out here, and a slash after a folder."""
    lines = said(folder, "fish", "--no-config", "-c", f"source fish.sh; complete -C 'jobferry {typed}'")
    assert set(completed) <= {line.partition("\t")[0].rstrip("/") for line in lines}


@needs("zsh")
def test_zsh_can_read_its_script(folder: Path) -> None:
    """As it reads a function of its fpath."""
    assert said(folder, "zsh", "-f", "-n", "zsh.sh") == []


def test_the_verb_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """For the shell that was named."""
    assert cli.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef jobferry")


def test_where_the_script_cannot_be_made_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the worker's image."""
    monkeypatch.setattr("service.operator.completion.find_spec", lambda _: None)
    assert cli.main(["completion", "bash"]) == 2
    assert "needs shtab" in capsys.readouterr().err
