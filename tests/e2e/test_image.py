"""What the worker's image holds and says, without building it: its lock's packages, and the wheel of what is copied.

No package is installed here. `make image-check` builds the image as its Dockerfile says, with pip and an index; this is
the same environment, in which those packages that the lock names, and no other, are links to the ones we run with.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.utils import canonicalize_name

from tests.support.dockerfile import ROOT, Stage, admitted_files, stages
from tests.support.locked import link, locked, wanted

BUILD, RUN = stages(ROOT / "deploy" / "Dockerfile")
LOCK = ROOT / "requirements" / "worker.txt"
_BUILD_WHEEL = "import sys, setuptools.build_meta as backend; print(backend.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the build stage makes."""
    place = tmp_path_factory.mktemp("image")
    context, wheels, environment = (place / name for name in ("build", "wheels", "jobferry"))
    _copy(BUILD, context)
    venv.create(environment, symlinks=True)
    [packages] = environment.glob("lib/python3.*/site-packages")
    for package in locked(LOCK):
        link(package, packages)
    # As pip calls it, where it builds without isolation.
    built = [sys.executable, "-c", _BUILD_WHEEL, str(wheels)]
    subprocess.run(built, cwd=context, check=True, capture_output=True)
    [wheel] = wheels.glob("jobferry-*.whl")
    ZipFile(wheel).extractall(packages)
    for command in _commands(packages):
        program = environment / "bin" / command.name
        program.write_text(f"#!{environment / 'bin' / 'python'}\n" + _program(command))
        program.chmod(0o755)
    return environment


def _copy(stage: Stage, context: Path) -> None:
    for sources, _ in stage.copies():
        for file in (file for source in sources for file in admitted_files(source)):
            target = context / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _commands(packages: Path) -> list[EntryPoint]:
    [known] = packages.glob("jobferry-*.dist-info")
    return list(PathDistribution(known).entry_points.select(group="console_scripts"))


def _program(command: EntryPoint) -> str:
    return f"import sys\nfrom {command.module} import {command.attr}\nsys.exit({command.attr}())\n"


def started(image: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Start the image's ENTRYPOINT with these arguments, and with nothing of this machine's environment."""
    [program] = RUN.last("ENTRYPOINT").words
    command = [str(image / "bin" / program), *arguments]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


def test_the_lock_names_all_that_its_packages_need() -> None:
    """With `--require-hashes`, pip refuses a package that is needed and is not locked."""
    packages = list(locked(LOCK))
    known = {canonicalize_name(package.metadata["Name"]) for package in packages}
    assert {canonicalize_name(name) for package in packages for name in wanted(package)} <= known


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
