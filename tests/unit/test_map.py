"""CONTRIBUTING's map is the tree's, and the glossary's words are the code's."""

from __future__ import annotations

import re

import pytest

from tests.support.dockerfile import ROOT

PAGES = [
    "CONTRIBUTING.md",
    "README.md",
    "docs/case-files.md",
    "docs/cli.md",
    "docs/develop-your-image.md",
    "docs/glossary.md",
    "docs/shared-page.md",
    "deploy/IMAGES.md",
    "deploy/RUNBOOK.md",
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOTS = ("schemas", "service", "workers", "deploy", "tests")
_ROOM = re.compile(r"^([a-z0-9_]+(?:/[a-z0-9_]+)*/) +\S", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


def rooms() -> set[str]:
    """Every package. Git is not asked: a copy in which the mutants are tried has none."""
    found = (path for top in ROOTS for path in (ROOT / top).rglob("__init__.py"))
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in found}
    return {folder for folder in folders if "node_modules/" not in folder} - {"tests/"}


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
