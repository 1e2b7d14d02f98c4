"""The images as their Dockerfiles make them, and a worker of theirs on the local AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.local_run import LocalRun, local_run
from tests.image.base import base_of, make_base, python_for
from tests.image.registry import pip_access
from tests.image.store import Store
from tests.image.tools import PICTURES, WORKER, lacking
from tests.support.dockerfile import ROOT

HERE = Path(__file__).parent
# What make clean removes. A second run finds the base there, and the layers that have not changed.
FOLDER = ROOT / "build" / "image_check"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here takes root and Debian's tools, so `make test` leaves it to `make image-check`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.image)


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """A store with the base in it."""
    if lack := lacking():
        pytest.fail(lack, pytrace=False)
    store = Store(FOLDER)
    store.tidy()
    for name in {base_of(WORKER), base_of(PICTURES)}:
        python = str(python_for(name))
        print(f"{name} is made of Debian's packages and {python}")
        make_base(store, name, python)
    yield store
    store.tidy()


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How pip reaches its index during a build."""
    return pip_access(tmp_path_factory.mktemp("pip"))


@pytest.fixture(scope="session")
def worker_image(store: Store, access: list[str]) -> str:
    """The worker's image."""
    return store.build(WORKER, "localhost/jobferry:check", access)


@pytest.fixture(scope="session")
def pictures_image(store: Store, access: list[str]) -> str:
    """The example's image."""
    return store.build(PICTURES, "localhost/jobferry/pictures:check", access)


@pytest.fixture(scope="session")
def run() -> Iterator[LocalRun]:
    """The embedded AWS on this machine's loopback, with the stack on it and no worker."""
    with local_run() as run:
        yield run


@pytest.fixture(scope="session")
def settings(run: LocalRun) -> Mapping[str, str]:
    """A container's variables: the worker's, but with the catalogue that its image brings."""
    given = {name: value for name, value in run.environment.items() if name != "JOBFERRY_CATALOG"}
    return {**given, "AWS_ACCESS_KEY_ID": run.stack.worker_role}
