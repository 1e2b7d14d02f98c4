"""AWS as moto fakes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from botocore import session as botocore_session

from tests.support.moto import connect, endpoint, name, session, table, time  # noqa: F401  # fixtures of pytest's


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """Each command that is typed here opens a session, and reads no service's model that one before it has read."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore_session, "create_loader", cache(botocore_session.create_loader))
        yield
