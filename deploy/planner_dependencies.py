"""The planner's dependencies, for Lambda's platform whatever this machine is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# Of the function in template.yaml: its Runtime, and the architecture that Lambda takes where none is named.
PYTHON_VERSION, PLATFORM = "3.12", "manylinux2014_x86_64"


def install(root: Path, target: Path, python_version: str = PYTHON_VERSION) -> None:
    """Install what requirements/lambda.txt locks; boto3 is not in it, since Lambda provides it.

    Raises CalledProcessError where pip fails, which says why.
    """
    shutil.rmtree(target, ignore_errors=True)
    lock = root / "requirements" / "lambda.txt"
    subprocess.run([*_pip(python_version), "--target", str(target), "-r", str(lock)], check=True)


def _pip(python_version: str) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lambdas = ["--platform", PLATFORM, "--implementation", "cp", "--python-version", python_version]
    # No byte code: its times would make other bytes of the same sources.
    return [*pip, *lambdas, "--only-binary=:all:", "--require-hashes", "--no-compile"]
