"""A folder that keeps the state of a local run is one port's and one emulator's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.kept import KeptState, KeptStateError


def test_a_new_folder_takes_any_port_and_keeps_it(tmp_path: Path) -> None:
    """0 is then the port of the last time."""
    state = KeptState(tmp_path / "deep" / "state")
    assert [state.port(port) for port in (0, 4566)] == [0, 4566]
    state.claim(4600)
    assert [state.port(port) for port in (0, 4600)] == [4600, 4600]
    with pytest.raises(KeptStateError, match="holds the state of port 4600: run it there, with --port 4600"):
        state.port(4566)


@pytest.mark.parametrize(
    ("note", "why"),
    [(json.dumps({"port": 1, "ministack": "0.1"}), "state of ministack 0.1, and this is"), ("{", "cannot be read")],
)
def test_what_is_not_ours_is_left_alone(tmp_path: Path, note: str, why: str) -> None:
    """It says to take another folder."""
    (tmp_path / "jobferry-local.json").write_text(note)
    with pytest.raises(KeptStateError, match=why) as refused:
        KeptState(tmp_path).port(0)
    assert "in another folder" in str(refused.value)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file may be in its way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(KeptStateError, match="cannot be written"):
        KeptState(tmp_path / "file").claim(1)
