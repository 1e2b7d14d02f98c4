"""What the modules of the program say once for all: their constants, and what is meant where nothing is given."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_A_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
_MOST_SHOWN = 700  # Letters: what is longer is a table, or prose, and has tests of its own.
_NO_LIMITS = frozenset({"func", "strict", "strip_whitespace", "to_upper", "to_lower", "ascii_only"})


class _NotPlainError(Exception):
    """It is more than numbers, words and patterns."""


def counted_on(module: ModuleType) -> dict[str, Any]:
    """Each constant and each default of a module, by its name, as far as it is plain."""
    found = {}
    for name, value in _named(module):
        try:
            shown = _plain(value)
        except _NotPlainError:
            continue
        if shown is not None and len(str(shown)) <= _MOST_SHOWN and not _is_prose(shown):
            found[name] = shown
    return found


def _is_prose(shown: Any) -> bool:
    return isinstance(shown, str) and shown.count(" ") > 2


def _named(module: ModuleType) -> Iterator[tuple[str, Any]]:
    own = set(_assigned(module))
    for name, value in vars(module).items():
        if name in own and _A_CONSTANT.fullmatch(name):
            yield name, value
        elif getattr(value, "__module__", None) == module.__name__:
            yield from _defaults(name, value)


def _assigned(module: ModuleType) -> Iterator[str]:
    """The names that a module itself gives, and does not import."""
    for statement in ast.parse(inspect.getsource(module)).body:
        for node in ast.walk(statement) if isinstance(statement, ast.Assign | ast.AnnAssign) else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _defaults(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """What is meant where nothing is given: of a function, of a class and of its methods."""
    if isinstance(thing, FunctionType):
        for parameter in inspect.signature(thing).parameters.values():
            if parameter.default is not inspect.Parameter.empty:
                yield f"{name}({parameter.name})", parameter.default
    elif isinstance(thing, type):
        yield from _of_class(name, thing)


def _of_class(name: str, kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, BaseModel):
        if kind.model_config != getattr(kind.__base__, "model_config", None):
            yield name, {key: value for key, value in kind.model_config.items() if key != "title"}
        said = ((f"{name}.{field_name}", _of_field(field)) for field_name, field in kind.model_fields.items())
        yield from ((field_name, of_field) for field_name, of_field in said if of_field)
    elif is_dataclass(kind):
        yield from ((f"{name}.{item.name}", item.default) for item in fields(kind) if item.default is not MISSING)
    for method_name, method in vars(kind).items():
        function = getattr(method, "__func__", method)
        if isinstance(function, FunctionType) and method_name != "__init__":
            yield from _defaults(f"{name}.{method_name}", function)


def _of_field(field: FieldInfo) -> dict[str, Any]:
    said = {} if field.is_required() else {"default": field.get_default(call_default_factory=True, validated_data={})}
    said["alias"] = field.alias
    for limit in field.metadata:
        said |= {name: value for name, value in _parts_of(limit).items() if name not in _NO_LIMITS}
    return {name: value for name, value in said.items() if value is not None}


def _parts_of(limit: object) -> dict[str, Any]:
    if is_dataclass(limit) and not isinstance(limit, type):
        return {item.name: getattr(limit, item.name) for item in fields(limit)}
    return getattr(limit, "__dict__", {})


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return str(value)
        case bool() | int() | float() | None:
            return value
        case str():
            return value.encode("ascii", "backslashreplace").decode()
        case bytes():
            return repr(value)
        case re.Pattern():
            return [_plain(value.pattern), int(value.flags)]
        case tuple() | list():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted((_plain(item) for item in value), key=str)
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case _:
            return _of_ours(value)


def _of_ours(value: Any) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        raise _NotPlainError
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
