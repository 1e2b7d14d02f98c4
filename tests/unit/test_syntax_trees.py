"""Whoever makes a syntax tree is not disturbed by one that is made meanwhile, as tests/conftest.py has it."""

from __future__ import annotations

import ast
import gc
import traceback
from collections.abc import Iterator

import pytest

_SOURCE = "\n".join(f"a{n} = [({n}, [{n}, {{1: {n}}}]) for x in range({n})]" for n in range(100))
_LIVES = 200


class _Restless:
    """Garbage that shows a traceback as it is collected, for which Python 3.11 makes a tree; and makes garbage anew."""

    def __init__(self, lives: int) -> None:
        self.lives = lives
        self.cycle = self

    def __del__(self) -> None:
        ast.parse("f(1)(2)[3]")
        try:
            _ = [1, 2][len(str(self.lives)) + 3]
        except IndexError as error:
            traceback.format_exception(error)
        if self.lives:
            _Restless(self.lives - 1)


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """It runs at every new object."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_tree_is_whole_whatever_is_collected(eager_collector: None) -> None:
    """Else a run of pytest ends in a SystemError, now and then, under load."""
    _Restless(_LIVES)
    gc.set_threshold(1, 1, 1)
    for _ in range(5):
        assert len(ast.parse(_SOURCE).body) == 100
    assert gc.isenabled()
