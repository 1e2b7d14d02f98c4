"""DynamoDB's expressions, as far as they are used: conditions with AND, OR, NOT, comparisons and contains; SET, REMOVE,
ADD and DELETE.

Compiled once each: the same few texts come again and again. An expression that is not understood is an error here,
so that the fake never agrees to what it did not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

Item = Mapping[str, Any]
_TOKEN = re.compile(r"\s*(<=|>=|[()=<>,]|[#:]?[A-Za-z_][\w.#]*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


# Of the attribute itself alone: what is there stays.
_IF_NOT_EXISTS = re.compile(r"if_not_exists\(#?\w+, (:\w+)\)")


class NotUnderstoodError(Exception):
    """The expression says something that this fake does not know."""


@dataclass(slots=True)
class Given:
    """What an expression is evaluated against."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Any]


Condition = Callable[[Given], bool]


def holds(expression: str, given: Given) -> bool:
    """Whether a condition holds."""
    return _compiled(expression)(given)


def updated(expression: str, given: Given) -> dict[str, Any]:
    """The item after an update."""
    item = dict(given.item)
    for verb, path, value in _assignments(expression):
        name = given.names.get(path, path)
        match verb:
            case "SET" if value.startswith(":"):
                item[name] = given.values[value]
            case "SET":
                item.setdefault(name, given.values[_IF_NOT_EXISTS.fullmatch(value)[1]])  # type: ignore[index]
            case "ADD":
                item[name] = _added(item.get(name), given.values[value])
            case "DELETE" if name in item:
                left = [member for member in item[name]["SS"] if member not in given.values[value]["SS"]]
                item |= {name: {"SS": left}}
            case "REMOVE":
                item.pop(name, None)
        if item.get(name) == {"SS": []}:  # There is no empty set.
            del item[name]
    return item


def _added(held: Any, more: Any) -> Any:
    """A number and another, or a set and another [DynamoDB guide, update expressions]."""
    if held is None:
        return more
    if "N" in more:
        return {"N": str(int(held["N"]) + int(more["N"]))}
    return {"SS": [*held["SS"], *(member for member in more["SS"] if member not in held["SS"])]}


@cache
def _assignments(expression: str) -> tuple[tuple[str, str, str], ...]:
    found = []
    for clause in re.split(r"\s+(?=(?:SET|REMOVE|ADD|DELETE)\b)", expression):
        verb, _, rest = clause.strip().partition(" ")
        if verb not in {"SET", "REMOVE", "ADD", "DELETE"}:
            raise NotUnderstoodError(expression)
        for part in re.split(r",(?![^(]*\))", rest):
            path, _, value = (side.strip() for side in part.strip().partition("=" if verb == "SET" else " "))
            default = _IF_NOT_EXISTS.fullmatch(value)
            known = default is not None and value.startswith(f"if_not_exists({path},")
            if (verb != "REMOVE") != (value.startswith(":") or known):
                raise NotUnderstoodError(expression)
            found.append((verb, path, value))
    return tuple(found)


@cache
def _compiled(expression: str) -> Condition:
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r"\s+", "", expression):
        raise NotUnderstoodError(expression)
    parser = _Parser(tokens)
    condition = parser.either()
    if parser.left():
        raise NotUnderstoodError(expression)
    return condition


class _Parser:
    """Reads a condition by recursive descent: OR binds weaker than AND, AND weaker than NOT."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def left(self) -> bool:
        return self._at < len(self._tokens)

    def either(self) -> Condition:
        found = self.both()
        while self._skip("OR"):
            found = _or(found, self.both())
        return found

    def both(self) -> Condition:
        found = self.one()
        while self._skip("AND"):
            found = _and(found, self.one())
        return found

    def one(self) -> Condition:
        if self._skip("NOT"):
            inner = self.one()
            return lambda given: not inner(given)
        if self._skip("("):
            inner = self.either()
            self._expect(")")
            return inner
        word = self._next()
        if word in {"attribute_exists", "attribute_not_exists"}:
            return self._existence(wanted=word == "attribute_exists")
        if word == "contains":
            return self._containment()
        return self._comparison(word)

    def _existence(self, *, wanted: bool) -> Condition:
        self._expect("(")
        find = _finder(self._next())
        self._expect(")")
        return lambda given: (find(given) is not None) == wanted

    def _containment(self) -> Condition:
        """Whether a set has a member; one that is not there has none."""
        self._expect("(")
        find_set = _finder(self._next())
        self._expect(",")
        find = _finder(self._next())
        self._expect(")")
        return lambda given: find(given)["S"] in (find_set(given) or {"SS": []})["SS"]

    def _comparison(self, left: str) -> Condition:
        operator, right = self._next(), self._next()
        if operator not in _COMPARE:
            raise NotUnderstoodError(operator)
        compare, find_left, find_right = _COMPARE[operator], _finder(left), _finder(right)

        def condition(given: Given) -> bool:
            one, other = _plain(find_left(given)), _plain(find_right(given))
            # A comparison with what is not there is false; so is one of unlike types.
            return one is not None and type(one) is type(other) and compare(one, other)

        return condition

    def _next(self) -> str:
        if not self.left():
            raise NotUnderstoodError("it ends too soon")
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, token: str) -> bool:
        if self.left() and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._skip(token):
            raise NotUnderstoodError(f"{token} is missing")


def _or(one: Condition, other: Condition) -> Condition:
    return lambda given: one(given) or other(given)


def _and(one: Condition, other: Condition) -> Condition:
    return lambda given: one(given) and other(given)


def _finder(path: str) -> Callable[[Given], Any]:
    """Finds the typed value of a placeholder, or of an attribute and what is in it; None where there is none."""
    if path.startswith(":"):
        return lambda given: given.values[path]
    first, *rest = path.split(".")

    def find(given: Given) -> Any:
        found: Any = given.item.get(given.names.get(first, first))
        for part in rest:
            found = found.get("M", {}).get(given.names.get(part, part)) if isinstance(found, dict) else None
        return found

    return find


def _plain(value: Any) -> Any:
    if not value:
        return None
    [(kind, content)] = value.items()
    return float(content) if kind == "N" else content
