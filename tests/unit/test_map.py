"""CONTRIBUTING's map is the tree's, and the glossary's words are the code's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.dockerfile import ROOT

PAGES = ["CONTRIBUTING.md", "README.md", "docs/glossary.md", "deploy/IMAGES.md", "deploy/RUNBOOK.md"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_ROOM = re.compile(r"^([a-z0-9_]+(?:/[a-z0-9_]+)*/) +\S", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


def rooms() -> set[str]:
    """Every package, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "*__init__.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders = {f"{Path(name).parent.as_posix()}/" for name in listed.stdout.split() if "/" in name}
    return folders - {"tests/"}


def test_the_map_shows_every_room_and_no_other() -> None:
    """A newcomer finds what it names, and meets nothing that it does not."""
    assert set(_ROOM.findall(CONTRIBUTING)) == rooms()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Relative links of the pages that people read."""
    where = (ROOT / page).parent
    dead = [link for link in _LINK.findall((ROOT / page).read_text(encoding="utf-8")) if not (where / link).exists()]
    assert dead == []


def test_every_room_says_what_it_is_for() -> None:
    """In a sentence, at its door."""
    doors = [ROOT / room / "__init__.py" for room in rooms() if not room.startswith("tests/")]
    assert [str(door) for door in doors if not door.read_text(encoding="utf-8").startswith('"""')] == []
