"""A request that is made again with changes: each by the path of a field, as problems name it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

from schemas.errors import JobferryError
from schemas.notification import Problem

_HELD = {
    "job_id": ("a new job has an id of its own", "Give it as new_job_id."),
    "tenant": ("a rerun is of the tenant whose job it was", "Leave it out."),
}
# A name below one of these may hold dots.
_MAPS_OF_NAMES = frozenset({"parameters", "labels"})
_LONGEST_PART_OF_AN_ID = 51


class CannotChangeError(JobferryError):
    """A change names nothing that can be changed."""

    def __init__(self, field: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.problem = Problem(field=field, message=message, remedy=remedy)


def changed(request: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request with these changes, a field before what is below it.

    Whether it is one that is admitted is for admission to say. Raises CannotChangeError where a path leads nowhere.
    """
    made = copy.deepcopy(dict(request))
    for path in sorted(changes):
        parts = _parts(path)
        if parts[0] in _HELD:
            raise CannotChangeError(path, *_HELD[parts[0]])
        _put(made, parts, changes[path], path)
    return made


def new_id(job_id: str, tenant: str, asked_as: str) -> str:
    """The id of the job that is made of another one: the same for the same wish, and nobody else's."""
    digest = hashlib.sha256(f"{tenant}/{job_id}/{asked_as}".encode()).hexdigest()
    return f"{job_id[:_LONGEST_PART_OF_AN_ID]}-r{digest[:11]}"


def id_by_key(tenant: str, key: str) -> str:
    """The id that an Idempotency-Key stands for: of this tenant alone, and the same for every repeat."""
    return f"key-{hashlib.sha256(f'{tenant}/{key}'.encode()).hexdigest()[:40]}"


def _parts(path: str) -> list[str]:
    head, _, rest = path.partition(".")
    if head in _MAPS_OF_NAMES and rest:
        return [head, rest]
    if head == "sizes" and "." in rest:
        return [head, *rest.rsplit(".", 1)]
    return path.split(".")


def _put(made: dict[str, Any], parts: list[str], value: Any, path: str) -> None:
    place: Any = made
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if isinstance(place, list):
            if not part.isascii() or not part.isdecimal() or int(part) >= len(place):
                raise CannotChangeError(path, f"there is no {part} among {len(place)}", "They are counted from 0.")
            if is_last:
                place[int(part)] = value
            place = place[int(part)]
        elif isinstance(place, dict):
            if is_last and value is None:
                place.pop(part, None)
            elif is_last:
                place[part] = value
            else:
                place = place.setdefault(part, {})
        else:
            raise CannotChangeError(path, "it is below a value that holds nothing", "See the README for a request.")
