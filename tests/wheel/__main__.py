"""`make wheel`: build the wheel, and try it as one who has nothing else: in environments and folders of its own.

The dependencies are resolved as anybody's installer does it, without our locks: what that brings must work too. Only
the worker's own installation takes the lock, as its image does.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import CommandFailed, call

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "wheel"
# As in the Dockerfile: what a checkout holds beside it, an earlier build for one, is not to slip in.
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "schemas", "service", "workers", "deploy")
# uv takes this interpreter, and downloads none.
UV = {"UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": sys.executable}


def main() -> int:
    """0 if the wheel does all that is promised of it."""
    steps: tuple[tuple[str, Callable[[Path], None]], ...] = (
        ("pip install <wheel>; jobferry demo", _installed_by_pip),
        ("uvx --from <wheel> jobferry demo", _run_by_uvx),
        ("pip install --no-deps <wheel>, and the worker's lock; jobferry worker, local, demo", _the_worker_alone),
    )
    try:
        wheel = _built()
        for name, step in steps:
            step(wheel)
            print(f"ok  {name}", flush=True)
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The wheel: {wheel.relative_to(ROOT)}")
    return 0


def _built() -> Path:
    shutil.rmtree(WORK, ignore_errors=True)
    sources = WORK / "sources"
    sources.mkdir(parents=True)
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, sources / name)
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    call(sys.executable, "-m", "pip", "--quiet", "wheel", *offline, "--wheel-dir", WORK, sources)
    [wheel] = WORK.glob("*.whl")
    return wheel


def _installed_by_pip(wheel: Path) -> None:
    bin_ = _environment("whole", wheel)
    folder = _elsewhere("demo")
    call(bin_ / "jobferry", "demo", within=folder)
    if not (folder / ".jobferry" / "contact-sheet.png").exists():
        raise CommandFailed("jobferry demo left no contact sheet in the folder that it was called in")


def _run_by_uvx(wheel: Path) -> None:
    uvx = _environment("uv", "--require-hashes", "-r", ROOT / "requirements" / "uv.txt") / "uvx"
    call(uvx, "--from", wheel, "jobferry", "demo", within=_elsewhere("uvx"), variables=UV)


def _the_worker_alone(wheel: Path) -> None:
    lock = ("--require-hashes", "-r", ROOT / "requirements" / "worker.txt")
    bin_ = _environment("worker", *lock)
    call(bin_ / "python", "-m", "pip", "--quiet", "install", "--no-index", "--no-deps", wheel)
    folder = _elsewhere("alone")
    # Its settings are missing, which it can say only when all that it imports is there.
    _says(call(bin_ / "jobferry", "worker", within=folder, exit_code=2), "JOBFERRY_REQUEST_QUEUE_URL")
    for verb in ("local", "demo"):
        said = call(bin_ / "jobferry", verb, within=folder, exit_code=2)
        _says(said, "jobferry[local]")
        if len(said.splitlines()) != 1:
            raise CommandFailed(f"jobferry {verb} should say in one sentence what to install, and said\n{said}")


def _environment(name: str, *packages: str | Path) -> Path:
    """The folder of the commands of a new virtual environment with these packages."""
    call(sys.executable, "-m", "venv", WORK / name)
    bin_ = WORK / name / "bin"
    call(bin_ / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *packages)
    return bin_


def _elsewhere(name: str) -> Path:
    """An empty folder, from which no Python finds the checkout."""
    folder = WORK / "folders" / name
    folder.mkdir(parents=True)
    return folder


def _says(said: str, what: str) -> None:
    if what not in said:
        raise CommandFailed(f"This should name {what}:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
