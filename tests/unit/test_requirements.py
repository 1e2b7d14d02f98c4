"""What is locked apart from the project is part of what the project declares."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_worker_needs_nothing_that_the_wheel_does_not_declare() -> None:
    """The image installs requirements/worker.txt beside the wheel, which then brings no dependency itself."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements" / "worker.in").read_text().splitlines()
    of_the_worker = {line for line in lines if not line.startswith("#")}
    assert of_the_worker < set(declared)
    assert not {"ministack==1.5.33", "hypercorn", "pillow", "rich"} & of_the_worker
