"""Tables of tests, in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# Every process of tests reads the tables, and in Python that takes ten times as long.
QUICK_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def read_table(path: Path) -> dict[str, Any]:
    """What a file of YAML says."""
    return dict(yaml.load(path.read_text(encoding="utf-8"), QUICK_LOADER))  # a SafeLoader either way
