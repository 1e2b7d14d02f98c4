"""A copy of the checkout, in which one file at a time is changed, and the tests are run."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from tests.mutants.mutation import Mutation

T = TypeVar("T")
R = TypeVar("R")

CHECKOUT = Path(__file__).parents[2]
_PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.mutants.plugin", "-p", "no:cacheprovider")
# A mutant that never stops to collect must not take the machine with it.
_MOST_BYTES = 6 * 1024**3


def files_of(checkout: Path = CHECKOUT) -> list[str]:
    """What git knows or would take up, so that a copy is what a commit would be."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in listed.split("\0") if path and (checkout / path).is_file())


class Tree:
    """One copy. Only one thread at a time may use it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._running: subprocess.Popen[bytes] | None = None

    @classmethod
    def copied(cls, root: Path) -> Tree:
        """A copy of the checkout in an empty folder."""
        for path in files_of():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / path, root / path)
        return cls(root)

    def stop(self) -> None:
        """End what runs here, and whatever it started."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)

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

    def pytest(self, arguments: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Run pytest here; its exit code, or None where it took too long, and what it said."""
        said = self.root / "pytest.out"
        with said.open("wb") as out:
            self._running = subprocess.Popen(
                (*_PYTEST, *arguments),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_limited,
                env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(self.root / ".hypothesis")},
            )
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = self._running.wait(seconds)
        self.stop()
        self._running.wait()
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)  # What one mutant taught, another must not know.
        return code, said.read_text(errors="replace")


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
