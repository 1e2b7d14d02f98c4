"""A Dockerfile and a .dockerignore, as the tests read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction, its line continuations joined."""

    keyword: str
    value: str

    @property
    def words(self) -> list[str]:
        """The words of its value, or the items of its exec form."""
        return list(json.loads(self.value)) if self.value.startswith("[") else self.value.split()


@dataclass(frozen=True)
class Stage:
    """FROM and what follows it."""

    instructions: tuple[Instruction, ...]

    def all(self, keyword: str) -> list[Instruction]:
        """The instructions of one kind, in order."""
        return [item for item in self.instructions if item.keyword == keyword]

    def last(self, keyword: str) -> Instruction:
        """The one that counts, since a later one overrides."""
        return self.all(keyword)[-1]

    def environment(self) -> dict[str, str]:
        """What ENV sets, unexpanded."""
        words = (word for item in self.all("ENV") for word in item.words)
        return dict(word.split("=", 1) for word in words)

    def copies(self) -> list[tuple[list[str], str]]:
        """Sources and destination of each COPY from the context."""
        copies = [item.words for item in self.all("COPY") if not item.value.startswith("--from")]
        return [(words[:-1], words[-1]) for words in copies]


def stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile; what stands before the first FROM is no stage."""
    found: list[list[Instruction]] = []
    for item in _instructions(path.read_text()):
        if item.keyword == "FROM":
            found.append([])
        if found:
            found[-1].append(item)
    return [Stage(tuple(items)) for items in found]


def admitted(path: Path) -> bool:
    """Whether .dockerignore lets a file of the project into the build; the last rule that matches decides [Docker]."""
    decision = True
    for rule in _rules():
        if _matches(path.relative_to(ROOT).as_posix(), rule.removeprefix("!")):
            decision = rule.startswith("!")
    return decision


def admitted_files(source: str) -> list[Path]:
    """The files that a COPY of this source brings in."""
    named = list(ROOT.glob(source))
    below = [file for path in named for file in (path.rglob("*") if path.is_dir() else [path])]
    return [file for file in below if file.is_file() and admitted(file)]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, value = line.partition(" ")
        yield Instruction(keyword, " ".join(value.split()))


def _rules() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _matches(path: str, pattern: str) -> bool:
    """A rule speaks of a path, and of all that is below it."""
    paths = [path, *(parent.as_posix() for parent in PurePosixPath(path).parents)][:-1]
    return any(fnmatchcase(each, pattern) or fnmatchcase(f"/{each}", pattern.replace("**", "*")) for each in paths)
