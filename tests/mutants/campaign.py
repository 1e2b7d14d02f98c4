"""A sample of mutations, each tried on the tests that may notice it."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from tests.mutants.coverage import Coverage
from tests.mutants.equivalent import Noted
from tests.mutants.mutation import Mutation
from tests.mutants.mutators import mutations_of
from tests.mutants.plugin import HANGS, HANGS_AFTER_SECONDS, ROOTS
from tests.mutants.tree import CHECKOUT, Answer, Tree, files_of, side_by_side
from tests.mutants.warm import UNABLE

_START_SECONDS = 60.0
_SLOWER = 10.0
_NEAREST = 4


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    NOT_RUN = "not run by any test"


@dataclass(frozen=True)
class Verdict:
    """A mutant's fate, and what the tests said where it did not survive."""

    mutation: Mutation
    fate: Fate
    tests: int
    said: str = ""

    @property
    def noticed(self) -> bool:
        """Whether a test failed, or ran for ever."""
        return self.fate in (Fate.KILLED, Fate.TIMED_OUT)


@dataclass(frozen=True)
class Program:
    """The files that are changed, as they are now: a person may go on working on the checkout."""

    contents: Mapping[str, bytes]

    @classmethod
    def of_checkout(cls) -> Program:
        """The program without its tests."""
        roots = tuple(f"{root}/" for root in ROOTS)
        paths = [path for path in files_of() if path.endswith(".py") and path.startswith(roots)]
        return cls({path: (CHECKOUT / path).read_bytes() for path in paths})

    def lines(self, only: Collection[str], noted: Noted) -> list[list[Mutation]]:
        """Each line's mutations, those that are noted as equivalent left out; or of these places only.

        A place is a folder, a file, or a line: `service/settle.py:78`.
        """
        by_line: dict[tuple[str, int], list[Mutation]] = defaultdict(list)
        for path, content in self.contents.items():
            if not only or any(Path(path).is_relative_to(place.partition(":")[0]) for place in only):
                for mutation in mutations_of(path, content):
                    if (not only or any(_is_within(mutation, place) for place in only)) and not noted.knows(
                        mutation, content
                    ):
                        by_line[path, mutation.line].append(mutation)
        return [by_line[line] for line in sorted(by_line)]

    def sample(self, lines: Sequence[Sequence[Mutation]], size: int, seed: int) -> list[Mutation]:
        """So many mutations: lines are drawn, then one of each, so that no long line speaks for a file."""
        chance = random.Random(seed)
        drawn = (self._one(line, chance) for line in chance.sample(lines, len(lines)))
        return list(islice(filter(None, drawn), size))

    def every(self, lines: Sequence[Sequence[Mutation]]) -> list[Mutation]:
        """All mutations of these lines."""
        return [item for line in lines for item in line if item.is_python(self.contents[item.path])]

    def _one(self, line: Sequence[Mutation], chance: random.Random) -> Mutation | None:
        able = self.every([line])
        return chance.choice(able) if able else None

    def diff(self, mutation: Mutation) -> str:
        """The change as a person reads it."""
        return mutation.diff(self.contents[mutation.path])


def _is_within(mutation: Mutation, place: str) -> bool:
    path, _, line = place.partition(":")
    return mutation.line == int(line) and mutation.path == path if line else Path(mutation.path).is_relative_to(path)


def tried(
    mutations: Sequence[Mutation], trees: Sequence[Tree], coverage: Coverage, seconds: float
) -> Iterator[Verdict]:
    """The verdict on each, as they come, by tests that take so many seconds together."""

    def verdict(tree: Tree, mutation: Mutation) -> Verdict:
        return judge(mutation, tree, coverage.killers(mutation, seconds))

    yield from side_by_side(trees, verdict, mutations)


def judge(
    mutation: Mutation, tree: Tree, killers: dict[str, float], hangs_after: float = HANGS_AFTER_SECONDS
) -> Verdict:
    """Make the change, run the tests that may notice it until one fails, and take the change back."""
    if not killers:
        return Verdict(mutation, Fate.NOT_RUN, 0)
    if not mutation.at_import:
        answer = tree.swapped(mutation, killers, hangs_after, _SLOWER * sum(killers.values()) + _START_SECONDS)
        if answer.code != UNABLE and not (answer.code == 0 and answer.early):
            return Verdict(mutation, _fate(answer), len(killers), answer.said)
    with tree.mutated(mutation):
        for some in _nearest_first(killers):
            answer = _in_the_file(tree, some, hangs_after)
            if answer.code != 0:
                break
    return Verdict(mutation, _fate(answer), len(killers), answer.said)


def _nearest_first(killers: dict[str, float]) -> Iterator[dict[str, float]]:
    """First the files that most likely notice, since to collect takes longer than to run."""
    files = list(dict.fromkeys(_file(test) for test in killers))
    for some in (files[:_NEAREST], files[_NEAREST:]):
        if some:
            yield {test: seconds for test, seconds in killers.items() if _file(test) in some}


def _file(test: str) -> str:
    return test.partition("::")[0]


def _in_the_file(tree: Tree, killers: dict[str, float], hangs_after: float) -> Answer:
    chosen = tree.root / "killers.json"
    chosen.write_text(json.dumps(killers))
    files = list(dict.fromkeys(_file(test) for test in killers))
    arguments = ["-x", "--killers", str(chosen), "--hangs-after", str(hangs_after), *files]
    return tree.pytest(arguments, _SLOWER * sum(killers.values()) + _START_SECONDS)


def _fate(answer: Answer) -> Fate:
    if answer.code is None or HANGS in answer.said:
        return Fate.TIMED_OUT
    return Fate.SURVIVED if answer.code == 0 else Fate.KILLED


def rate(verdicts: Sequence[Verdict]) -> float:
    """How many of a hundred mutants were noticed."""
    return 100 * sum(item.noticed for item in verdicts) / len(verdicts) if verdicts else 100.0
