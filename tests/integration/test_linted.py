"""The templates by CloudFormation's own linter, which is a process of six seconds."""

from __future__ import annotations

import subprocess
import sys

from tests.support.deployment import DEPLOY

CFN_LINT = "from cfnlint.runner import main; raise SystemExit(main())"
TEMPLATES = [DEPLOY / "template.yaml", *sorted((DEPLOY / "examples").glob("*.yaml"))]


def test_cfn_lint_finds_nothing() -> None:
    """The templates are what CloudFormation's own schemas say they should be."""
    lint = subprocess.run(
        [sys.executable, "-c", CFN_LINT, *map(str, TEMPLATES)], capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout
