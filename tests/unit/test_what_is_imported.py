"""What a process does without: each import is time at its start and memory for its life."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_LOADED = "print({name.partition('.')[0] for name, module in sys.modules.items() if module is not None} & unwanted)"
PROCESSES = {
    # Without settings it ends as soon as all is imported.
    "a worker": ("from workers.__main__ import main; assert main() == 2", {"rich"}),
    "the planner": ("import workers.plan_next_step", {"boto3", "botocore", "asyncio"}),
}


@pytest.mark.parametrize(("program", "unwanted"), PROCESSES.values(), ids=PROCESSES)
def test_a_process_does_without(program: str, unwanted: set[str]) -> None:
    """They are installed, and not imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBFERRY_")}
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; unwanted = {unwanted}; {program}; {_LOADED}"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "set()\n"
