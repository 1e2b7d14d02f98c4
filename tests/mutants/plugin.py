"""The part that runs inside pytest: which lines each test runs, or some tests only, and none for ever."""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.mutants.warm import Collected

ROOTS = ("service", "workers", "schemas")
HANGS = "Timeout ("  # What faulthandler says before it ends the process.
HANGS_AFTER_SECONDS = 20.0
# A mutant may make a test slower, and the machine may be busy.
_SLOWER = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """How to run: `--lines-to` notes lines, `--killers` reads which tests to run, `--warm` is asked again and again."""
    parser.addoption("--lines-to", type=Path, help="write here which lines each test runs")
    parser.addoption("--killers", type=Path, help="run these tests only, in their order: {test: seconds}")
    parser.addoption("--warm", type=int, help="collect, then run what is asked for at this socket")
    parser.addoption("--hangs-after", type=float, default=HANGS_AFTER_SECONDS, help="beyond ten times its usual time")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to judge another tree than the one that was changed."""
    for root in ROOTS:
        spec = find_spec(root)
        if spec is None or not Path(spec.origin or "").is_relative_to(config.rootpath):
            raise pytest.UsageError(f"{root} is not the one of {config.rootpath}")
    if config.option.lines_to is not None:
        config.pluginmanager.register(Lines(config.rootpath, config.option.lines_to))
    if config.option.killers is not None:
        config.pluginmanager.register(Killers(json.loads(config.option.killers.read_text()), config.option.hangs_after))
    if config.option.warm is not None:
        config.pluginmanager.register(Collected(socket.socket(fileno=config.option.warm), Killers))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Whoever looks for a mutant needs one example against it, not the smallest."""
    if session.config.option.killers is not None or session.config.option.warm is not None:
        settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")


class Killers:
    """Runs the given tests in the given order, and ends the process when one of them hangs."""

    def __init__(self, seconds: dict[str, float], hangs_after: float) -> None:
        self._seconds = seconds
        self._hangs_after = hangs_after
        self._stderr = os.dup(2)  # pytest takes the other one while a test runs.
        self._rank = {test: rank for rank, test in enumerate(seconds)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank), key=lambda item: self._rank[item.nodeid]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        allowed = self._hangs_after + _SLOWER * self._seconds[item.nodeid]
        faulthandler.dump_traceback_later(allowed, exit=True, file=self._stderr)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()


class Lines:
    """Notes the lines of the program that each test runs. The program has one thread; others are the fakes'."""

    def __init__(self, root: Path, to: Path) -> None:
        self._root = root
        self._to = to
        self._paths: dict[str, str] = {}
        self._ran: set[tuple[str, int]] = set()
        self._tests: dict[str, dict[str, Any]] = {}
        self._collecting: dict[str, set[tuple[str, int]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """What a file of tests runs while it is imported, such as the rows of its tables, all of its tests run."""
        self._ran = set()
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            if isinstance(collector, pytest.Module):
                self._collecting[collector.nodeid] = self._ran

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._ran = set(self._collecting[item.nodeid.partition("::")[0]])
        began = time.perf_counter()
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self._tests[item.nodeid] = {"seconds": round(time.perf_counter() - began, 3), "lines": self._by_path()}

    def pytest_sessionfinish(self) -> None:
        self._to.write_text(json.dumps(self._tests))

    def _by_path(self) -> dict[str, list[int]]:
        lines: dict[str, list[int]] = defaultdict(list)
        for name, line in sorted(self._ran):
            lines[self._path(name)].append(line)
        return lines

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Python calls this for every call of a function, and what it answers for each line of that function.

        What modules and classes run is left out: whoever comes first would have it alone.
        """
        if not frame.f_code.co_flags & inspect.CO_NEWLOCALS or not self._path(frame.f_code.co_filename):
            return None
        return self._line(frame, event, arg)

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        self._ran.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def _path(self, name: str) -> str:
        """The path of a file of the program; empty for any other."""
        if name not in self._paths:
            file = Path(name)
            path = file.relative_to(self._root).as_posix() if file.is_relative_to(self._root) else ""
            self._paths[name] = path if path.startswith(tuple(f"{root}/" for root in ROOTS)) else ""
        return self._paths[name]
