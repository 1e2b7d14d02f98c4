"""What the local run writes where it was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.folder import FolderError, open_to_write, settings_file


def test_each_run_has_settings_of_its_own(tmp_path: Path) -> None:
    """The second takes none of the first's away, neither while it runs nor when it ends."""
    with settings_file(tmp_path, {"WHO": "first"}, 1) as first:
        with settings_file(tmp_path, {"WHO": "second"}, 2) as second:
            assert (first.name, second.name) == ("local.env", "local-2.env")
            assert second.read_text() == "WHO=second\n"
        assert first.read_text() == "WHO=first\n"
        assert not second.exists()
    assert not first.exists()


def test_what_a_killed_run_left_behind_is_written_over(tmp_path: Path) -> None:
    """Its lock went with it."""
    (tmp_path / "local.env").write_text("WHO=nobody, and in many more words than there are now\n")
    with settings_file(tmp_path, {"WHO": "me"}, 1) as path:
        assert path == tmp_path / "local.env"
        assert path.read_text() == "WHO=me\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With what to do, and no traceback."""
    (tmp_path / "taken").write_text("a file")
    path = tmp_path / "taken" / "worker.log"
    with pytest.raises(FolderError, match=f"^{path} cannot be written .*: start this in a folder"), open_to_write(path):
        pass
