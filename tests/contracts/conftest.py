"""One emulator for all contract tests: it is a process of its own, as it is for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.emulator.process import EmulatorProcess
from tests.support.cloud import Cloud

IMAGES = Path(__file__).with_name("images.yaml")


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the emulator keeps its scratch directory."""
    return tmp_path_factory.mktemp("emulator")


@pytest.fixture(scope="session")
def emulator(temporary: Path) -> Iterator[EmulatorProcess]:
    """A running emulator."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(temporary))
        process = EmulatorProcess(images=IMAGES)
        process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def cloud(emulator: EmulatorProcess) -> Cloud:
    """The emulator's services, with what every test needs on them."""
    return Cloud(emulator)
