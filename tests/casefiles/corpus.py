"""Which cases are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_NAMES = ("pictures", "swells", "cancelled", "redriven", "malformed")
CASES: Mapping[str, Path] = {name: Path(__file__).with_name(f"{name}.zip") for name in _NAMES}
"""By the job's id: of two stages that went well, out of memory with a retry, cancelled, redriven, and rejected."""
