"""A job that failed, as one file: made by the command and over HTTP, and replayed where nothing of it is known."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

from schemas.casefile import Replay
from tests.support.commands import call
from tests.support.system import System

JOBFERRY = str(Path(sys.executable).parent / "jobferry")
STAGE = {"image": "stubborn", "command": ["sh", "-c", "echo no such tide >&2; exit 7"]}


def test_the_case_of_a_failed_job_is_replayed_elsewhere(system: System, tmp_path: Path) -> None:
    """Without AWS, a setting or an environment; it says of each decision that it would be the same."""
    system.send({"job_id": "to-be-sent", "stages": [STAGE]})
    told = system.told("to-be-sent")
    assert told.failure is not None and told.failure.exit_code == 7
    file, by_http = tmp_path / "sent.zip", tmp_path / "got.zip"
    call(JOBFERRY, "case", "to-be-sent", "-o", file, variables=system.run.environment)
    with system.run.console(0) as address:
        urllib.request.urlretrieve(f"{address}/tenants/default/jobs/to-be-sent/case", by_http)
    for case in (file, by_http):
        run = subprocess.run([JOBFERRY, "replay", case, "--json"], cwd=tmp_path, env={}, capture_output=True, text=True)
        found = Replay.model_validate_json(run.stdout)
        assert (run.returncode, found.differs, found.status) == (0, False, "FAILED"), run.stdout
        # Two tries, the plan before each, and the end; two failures and the card of it.
        assert {part.part: part.decisions for part in found.parts} == {
            "admission": 1, "planning": 4, "diagnosis": 3, "policy": 5, "telling": 1,
        }  # fmt: skip
