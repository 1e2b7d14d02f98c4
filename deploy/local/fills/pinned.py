"""The emulator's version we know, and the one way in which its parts are replaced."""

from __future__ import annotations

from importlib.metadata import version
from types import ModuleType
from typing import Any

from schemas.errors import JobferryError

MINISTACK = "1.5.33"


class PinMovedError(JobferryError):
    """The installed ministack is not the one whose gaps are filled here: run tests/contracts and fit the fills."""


def require_pin() -> None:
    """Refuse to run on another version than the one the fills were written for.

    Raises:
        PinMovedError: another version is installed.
    """
    installed = version("ministack")
    if installed != MINISTACK:
        raise PinMovedError(
            f"ministack {installed} is installed, the fills in deploy/local were written for {MINISTACK}"
        )


def replace(module: ModuleType, name: str, replacement: Any) -> Any:
    """Put `replacement` in the place of a module's attribute, and give back what was there.

    Raises:
        PinMovedError: the module has no such attribute any more.
    """
    if not hasattr(module, name):
        raise PinMovedError(f"{module.__name__}.{name} is gone, so its gap cannot be filled there")
    original = getattr(module, name)
    setattr(module, name, replacement)
    return original
