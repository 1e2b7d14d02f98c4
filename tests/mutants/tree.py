"""A copy of the checkout, in which one file at a time is changed, and the tests are run."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from tests.mutants.mutation import Mutation

T = TypeVar("T")
R = TypeVar("R")

CHECKOUT = Path(__file__).parents[2]
_PLUGINS = ("-p", "tests.mutants.plugin", "-p", "no:cacheprovider", "--hypothesis-seed=0")
# A mutant that never stops to collect must not take the machine with it.
_MOST_BYTES = 6 * 1024**3


def files_of(checkout: Path = CHECKOUT) -> list[str]:
    """What git knows or would take up, so that a copy is what a commit would be."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in listed.split("\0") if path and (checkout / path).is_file())


class TestsFailError(Exception):
    """These tests fail without any mutant: mend them first."""


@dataclass(frozen=True)
class Answer:
    """How a run of tests ended, None for in too long a time, and what it said."""

    code: int | None
    said: str
    early: bool = False
    """Whether what was changed had already run before the change, when the tests were collected."""


class Tree:
    """One copy. Only one thread at a time may use it."""

    def __init__(self, root: Path, tests: Sequence[str] = ()) -> None:
        self.root = root
        self._tests = tests
        self._warm: dict[str, Warm] = {}

    @classmethod
    def copied(cls, root: Path, tests: Sequence[str]) -> Tree:
        """A copy of the checkout in an empty folder, to run these tests."""
        for path in files_of():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / path, root / path)
        return cls(root, tests)

    def stop(self) -> None:
        """End what runs here, and whatever it started."""
        for process in self._warm.values():
            process.stop()
        self._warm.clear()

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """One file is changed. Its bytecode goes too: second and size, by which it is known, may stay the same."""
        file = self.root / mutation.path
        original = file.read_bytes()
        try:
            self._write(file, mutation.applied(original))
            yield
        finally:
            self._write(file, original)

    def _write(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        for bytecode in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            bytecode.unlink()

    def swapped(self, mutation: Mutation, killers: dict[str, float], hangs_after: float, seconds: float) -> Answer:
        """Run tests on a mutation that is made in memory."""
        file = self.root / mutation.path
        before = file.read_bytes()
        swap = {"file": str(file), "line": mutation.line, "before": before.decode()}
        swap["after"] = mutation.applied(before).decode()
        return self._ask("collected", {"swap": swap, "tests": killers, "hangs_after": hangs_after, "seconds": seconds})

    def pytest(self, arguments: Sequence[str], seconds: float) -> Answer:
        """Run pytest here; what it tries is in the file."""
        return self._ask("imported", {"arguments": [*_PLUGINS, *arguments], "seconds": seconds})

    def _ask(self, process: str, request: dict[str, Any]) -> Answer:
        if process not in self._warm:
            start = self._collected if process == "collected" else self._imported
            self._warm[process] = Warm(self.root, start)
        said = self.root / "said.txt"
        said.write_text("")
        answer = self._warm[process].ask(request | {"said": str(said)})
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)  # What one mutant taught, another must not know.
        return Answer(answer["code"], said.read_text(errors="replace"), early=answer["early"])

    def _collected(self, fd: int) -> Sequence[str]:
        return ("-m", "pytest", *_PLUGINS, "--warm", str(fd), *self._tests)

    def _imported(self, fd: int) -> Sequence[str]:
        return ("-m", "tests.mutants.warm", str(fd))


class Warm:
    """A process that is asked again and again."""

    def __init__(self, root: Path, arguments: Callable[[int], Sequence[str]]) -> None:
        ours, theirs = socket.socketpair()
        self._lines = ours.makefile("rw")
        with theirs, (root / f"{id(self)}.out").open("wb") as out:
            self._process = subprocess.Popen(
                (sys.executable, *arguments(theirs.fileno())),
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                preexec_fn=_limited,
                env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(root / ".hypothesis")},
            )
        self._said = Path(out.name)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; only one at a time."""
        self._lines.write(json.dumps(request) + "\n")
        self._lines.flush()
        line = self._lines.readline()
        if not line:
            raise TestsFailError(self._said.read_text(errors="replace")[-3000:])
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it, and through it whatever it runs."""
        self._process.terminate()
        self._process.wait()


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))


def side_by_side(trees: Sequence[Tree], work: Callable[[Tree, T], R], items: Sequence[T]) -> Iterator[R]:
    """Each item's result, as they come; as many at once as there are trees. Whoever leaves ends what still runs."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def done(item: T) -> R:
        tree = free.get()
        try:
            return work(tree, item)
        finally:
            free.put(tree)

    pool = ThreadPoolExecutor(len(trees))
    try:
        for future in as_completed([pool.submit(done, item) for item in items]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for tree in trees:
            tree.stop()
