"""What was measured, as one table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table: the measure of each round, and what it must come to."""

    what: str
    rounds: tuple[float, ...]
    unit: str = ""
    must: str = ""
    more: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    def __str__(self) -> str:
        spread = f"{_short(min(self.rounds))} - {_short(max(self.rounds))}" if len(self.rounds) > 1 else ""
        line = f"  {self.what:<66} {_short(self.value):>8} {self.unit:<5} {spread:<15} {self.must:<12} {self.more}"
        return line.rstrip()


def header() -> str:
    """Above the first row."""
    return f"  {'':<66} {'median':>8} {'':<5} {'spread':<15} {'must be':<12}".rstrip()


def _short(number: float) -> str:
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f}"


def write_json(where: Path, rows: Sequence[Row], more: dict[str, Any]) -> None:
    """All of it, for a machine to compare with another run."""
    where.parent.mkdir(parents=True, exist_ok=True)
    here = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    told = {"here": here, "rows": [{**asdict(row), "median": row.value} for row in rows], **more}
    where.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
