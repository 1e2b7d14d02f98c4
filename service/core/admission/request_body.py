"""Reading a message body as JSON, with nothing taken on trust."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from schemas.errors import JobferryError
from schemas.notification import Problem

# An SQS message is at most 1 MiB [botocore]; one that came through S3 is held to the same.
MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 32
# Far more than any request needs, and few enough that the worst of bodies is judged within 50 ms (make bench).
MAX_VALUES, MAX_OBJECTS = 30_000, 2_000
# As many as a command may have arguments, and a stage variables [schemas/job.py]: no other part may have more.
MAX_ELEMENTS, MAX_MEMBERS = 256, 128
# Unterminated strings count as strings, so that no text makes this search go over it twice.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_LONGEST_SHOWN = 64


class BodyRefusedError(JobferryError):
    """The body is not a JSON object that we are willing to read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_object(body: str) -> dict[str, Any]:
    """The JSON object in a body. Raises BodyRefusedError, which says what is wrong and what to do."""
    value = read_json(body)
    if not isinstance(value, dict):
        _refuse(f"the body is {_kind(value)}, not a JSON object", "Send one JSON object: {...}.")
    return value


def read_json(body: str, *, well_formed: bool = True) -> Any:
    """The JSON value in a body, refusing what parsers disagree on: duplicate keys, NaN, lone surrogates, deep nests.

    `well_formed=False` lets escaped halves of surrogate pairs pass, for a reader that mends them.
    """
    if len(_in_utf8(body)) > MAX_BODY_BYTES:
        _refuse(f"the body is larger than {MAX_BODY_BYTES:,} bytes", "Keep large data in S3 and send its URI.")
    for mark, most, what in ((",", MAX_VALUES, "values"), ("{", MAX_OBJECTS, "objects")):
        if body.count(mark) >= most and _STRING.sub("", body).count(mark) >= most:
            _refuse(f"the body holds more than {most:,} {what}", "Split the job, or keep its data in S3.")
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_number)
    except RecursionError:
        _refuse_depth()
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        _refuse(f"the body is not JSON: {error.msg} at {where}", "Send one JSON object, encoded as UTF-8.")
    except ValueError:
        _refuse("the body has a number that is too long to read", "Send numbers of a usual size.")
    if body.count("[") + body.count("{") > MAX_DEPTH and any(depth > MAX_DEPTH for _, _, depth in _containers(value)):
        _refuse_depth()
    if well_formed and "\\u" in body:  # Else there is none: only an escape holds half of a pair in UTF-8.
        _in_utf8(json.dumps(value, ensure_ascii=False))
    return value


def canonical(value: Any) -> str:
    """One text for equal JSON values, whatever their key order and spacing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def printable(text: str, at_most: int) -> str:
    """A text that somebody else chose, safe for a log line or an e-mail: escaped where it is not printable, and cut."""
    shown = text[:at_most]
    shown = shown if shown.isprintable() else ascii(shown)[1:-1]
    return shown if len(text) <= at_most and len(shown) <= at_most else f"{shown[:at_most]}..."


def too_wide(value: Any) -> Problem | None:
    """What is wrong with a body that holds more in one place than any request may: it is not looked at further."""
    for path, container, _ in _containers(value):
        most = MAX_MEMBERS if isinstance(container, dict) else MAX_ELEMENTS
        if len(container) > most:
            message = f"it holds {len(container):,} values; at most {most} may stand in one place"
            return Problem(field=path, message=message, remedy="Leave out what is too much, or split the job.")
    return None


def _containers(value: Any) -> Iterator[tuple[str, dict[str, Any] | list[Any], int]]:
    """Every object and array in a value: by which path it is reached, and how deep it lies."""
    found = [("", value, 1)]
    while found:
        path, container, depth = found.pop()
        if not isinstance(container, dict | list):
            continue
        yield path, container, depth
        members = container.items() if isinstance(container, dict) else enumerate(container)
        found.extend(
            (f"{path}.{printable(str(name), _LONGEST_SHOWN)}".lstrip("."), item, depth + 1)
            for name, item in members
            if isinstance(item, dict | list)
        )


def _refuse_depth() -> NoReturn:
    _refuse(f"the body nests deeper than {MAX_DEPTH} levels", "Flatten the request.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        shown = printable(twice, _LONGEST_SHOWN)
        _refuse(f"the key {shown} stands twice in one object", "Send each key once.", field=shown)
    return found


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON", "Send null or a number.")


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse("the body has a number that is too large to hold", "Send numbers of a usual size.")
    return number


def _in_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse("the body holds half a surrogate pair, which no UTF-8 can carry", "Send well-formed Unicode.")


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _refuse(message: str, remedy: str, field: str = "") -> NoReturn:
    raise BodyRefusedError(Problem(field=field, message=message, remedy=remedy))
