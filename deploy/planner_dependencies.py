"""The dependencies of the functions, for Lambda's platform whatever this machine is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PLANNER_LOCK, API_LOCK = "lambda.txt", "api.txt"
# Of the functions in template.yaml: their Runtime, and the architecture that Lambda takes where none is named.
PYTHON_VERSION, PLATFORM = "3.12", "manylinux2014_x86_64"


def install(root: Path, target: Path, python_version: str = PYTHON_VERSION, lock: str = PLANNER_LOCK) -> None:
    """Install what a file of requirements/ locks; boto3 is not in it, since Lambda provides it.

    Raises CalledProcessError where pip fails, which says why.
    """
    shutil.rmtree(target, ignore_errors=True)
    locked = root / "requirements" / lock
    subprocess.run([*_pip(python_version), "--target", str(target), "-r", str(locked)], check=True)


def _pip(python_version: str) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lambdas = ["--platform", PLATFORM, "--implementation", "cp", "--python-version", python_version]
    # No byte code: its times would make other bytes of the same sources.
    return [*pip, *lambdas, "--only-binary=:all:", "--require-hashes", "--no-compile"]
