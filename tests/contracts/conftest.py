"""One emulator for all contract tests: it is a process of its own, as it is for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.emulator_process import EmulatorProcess

from .cloud import Cloud

IMAGES = Path(__file__).with_name("images.yaml")


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    """A running emulator."""
    with EmulatorProcess(images=IMAGES) as process:
        yield process


@pytest.fixture(scope="session")
def cloud(emulator: EmulatorProcess) -> Cloud:
    """The emulator's services, with what every test needs on them."""
    return Cloud(emulator)
