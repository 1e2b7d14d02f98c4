"""How verbs print: plain where it is piped, rich on a terminal; what others wrote steers no terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

SUCCEEDED, FAILED, USAGE, REJECTED, TIMED_OUT = 0, 1, 2, 3, 4
_STATUSES = {"SUCCEEDED": SUCCEEDED, "REJECTED": REJECTED}
_STYLES = {
    "SUCCEEDED": "green",
    "PASSED": "green",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "ABORTED": "red",
    "REJECTED": "red",
    "RUNNING": "cyan",
    "WAITING": "yellow",
}


def exit_code(status: str) -> int:
    """The status of a verb that waited for a job to end so."""
    return _STATUSES.get(status, FAILED)


def as_json(body: BaseModel) -> None:
    """The contract itself, for programs."""
    print(body.model_dump_json(indent=2))


def agreed(question: str) -> bool:
    """Whether whoever sits there says yes. Standard output is the answer's own, so the question goes to the other."""
    print(harmless(f"{question} [y/N] "), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def line(text: str = "") -> None:
    """A line of words, some of which may be a container's or a producer's."""
    print(harmless(text), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], whole: Collection[str] = ()) -> None:
    """Rows, aligned on a terminal; piped, a line of fields with tabs between them, without a head.

    On a narrow terminal the columns that are to stay `whole` are cut last: an id is there to be copied.
    """
    # The worker's image has no rich.
    if not sys.stdout.isatty() or find_spec("rich") is None:
        for row in rows:
            print("\t".join(harmless(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        drawn.add_column(column, no_wrap=column in whole)
    for row in rows:
        drawn.add_row(*(Text(harmless(cell), style=_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(drawn)


def harmless(text: str) -> str:
    """A text without what would steer a terminal or break a line."""
    return "".join(character if character.isprintable() else " " for character in text)
