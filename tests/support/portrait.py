"""A web of objects as a tree to read: each by its fields, each that is met again by where it was met first."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import FunctionType, MethodType
from typing import Any

from aiolimiter import AsyncLimiter

OURS = ("service.", "workers.", "schemas.")
_SHOWN = 20  # Letters of a pattern: enough to know it by.


class Portrait:
    """Draws what is ours, and by name what is not. `known` are objects that are not to be gone into, by their names."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = {id(thing): f"<{name}>" for name, thing in known.items()}
        self._kept = list(known.values())  # So that no other gets an id that is known.

    def of(self, thing: Any, path: str) -> Any:
        """What is to be read of an object that is found there."""
        if isinstance(thing, str | int | float | bool | type(None)) and not isinstance(thing, Enum):
            return thing
        if id(thing) in self._known:
            return self._known[id(thing)]
        if isinstance(thing, MethodType):
            return {thing.__func__.__qualname__: self.of(thing.__self__, path)}
        if isinstance(thing, re.Pattern):
            return thing.pattern[:_SHOWN]
        if isinstance(thing, Enum | type):
            return f"<{thing}>"
        if not isinstance(thing, tuple | list | dict | set | frozenset | deque):
            self._known[id(thing)] = f"<{path}>"
            self._kept.append(thing)
        return self._inside(thing, path)

    def _inside(self, thing: Any, path: str) -> Any:
        match thing:
            case tuple() | list() | deque():
                return [self.of(item, f"{path}[{number}]") for number, item in enumerate(thing)]
            case set() | frozenset():
                return sorted(map(str, thing))
            case dict():
                return {str(name): self.of(value, f"{path}.{name}") for name, value in thing.items()}
            case FunctionType():
                return self._function(thing, path)
            case functools.partial():
                given = {"function": thing.func, "arguments": list(thing.args), **thing.keywords}
                return {name: self.of(value, f"{path}.{name}") for name, value in given.items()}
            case _:
                return self._parts(thing, path)

    def _function(self, function: Callable[..., Any], path: str) -> Any:
        held = inspect.getclosurevars(function).nonlocals
        name = f"{function.__module__}.{function.__qualname__}"
        return {name: {key: self.of(value, f"{path}.{key}") for key, value in held.items()}} if held else name

    def _parts(self, thing: Any, path: str) -> Any:
        if is_dataclass(thing):
            parts = {field.name: getattr(thing, field.name) for field in fields(thing)}
        elif isinstance(thing, AsyncLimiter):
            parts = {"max_rate": thing.max_rate, "time_period": thing.time_period}
        elif isinstance(thing, asyncio.Semaphore):
            parts = {"free": thing._value}
        elif isinstance(thing, asyncio.Queue):
            parts = {"room": thing.maxsize}
        elif type(thing).__module__.startswith(OURS) and hasattr(thing, "__dict__"):
            parts = vars(thing)
        else:
            return f"<a {type(thing).__name__}>"
        return {type(thing).__name__: {name: self.of(value, f"{path}.{name}") for name, value in parts.items()}}
