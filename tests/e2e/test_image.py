"""What the worker's image does when it is built and started, done here: its own instructions, without its base."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dockerfile import ROOT, Stage, admitted_files, stages

BUILD, RUN = stages(ROOT / "deploy" / "Dockerfile")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the build stage makes."""
    place = tmp_path_factory.mktemp("image")
    context = place / "build"
    _copy(BUILD, context)
    tools = place / "tools"
    subprocess.run([sys.executable, "-m", "venv", str(tools)], check=True)
    for run in BUILD.all("RUN"):
        command = run.value.replace("/opt/jobferry", str(place / "jobferry")).replace("/wheels", str(place / "wheels"))
        subprocess.run(["/bin/sh", "-ec", command], cwd=context, env=_environment(tools), check=True)
    return place / "jobferry"


def _copy(stage: Stage, context: Path) -> None:
    for sources, _ in stage.copies():
        for file in (file for source in sources for file in admitted_files(source)):
            target = context / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _environment(tools: Path) -> dict[str, str]:
    """The image's base has python and pip on its path. Without byte code the installation takes half the time."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL"))}
    home = os.environ.get("HOME", "/tmp")  # where pip keeps its cache and its settings
    return {**kept, "HOME": home, "PATH": f"{tools / 'bin'}:{os.defpath}", "PIP_NO_COMPILE": "1", "PIP_QUIET": "2"}


def started(image: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Start the image's ENTRYPOINT with these arguments, and with nothing of this machine's environment."""
    [program] = RUN.last("ENTRYPOINT").words
    command = [str(image / "bin" / program), *arguments]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


def test_the_worker_starts_from_its_lock_alone(image: Path, tmp_path: Path) -> None:
    """It gets as far as its settings, and says which are missing: no package is."""
    ended = started(image, *RUN.last("CMD").words, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("JOBFERRY_REQUEST_QUEUE_URL is missing.")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["dlq", "--help"], ["doctor", "--help"], ["catalog", "check", "-h"]])
def test_an_operator_finds_the_commands_in_it(image: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Every command that does not need the local run is at hand."""
    ended = started(image, *arguments, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: jobferry")


@pytest.mark.parametrize("verb", ["local", "demo"])
def test_a_verb_that_it_lacks_says_what_to_install(image: Path, tmp_path: Path, verb: str) -> None:
    """The local run is not in the image, and one sentence says so."""
    ended = started(image, verb, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"jobferry {verb} needs the local run, and deploy.local is not installed here: "
        "install Jobferry with its extra, jobferry[local].\n"
    )


def test_it_holds_what_the_worker_needs_and_nothing_else(image: Path) -> None:
    """No emulator, no test tool, no installer; but what the doctor compares a deployment with."""
    [packages] = image.glob("lib/python3.*/site-packages")
    names = {path.name for path in packages.iterdir()}
    assert not names & {"ministack", "moto", "pytest", "hypercorn", "PIL", "pip", "setuptools"}
    assert {"service", "workers", "schemas", "deploy"} <= names
    assert {path.name for path in (packages / "deploy").glob("*") if path.name != "__pycache__"} == {
        "__init__.py",
        "catalog.yaml",
        "state_machine.asl.json",
    }
