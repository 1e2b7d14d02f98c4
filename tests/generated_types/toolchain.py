"""The generators and compilers, each pinned by a lock of its own and installed below build/types."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import call

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "types"
NODE_MODULES = WORK / "node_modules"
LOCKED_PYTHON = ROOT / "requirements" / "types.txt"


class NpmMissing(RuntimeError):
    """make types needs npm, which comes with Node.js 20 or newer: install it, and see that npm is on the PATH."""

    def __str__(self) -> str:
        return str(self.__doc__)


def install() -> None:
    """Have the generators of the locks; what is there already stays.

    Raises:
        NpmMissing: nothing can be generated for TypeScript and Go without it.
    """
    if shutil.which("npm") is None:
        raise NpmMissing
    WORK.mkdir(parents=True, exist_ok=True)
    _once(HERE / "package-lock.json", _install_from_npm)
    _once(LOCKED_PYTHON, _install_from_pypi)


def npm_tool(name: str) -> Path:
    """A command that npm installed."""
    return NODE_MODULES / ".bin" / name


def python_tool(name: str) -> Path:
    """A command that pip installed."""
    return WORK / "venv" / "bin" / name


def fresh(name: str, sources: Path) -> Path:
    """An empty folder for one language, with the programs in it that use the types."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sources, folder)
    return folder


def _once(lock: Path, install: Callable[[], None]) -> None:
    mark = WORK / f"{lock.name}.installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        install()
        mark.write_text(digest)


def _install_from_npm() -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, WORK)
    call("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", within=WORK)


def _install_from_pypi() -> None:
    call(sys.executable, "-m", "venv", "--clear", WORK / "venv")
    pip = (python_tool("python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    call(*pip, "install", "--require-hashes", "-r", LOCKED_PYTHON)
