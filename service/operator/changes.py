"""What is to be different in a job that is run again, as one types it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.errors import SettingsError

_MIB = re.compile(r"([0-9]{1,7})(?:MiB|MB|M)?", re.IGNORECASE | re.ASCII)
_UNITS = re.compile(r"([0-9]{1,7})", re.ASCII)


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """Each by the path of its field. Raises SettingsError for what cannot be read."""
    return dict(
        [
            *_sizes("memory", options.memory, _MIB),
            *_sizes("cpu", options.cpu, _UNITS),
            *map(_change, options.set),
        ]
    )


def _sizes(what: str, given: Iterable[str], amount: re.Pattern[str]) -> Iterator[tuple[str, Any]]:
    for text in given:
        stage, _, number = text.rpartition("=")
        read = amount.fullmatch(number)
        if not stage or read is None:
            raise SettingsError(f"--{what} {text} cannot be read: give a stage and a number, such as resize=2048.")
        yield f"sizes.{stage}.{what}", int(read[1])


def _change(text: str) -> tuple[str, Any]:
    field, equals, value = text.partition("=")
    if not field or not equals:
        raise SettingsError(f"--set {text} cannot be read: give a field and its value, such as parameters.size=small.")
    try:
        return field, json.loads(value)
    except ValueError:
        return field, value
