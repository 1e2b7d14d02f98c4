"""What holds for every test: who shares a process, and that no garbage is collected while Python makes a syntax tree.

Python 3.11 counts how deep it is in the tree that it makes, in one place for all threads [python/cpython#106905]. The
collector may run in the midst of that, and with it whatever Python it finalises or calls back, and then other threads.
If one of those makes a tree of its own, as 3.11 does for each line of a traceback that it shows, the first one ends in
"SystemError: AST constructor recursion depth mismatch". pytest makes a tree of each module of tests and each failure it
shows, moto's server of each route, in its own thread; and here tasks are killed, and logged, wherever they are.
From 3.12 on the collector waits until such a call is over.
"""

from __future__ import annotations

import ast
import gc
import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.support import side_by_side

# A machine that is busy makes an example late, and no test may fail by that.
settings.register_profile("jobferry", deadline=None)
settings.load_profile("jobferry")


def _undisturbed(parse: Callable[..., ast.AST]) -> Callable[..., ast.AST]:
    """The same, one at a time and without the collector: nothing else can run in its midst."""
    alone = threading.RLock()

    @wraps(parse)
    def parsed(*given: Any, **named: Any) -> ast.AST:
        with alone:
            collects = gc.isenabled()
            gc.disable()
            try:
                return parse(*given, **named)
            finally:
                if collects:
                    gc.enable()

    return parsed


# At once, and not in a hook of pytest's: what it imports next is parsed already.
if sys.version_info < (3, 12):
    ast.parse = _undisturbed(ast.parse)  # type: ignore[assignment]  # its overloads


def pytest_configure() -> None:
    """No client is to trust anybody: none calls AWS, and each would read all the world's authorities as it opens."""
    os.environ["AWS_CA_BUNDLE"] = str(Path(__file__).parent / "support" / "no_authority.pem")
    # Where rich is installed, structlog draws each traceback with frames and colours, which takes longer than the test.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


def pytest_sessionstart() -> None:
    """Nothing that is imported or collected goes away before the end: it is not looked through for garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on it is collected again what tests leave behind, and only that."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means here."""
    return side_by_side.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> side_by_side.Sharing:
    """Tests that share what is dear to make share a process."""
    return side_by_side.Sharing(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begin."""
    items[:] = side_by_side.longest_first(items)
