"""What docs/log-lanes.md has one type, against an AWS CLI that answers as the real one does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import PROJECT

PAGE = (PROJECT / "docs" / "log-lanes.md").read_text(encoding="utf-8")
# Of a command that pages, the CLI asks a query of each page where it prints text, and of all together where it prints
# JSON [AWS CLI user guide, Filter CLI output, "Automatic pagination"]. Here the second page of two is empty.
CLI = f"""#!{sys.executable}
import json, sys, time
words = sys.argv[1:]
line = {{"ingestionTime": int(time.time() * 1000) - 7_000, "message": "a"}}
pages = [[line], []] if "filter-log-events" in words else [[line]]
if "json" in words:
    print(json.dumps({{"events": sum(pages, [])}}))
else:
    print("\\n".join(str(page[-1]["ingestionTime"]) if page else "None" for page in pages))
"""


@pytest.mark.skipif(shutil.which("jq") is None or shutil.which("bash") is None, reason="needs bash and jq")
def test_how_late_a_line_is_seen_is_told_in_two_numbers(tmp_path: Path) -> None:
    """However many pages there are."""
    found = re.search(r"^```sh\n((?:late|for).*?)^```", PAGE, re.M | re.S)
    assert found
    cli = tmp_path / "aws"
    cli.write_text(CLI, encoding="utf-8")
    cli.chmod(0o755)
    once = found[1].replace("seq 60", "seq 1")
    typed = f'PATH="{tmp_path}:$PATH" GROUP=g STREAM=s\n{once}'
    said = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False)
    assert re.fullmatch(r"[0-9]+ [0-9]+\n", said.stdout), said
