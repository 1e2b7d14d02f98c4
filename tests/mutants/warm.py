"""Processes that have imported or collected already, and leave a copy of themselves to each mutant.

A mutation within functions is made in the functions as they are in memory, after all tests were collected: that costs
what the tests cost. Any other mutation is made in the file, and what is ours is imported anew by a process that knows
only what is others'.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest
from botocore.loaders import JSONFileLoader
from botocore.session import Session

# What takes longest to import of what the tests need and is not ours.
OTHERS = ("aiobotocore.session", "hypothesis", "jsonschema", "moto.server", "pydantic_settings", "structlog", "yaml")
SERVICES = ("cloudformation", "dynamodb", "ecs", "lambda", "logs", "s3", "sns", "sqs", "stepfunctions", "sts")
UNABLE = 99
"""The exit code where nothing was tried: the mutation is none of functions that are in memory."""


def _read_models_once() -> None:
    """What botocore reads for each client takes it longer than a test takes, and is the same for every copy."""
    load = JSONFileLoader.load_file

    @cache
    def loaded(path: str) -> Any:
        return load(JSONFileLoader(), path)

    JSONFileLoader.load_file = lambda _, file_path: loaded(file_path)  # type: ignore[method-assign, assignment]
    session = Session()
    for service in SERVICES:
        session.create_client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


class Swap(NamedTuple):
    """A file's code before and after, and the line where they begin to differ."""

    file: str
    line: int
    before: str
    after: str


class Collected:
    """In a process of pytest that has collected: each request is answered by a copy that runs some of the tests."""

    def __init__(self, asks: socket.socket, watch: Callable[[dict[str, float], float], object]) -> None:
        self._asks = asks
        self._watch = watch
        self._early: set[CodeType] = set()
        sys.setprofile(self._called)

    def _called(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            self._early.add(frame.f_code)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of all the tests, those that are asked for, until nobody asks any more."""
        sys.setprofile(None)
        _read_models_once()
        functions = _in_memory()
        gc.freeze()  # A copy that looked through all of this would have to copy it.
        for ask in _asked(self._asks):
            changed = {old: new for old, new in changed_functions(Swap(**ask["swap"])).items() if old in functions}
            if changed:
                swaps = [(function, new) for old, new in changed.items() for function in functions[old]]
                run = partial(self._tried, session, ask, swaps)
                _answer(self._asks, _in_a_copy(run, ask["seconds"]), early=not self._early.isdisjoint(changed))
            else:
                _answer(self._asks, UNABLE)
        return True

    def _tried(self, session: pytest.Session, ask: dict[str, Any], swaps: list[tuple[FunctionType, CodeType]]) -> int:
        items = {item.nodeid: item for item in session.items}
        chosen = [items[test] for test in ask["tests"]]
        for function, code in swaps:
            function.__code__ = code
        _says(Path(ask["said"]))
        session.config.pluginmanager.register(self._watch(ask["tests"], ask["hangs_after"]))
        session.config.pluginmanager.register(_Said(Path(ask["said"])))
        return _first_failure(chosen)


def _in_memory() -> dict[CodeType, list[FunctionType]]:
    gc.unfreeze()  # What the tests' own conftest has put out of the collector's sight is out of ours as well.
    functions: dict[CodeType, list[FunctionType]] = {}
    for item in gc.get_objects():
        if isinstance(item, FunctionType):
            functions.setdefault(item.__code__, []).append(item)
    return functions


class _Said:
    def __init__(self, to: Path) -> None:
        self._to = to

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self._to.open("a") as said:
                said.write(f"{report.nodeid}\n{report.longreprtext}\n")


def _first_failure(items: list[pytest.Item]) -> int:
    for item, following in pairwise([*items, None]):
        assert item is not None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return 1
    return 0


def changed_functions(swap: Swap) -> dict[CodeType, CodeType]:
    """The code of the function around that line, as it is and as it would be; empty where it takes a new import."""
    before, after = (compile(text, swap.file, "exec", dont_inherit=True) for text in (swap.before, swap.after))
    try:
        return {old: new for old, new in _functions(before, after) if swap.line in _lines(old)}
    except ValueError:
        return {}


def _functions(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    for one, other in zip(_within(old), _within(new), strict=True):
        if one.co_name != other.co_name or one.co_freevars != other.co_freevars:
            raise ValueError
        if one.co_flags & inspect.CO_NEWLOCALS:
            yield one, other  # What a function makes within itself comes new with it.
        else:
            yield from _functions(one, other)


def _lines(code: CodeType) -> range:
    last = max((_lines(inner).stop for inner in _within(code)), default=0)
    return range(code.co_firstlineno, max(last, 1 + max(line or 0 for *_, line in code.co_lines())))


def _within(code: CodeType) -> list[CodeType]:
    return [item for item in code.co_consts if isinstance(item, CodeType)]


def imported(asks: socket.socket) -> None:
    """A process that has imported what is others': each request is a run of pytest."""
    for module in OTHERS:
        importlib.import_module(module)
    _read_models_once()
    for ask in _asked(asks):
        _answer(asks, _in_a_copy(partial(_pytest, ask), ask["seconds"]))


def _pytest(ask: dict[str, Any]) -> int:
    _says(Path(ask["said"]))
    return int(pytest.main(ask["arguments"]))


def _says(to: Path) -> None:
    with to.open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)


def _asked(asks: socket.socket) -> Iterator[dict[str, Any]]:
    with asks.makefile("r") as lines:
        for line in lines:
            yield json.loads(line)


def _answer(asks: socket.socket, code: int | None, *, early: bool = False) -> None:
    asks.sendall(json.dumps({"code": code, "early": early}).encode() + b"\n")


def _in_a_copy(run: Callable[[], int], seconds: float) -> int | None:
    """The exit code of a copy of this process; None where it was not done in time."""
    copy = multiprocessing.get_context("fork").Process(target=_apart, args=[run])
    copy.start()
    signal.signal(signal.SIGTERM, partial(_end_with, copy.pid))
    copy.join(seconds)
    code = copy.exitcode
    _end(copy.pid)
    copy.join()
    return code


def _apart(run: Callable[[], int]) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = UNABLE
    try:
        code = run()
        sys.stdout.flush()
    finally:
        os._exit(code)


def _end_with(group: int | None, *_: object) -> None:
    _end(group)
    os._exit(1)


def _end(group: int | None) -> None:
    if group is not None:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    imported(socket.socket(fileno=int(sys.argv[1])))
